package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"netlab/labs"
)

// source is the text of a lab file and the name by which messages call it.
type source struct {
	file string
	data []byte
}

// isPath reports whether a LAB argument is a path and not a name.
func isPath(arg string) bool {
	return strings.Contains(arg, "/") || strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml")
}

// find returns the lab file that a LAB argument means: a path, - for standard
// input, the name of a lab that is up, or the name of one that ships.
func (sys system) find(arg string) (source, error) {
	switch {
	case arg == "-":
		data, err := io.ReadAll(io.LimitReader(sys.stdin, maxLabFile+1))
		if err != nil {
			return source{}, fmt.Errorf("read standard input: %w", err)
		}
		return source{"-", data}, nil
	case isPath(arg):
		return readLabFile(arg)
	}
	if saved, err := savedLab(arg); err == nil {
		return saved, nil
	}
	if data, ok := labs.ShippedFile(arg); ok {
		return source{"labs/" + arg + ".yaml", data}, nil
	}
	return source{}, unknownLab(arg)
}

// maxLabFile is read of a lab file at most, in bytes; package labs refuses
// what is longer.
const maxLabFile = 17 << 20

func readLabFile(path string) (source, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return source{}, usageError("%s: there is no such file\n    hint: \"netlab list\" shows the labs that ship; \"netlab up two-node\" needs no file", path)
	}
	if err != nil {
		return source{}, &codeError{exitUsage, err}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLabFile+1))
	if err != nil {
		return source{}, &codeError{exitUsage, err}
	}
	return source{path, data}, nil
}

func unknownLab(name string) error {
	known := labs.Shipped()
	if up, err := runningLabs(); err == nil {
		known = append(known, up...)
	}
	if _, err := os.Stat(name); err == nil {
		return usageError("there is no lab called %q, but a file: write ./%s", name, name)
	}
	hint := "\"netlab list\" shows the labs there are; a file is a path with a / or ends in .yaml"
	if best := nearest(name, known); best != "" {
		hint = fmt.Sprintf("did you mean %q?", best)
	}
	return usageError("there is no lab called %q\n    hint: %s", name, hint)
}

// load returns the lab that a LAB argument means. Warnings go to standard
// error; errors are returned as [labs.Diagnostics].
func (sys system) load(arg string) (*labs.Lab, source, error) {
	src, err := sys.find(arg)
	if err != nil {
		return nil, source{}, err
	}
	lab, diagnostics := labs.Load(src.file, src.data)
	if diagnostics.HasErrors() {
		return nil, src, diagnostics
	}
	for _, d := range diagnostics {
		fmt.Fprintln(sys.stderr, d)
	}
	return lab, src, nil
}

// name returns the name of the lab that a LAB argument means, also when its
// file has mistakes: what is up must be able to go down.
func (sys system) name(arg string) (string, error) {
	if !isPath(arg) && arg != "-" {
		return arg, nil
	}
	src, err := sys.find(arg)
	if err != nil {
		return "", err
	}
	lab, diagnostics := labs.Load(src.file, src.data)
	if lab != nil {
		return lab.Name, nil
	}
	if spec, _ := labs.Parse(src.file, src.data); spec != nil && labs.ValidName(spec.Name.Value) {
		return spec.Name.Value, nil
	}
	return "", diagnostics
}
