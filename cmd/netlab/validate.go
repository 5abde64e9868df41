package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/verify"
)

func validateCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "validate",
		Usage:     "check lab files; needs neither root nor a kernel",
		ArgsUsage: "FILE...",
		Description: `Exit code 2 if a file has a mistake, otherwise 0. Warnings do not count unless
--strict is given.

Example:
   netlab validate labs/*.yaml`,
		Flags: []cli.Flag{
			outputFlag("text", "json", "github", "gitlab"),
			&cli.BoolFlag{Name: "strict", Usage: "warnings count as mistakes"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing about files that are well"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return args(c, "FILE...")
			}
			files, err := sys.filesOf(c.Args().Slice())
			if err != nil {
				return err
			}
			return validate(sys, files, c.Bool("strict"), sys.output(c))
		},
	}
}

// filesOf returns the lab files that arguments mean, as labFiles does; what is
// the name of a lab stays that.
func (sys system) filesOf(words []string) ([]string, error) {
	var files []string
	for _, word := range words {
		if word == "-" {
			files = append(files, word)
			continue
		}
		if !isPath(word) {
			if _, err := sys.find(word); err == nil {
				files = append(files, word)
				continue
			}
		}
		in, err := labFiles([]string{word})
		if err != nil {
			return nil, err
		}
		files = append(files, in...)
	}
	return files, nil
}

// fileView is what validate has to say of one file, in JSON. It is part of the
// interface.
type fileView struct {
	File        string           `json:"file"`
	Lab         string           `json:"lab,omitempty"`
	Valid       bool             `json:"valid"`
	Diagnostics []diagnosticView `json:"diagnostics"`
}

type diagnosticView struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Path     string `json:"path,omitempty"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

func validate(sys system, files []string, strict bool, out output) error {
	views := []fileView{}
	bad := 0
	for _, arg := range files {
		view := fileView{File: arg, Diagnostics: []diagnosticView{}}
		var diagnostics labs.Diagnostics
		src, err := sys.find(arg)
		if err != nil {
			diagnostics = labs.Diagnostics{{File: arg, Message: strings.TrimPrefix(err.Error(), arg+": "), Severity: labs.Error}}
		} else {
			var lab *labs.Lab
			if lab, diagnostics = labs.Load(src.file, src.data); lab != nil {
				view.Lab = lab.Name
			}
		}
		view.Valid = !diagnostics.HasErrors() && (!strict || len(diagnostics) == 0)
		if !view.Valid {
			bad++
		}
		for _, d := range diagnostics {
			view.Diagnostics = append(view.Diagnostics, diagnosticView{d.File, d.Pos.Line, d.Pos.Column, d.Path, string(d.Severity), d.Message, d.Hint})
		}
		views = append(views, view)
		out.validated(view, diagnostics)
	}
	if err := out.allValidated(views); err != nil {
		return err
	}
	if bad > 0 {
		if out.format == "text" && len(files) > 1 {
			return &codeError{exitUsage, fmt.Errorf("%d of %d files are not valid", bad, len(files))}
		}
		return &codeError{exitUsage, nil}
	}
	return nil
}

// validated prints what one file's check found, as it goes.
func (o output) validated(v fileView, diagnostics labs.Diagnostics) {
	switch o.format {
	case "text":
		for _, d := range diagnostics {
			fmt.Fprintln(o.stdout, d)
		}
		if v.Valid && !o.quiet {
			fmt.Fprintf(o.stdout, "%s: lab %s is valid\n", v.File, v.Lab)
		}
	case "github":
		for _, d := range v.Diagnostics {
			fmt.Fprintln(o.stdout, annotation(d))
		}
	}
}

// allValidated prints what is printed of all files at once.
func (o output) allValidated(views []fileView) error {
	switch o.format {
	case "json":
		return o.json(views)
	case "gitlab":
		findings := []verify.Finding{}
		for _, v := range views {
			for _, d := range v.Diagnostics {
				severity := map[string]string{"error": "major", "warning": "minor"}[d.Severity]
				findings = append(findings, verify.NewFinding("netlab validate", severity, d.File, d.Line, d.text()))
			}
		}
		return verify.WriteFindings(o.stdout, findings)
	}
	return nil
}

// text is what a diagnostic says apart from its place in the file.
func (d diagnosticView) text() string {
	text := d.Message
	if d.Path != "" {
		text = d.Path + ": " + text
	}
	if d.Hint != "" {
		text += "\nhint: " + d.Hint
	}
	return text
}

// annotation writes a workflow command of GitHub Actions, with its data
// escaped as the runner wants it (actions/toolkit packages/core/src/command.ts).
func annotation(d diagnosticView) string {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	place := "file=" + property.Replace(d.File)
	if d.Line > 0 {
		place += fmt.Sprintf(",line=%d,col=%d", d.Line, d.Column)
	}
	return fmt.Sprintf("::%s %s::%s", d.Severity, place, data.Replace(d.text()))
}
