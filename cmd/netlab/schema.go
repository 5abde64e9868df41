package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"netlab/labs"
)

// schemaFile is what init and schema -w call the schema beside a lab file.
const schemaFile = "netlab.schema.json"

func schemaCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:  "schema",
		Usage: "print the JSON Schema of the lab file, for editors and validators",
		Description: `An editor with the YAML language server completes and checks a lab file whose
first line names the schema, by a path from the lab file:

   # yaml-language-server: $schema=netlab.schema.json

"netlab init" writes both. The schema says which keys and values there are; what
takes a look at two places at once is said by "netlab validate".

Examples:
   netlab schema
   netlab schema -w netlab.schema.json     beside lab files, for their first line`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "write", Aliases: []string{"w"}, Usage: "write it to `FILE`; - is standard output"},
		},
		Action: func(c *cli.Context) error {
			if err := args(c); err != nil {
				return err
			}
			file := c.String("write")
			if file == "" || file == "-" {
				_, err := sys.stdout.Write(labs.Schema())
				return err
			}
			if err := os.WriteFile(file, labs.Schema(), 0o644); err != nil {
				return err
			}
			_, err := fmt.Fprintf(sys.stdout, "%s is written\n", file)
			return err
		},
	}
}

// placeSchema writes the schema to a file unless something that is not a
// schema of ours lies there. It reports whether it is there now.
func placeSchema(file string) (bool, error) {
	old, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case !bytes.Contains(old, []byte(labs.SchemaID)):
		return false, nil
	}
	return true, os.WriteFile(file, labs.Schema(), 0o644)
}
