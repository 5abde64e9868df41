package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/urfave/cli/v2"

	"netlab/labs"
)

func fmtCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "fmt",
		Usage:     "tidy lab files, or write their addresses down",
		ArgsUsage: "FILE...",
		Description: `Files are rewritten in place, and those that changed are listed; - reads standard
input and writes standard output. Comments, quotes and the order of keys stay,
and so does the lab.

--pin also writes down what follows from the order of nodes, pods and services:
addresses, pod subnets, node ports. After that an entry can be removed without
renumbering those behind it.

Examples:
   netlab fmt lab.yaml
   netlab fmt --check labs/*.yaml          3 if one is not tidy
   netlab fmt --diff lab.yaml              what would change
   netlab fmt --pin lab.yaml`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "check", Usage: "change nothing; list files that are not tidy, and exit with 3 if there are any"},
			&cli.BoolFlag{Name: "diff", Aliases: []string{"d"}, Usage: "change nothing; print what would change"},
			&cli.BoolFlag{Name: "pin", Usage: "write addresses, pod subnets and node ports into the file"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return args(c, "FILE...")
			}
			f := formatter{sys: sys, out: sys.output(c), check: c.Bool("check"), diff: c.Bool("diff"), pin: c.Bool("pin")}
			return f.run(c.Args().Slice())
		},
	}
}

// formatter tidies files.
type formatter struct {
	sys              system
	out              output
	check, diff, pin bool
	untidy           int
}

func (f *formatter) run(files []string) error {
	var errs []error
	for _, file := range files {
		if err := f.file(file); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if f.check && f.untidy > 0 {
		return &codeError{exitDiffers, nil}
	}
	return nil
}

// file tidies one file.
func (f *formatter) file(file string) error {
	src, err := f.read(file)
	if err != nil {
		return err
	}
	now := src.data
	if f.pin {
		pinned, diagnostics := labs.Pin(file, now)
		if pinned == nil {
			return diagnostics
		}
		now = pinned
	}
	tidy, diagnostics := labs.Tidy(file, now)
	if tidy == nil {
		return diagnostics
	}
	changed := !bytes.Equal(src.data, tidy)
	if changed {
		f.untidy++
	}
	switch {
	case f.diff:
		_, err = f.out.stdout.Write([]byte(f.out.paint(string(diff.Diff(file+".orig", src.data, file, tidy)))))
	case f.check:
		if changed {
			_, err = fmt.Fprintln(f.out.stdout, file)
		}
	case file == "-":
		_, err = f.sys.stdout.Write(tidy)
	case changed:
		if err = replaceFile(file, tidy); err == nil {
			_, err = fmt.Fprintln(f.out.stdout, file)
		}
	}
	return err
}

// read returns the text of a file. The name of a lab is not meant: what ships
// cannot be rewritten.
func (f *formatter) read(file string) (source, error) {
	if file == "-" {
		return f.sys.find(file)
	}
	if !strings.Contains(file, "/") && !isPath(file) {
		if _, err := os.Stat(file); err != nil {
			if _, ships := labs.ShippedFile(file); ships {
				return source{}, usageError("%s: there is no such file\n    hint: the lab %s ships in the program; fmt takes files", file, file)
			}
		}
	}
	data, err := f.sys.read(func() ([]byte, error) { return readLabFile(file) })
	return source{file: file, data: data}, err
}

// replaceFile rewrites a file so that it is never half written: what was there
// stays until all of the new is. Links and permissions stay.
func replaceFile(file string, data []byte) error {
	path, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return os.WriteFile(path, data, info.Mode().Perm())
	}
	probe, err := os.OpenFile(path, os.O_WRONLY, 0) // a file that may not be written stays
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".netlab-fmt-*")
	if err != nil {
		return errors.Join(err, probe.Close())
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(info.Mode().Perm()), tmp.Close(), probe.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
