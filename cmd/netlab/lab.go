package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"netlab/labs"
)

// source is the text of a lab file and the name by which messages call it.
type source struct {
	file string
	data []byte
	name string // of the lab that was made of it; "" means the name in the file

	noExec bool // that lab runs none of its containers
}

// lab reads and resolves the file.
func (s source) lab() (*labs.Lab, labs.Diagnostics) { return labs.LoadAs(s.name, s.file, s.data) }

// isPath reports whether a LAB argument is a path and not a name.
func isPath(arg string) bool {
	return strings.Contains(arg, "/") || strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml")
}

// find returns the lab file that a LAB argument means: a path, - for standard
// input, the name of a lab that is up, or the name of one that ships.
func (sys system) find(arg string) (source, error) {
	switch {
	case arg == "-":
		data, err := sys.read(func() ([]byte, error) { return io.ReadAll(io.LimitReader(sys.stdin, maxLabFile+1)) })
		if err != nil {
			return source{}, fmt.Errorf("read standard input: %w", err)
		}
		return source{file: "-", data: data}, nil
	case isPath(arg):
		data, err := sys.read(func() ([]byte, error) { return readLabFile(arg) })
		return source{file: arg, data: data}, err
	}
	if saved, err := sys.savedLab(arg); err == nil {
		return saved, nil
	}
	if data, ok := labs.ShippedFile(arg); ok {
		return source{file: "labs/" + arg + ".yaml", data: data}, nil
	}
	return source{}, sys.unknownLab(arg)
}

// maxLabFile is read of a lab file at most, in bytes; package labs refuses
// what is longer.
const maxLabFile = 17 << 20

// read runs f, which may wait for somebody at the other end of a pipe, and
// gives up when the user does.
func (sys system) read(f func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := f()
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-sys.interrupted:
		return nil, errInterrupted
	}
}

// callAs returns the word that means lab on the command line: the path of its
// file if that is there, else its name.
func callAs(lab *labs.Lab) string {
	if info, err := os.Stat(lab.File); err == nil && info.Mode().IsRegular() && isPath(lab.File) {
		return lab.File
	}
	return lab.Name
}

// errInterrupted ends what the user does not want to wait for any longer.
var errInterrupted = errors.New("interrupted")

func readLabFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		hint := "\"netlab list\" shows the labs that ship; \"netlab up two-node\" needs no file"
		if near := nearFile(path); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		return nil, usageError("%s: there is no such file\n    hint: %s", path, hint)
	}
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, usageError("%s is a directory\n    hint: name a lab file in it, such as %s", path, filepath.Join(path, "lab.yaml"))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxLabFile+1))
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	return data, nil
}

// nearFile returns the lab file that was probably meant by a path to nothing.
func nearFile(path string) string {
	dir, base := filepath.Split(path)
	files, err := filepath.Glob(filepath.Join(dir, "*.y*ml"))
	if err != nil {
		return ""
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	near := nearest(base, files)
	if near == "" {
		return ""
	}
	return dir + near
}

func (sys system) unknownLab(name string) error {
	known := labs.Shipped()
	up, err := sys.runningLabs()
	known = append(known, up...)
	if slices.Contains(up, name) {
		return usageError("lab %q is up, but the copy of its file is gone\n    hint: name the file itself, or remove the lab with \"netlab down %s\"", name, name)
	}
	switch info, err := os.Stat(name); {
	case err != nil:
	case info.IsDir():
		return usageError("there is no lab called %q, but a directory\n    hint: name a lab file in it, such as ./%s", name, filepath.Join(name, "lab.yaml"))
	default:
		return usageError("there is no lab called %q, but a file\n    hint: write ./%s", name, name)
	}
	hint := "\"netlab list\" shows the labs there are; a file is a path with a / or ends in .yaml"
	if best := nearest(name, known); best != "" {
		hint = fmt.Sprintf("did you mean %q?", best)
	}
	if err != nil {
		hint += "; labs that are up can be seen by root only"
	}
	return usageError("there is no lab called %q\n    hint: %s", name, hint)
}

// load returns the lab that a LAB argument means; of one that came up without its
// containers, by its name, without them. Warnings go to standard
// error; errors are returned as [labs.Diagnostics].
func (sys system) load(arg string) (*labs.Lab, source, error) {
	src, err := sys.find(arg)
	if err != nil {
		return nil, source{}, err
	}
	lab, diagnostics := src.lab()
	if diagnostics.HasErrors() {
		return nil, src, diagnostics
	}
	for _, d := range diagnostics {
		fmt.Fprintln(sys.stderr, d)
	}
	if src.noExec {
		lab = lab.WithoutContainers()
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
	lab, diagnostics := src.lab()
	if lab != nil {
		return lab.Name, nil
	}
	if spec, _ := labs.Parse(src.file, src.data); spec != nil && labs.ValidName(spec.Name.Value) {
		return spec.Name.Value, nil
	}
	return "", diagnostics
}
