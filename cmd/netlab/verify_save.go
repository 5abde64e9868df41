package main

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/verify"
)

// reportFormats are the formats of a report of checks, the one for people first.
var reportFormats = []string{"text", "json", "junit", "tap", "github", "gitlab", "markdown"}

// writers write a report of checks in each format.
var writers = map[string]func(io.Writer, verify.Report) error{
	"text": verify.WriteText, "json": verify.WriteJSON, "junit": verify.WriteJUnit,
	"tap": verify.WriteTAP, "github": verify.WriteGitHub, "gitlab": verify.WriteGitLab, "markdown": verify.WriteMarkdown,
}

// savedReport is a file that a report is written to, besides what is printed.
type savedReport struct{ format, file string }

// saveFlags reads --save FORMAT=FILE.
func saveFlags(c *cli.Context) ([]savedReport, error) {
	var saves []savedReport
	for _, arg := range c.StringSlice("save") {
		format, file, ok := strings.Cut(arg, "=")
		if !ok || file == "" {
			return nil, usageError("--save %s: that is no FORMAT=FILE\n    hint: write for instance --save junit=report.xml", arg)
		}
		if !slices.Contains(reportFormats, format) {
			return nil, usageError("--save %s: there is no format %q\n    hint: %s", arg, format, didYouMean(format, reportFormats))
		}
		saves = append(saves, savedReport{format, file})
	}
	return saves, nil
}

// write replaces the file. What is no report of checks is not left half written:
// the text is made first.
func (s savedReport) write(report verify.Report) error {
	var b bytes.Buffer
	if err := writers[s.format](&b, report); err != nil {
		return err
	}
	return os.WriteFile(s.file, b.Bytes(), 0o644)
}
