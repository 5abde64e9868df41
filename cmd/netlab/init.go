package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
)

// newLab is a lab to start from.
//
//go:embed new.yaml
var newLab []byte

func initCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "write a lab file to start from",
		ArgsUsage: "[FILE]",
		Description: `FILE is lab.yaml unless given; - is standard output. A file that is there is
left alone. Nothing is asked, and the lab comes up as it is. Its first line names
the file's JSON Schema, which is written beside it: with that, editors complete
and check a lab file, also without a network and on other machines.

Examples:
   netlab init
   netlab init labs/mine.yaml --no-schema
   netlab up ./lab.yaml`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "no-schema", Usage: "write the lab file only"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return args(c, "[FILE]")
			}
			file := c.Args().First()
			if file == "-" {
				_, err := sys.stdout.Write(newLab)
				return err
			}
			if file == "" {
				file = "lab.yaml"
			}
			return writeNewLab(sys, file, !c.Bool("no-schema"))
		},
	}
}

// writeNewLab writes the lab to start from, and the schema beside it.
func writeNewLab(sys system, file string, withSchema bool) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return usageError("%s is there already: it is left alone\n    hint: netlab init ANOTHER.yaml", file)
	case errors.Is(err, fs.ErrNotExist):
		return usageError("%s: there is no such directory\n    hint: mkdir -p %s", filepath.Dir(file), filepath.Dir(file))
	case err != nil:
		return err
	}
	schema := filepath.Join(filepath.Dir(file), schemaFile)
	if withSchema {
		if withSchema, err = placeSchema(schema); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	data := newLab
	if withSchema {
		data = append([]byte("# yaml-language-server: $schema="+schemaFile+"\n"), data...)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if !isPath(file) {
		file = "./" + file
	}
	fmt.Fprintf(sys.stdout, "%s is written", file)
	if withSchema {
		fmt.Fprintf(sys.stdout, ", and %s for editors", schema)
	}
	_, err = fmt.Fprintf(sys.stdout, "; bring it up with \"%s up %s\"\n", programName(), strings.TrimPrefix(file, "./"))
	return err
}
