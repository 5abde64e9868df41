package main

import (
	"bytes"
	"errors"
	"fmt"
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

// write replaces the file by a report.
func (s savedReport) write(report verify.Report) error {
	return s.replace(func(w io.Writer) error { return writers[s.format](w, report) })
}

// replace writes the file anew. What is no report of checks is not left half
// written: the text is made first.
func (s savedReport) replace(write func(w io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return os.WriteFile(s.file, b.Bytes(), 0o644)
}

// summaryVariable names the file that GitHub Actions shows as the summary of a
// step.
const summaryVariable = "GITHUB_STEP_SUMMARY"

// stepSummary appends a report to the summary of the step, if there is one, when
// the report is one for GitHub.
func (sys system) stepSummary(format string, write func(w io.Writer) error) error {
	file := sys.getenv(summaryVariable)
	if file == "" || format != "github" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the summary of the step (%s): %w", summaryVariable, err)
	}
	return errors.Join(write(f), f.Close())
}
