package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

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
left alone. Nothing is asked, and the lab comes up as it is.

Examples:
   netlab init
   netlab up ./lab.yaml`,
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
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return usageError("%s is there already: it is left alone\n    hint: netlab init ANOTHER.yaml", file)
			}
			if err != nil {
				return err
			}
			_, err = f.Write(newLab)
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
			if !isPath(file) {
				file = "./" + file
			}
			_, err = fmt.Fprintf(sys.stdout, "%s is written; bring it up with \"%s up %s\"\n", file, programName(), file)
			return err
		},
	}
}
