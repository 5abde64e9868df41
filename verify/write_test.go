package verify_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"netlab/labs"
	"netlab/verify"
)

// reportOf makes a report of which everything but the time is real.
func reportOf(t *testing.T, name string, see func(int, verify.Check, *verify.Observation) error) verify.Report {
	t.Helper()
	r, err := verify.Run(t.Context(), shipped(t, name), &fake{see: see}, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Started, r.Took = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 123*time.Millisecond
	return r
}

// trouble is a lab with a dead pod, a wrong sysctl, a namespace that cannot be
// looked into, and a server that does not answer.
func trouble(_ int, c verify.Check, o *verify.Observation) error {
	switch {
	case c.To != nil && c.To.Name == "default/web-2" && c.Kind == verify.ICMP:
		o.Outcome = labs.Timeout
	case c.From.Name == "node-c" && c.Kind == verify.Control:
		o.Value = "0"
	case c.From.Name == "default/echo" && c.Kind == verify.Neigh:
		return errors.New("open three-node.echo: 100% gone\nfor good")
	case c.Kind == verify.UDP && c.From.Name == "node-a":
		o.Outcome, o.Silent = labs.Timeout, true
	case c.Group == verify.Lab && c.More.Path == "verify[3]":
		o.Outcome = labs.Reachable
	}
	return nil
}

func TestWritersGolden(t *testing.T) {
	well := func(int, verify.Check, *verify.Observation) error { return nil }
	for _, tt := range []struct {
		file, lab string
		see       func(int, verify.Check, *verify.Observation) error
		write     func(io.Writer, verify.Report) error
	}{
		{"well.txt", "two-node", well, verify.WriteText},
		{"well.json", "two-node", well, verify.WriteJSON},
		{"well.github", "two-node", well, verify.WriteGitHub},
		{"trouble.txt", "three-node", trouble, verify.WriteText},
		{"trouble.json", "three-node", trouble, verify.WriteJSON},
		{"trouble.xml", "three-node", trouble, verify.WriteJUnit},
		{"trouble.tap", "three-node", trouble, verify.WriteTAP},
		{"trouble.github", "three-node", trouble, verify.WriteGitHub},
		{"well.md", "two-node", well, verify.WriteMarkdown},
		{"trouble.md", "three-node", trouble, verify.WriteMarkdown},
		{"well.gitlab", "two-node", well, verify.WriteGitLab},
		{"trouble.gitlab", "three-node", trouble, verify.WriteGitLab},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var b strings.Builder
			if err := tt.write(&b, reportOf(t, tt.lab, tt.see)); err != nil {
				t.Fatal(err)
			}
			golden(t, "write/"+tt.file, b.String())
		})
	}
}

// TestWritersAgree reads the machine formats back: all tell the same counts.
func TestWritersAgree(t *testing.T) {
	r := reportOf(t, "three-node", trouble)
	want := r.Counts()

	var j strings.Builder
	if err := verify.WriteJSON(&j, r); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Passed, Failed, Errors, Skipped int
		Results                         []struct{ ID, Verdict string }
	}
	if err := json.Unmarshal([]byte(j.String()), &doc); err != nil {
		t.Fatal(err)
	}
	if got := (verify.Counts{Passed: doc.Passed, Failed: doc.Failed, Errors: doc.Errors, Skipped: doc.Skipped}); got != want || len(doc.Results) != want.Total() {
		t.Errorf("JSON has %+v, want %+v", got, want)
	}

	var x strings.Builder
	if err := verify.WriteJUnit(&x, r); err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Suite []struct {
			Case     []struct{} `xml:"testcase"`
			Tests    int        `xml:"tests,attr"`
			Failures int        `xml:"failures,attr"`
			Errors   int        `xml:"errors,attr"`
			Skipped  int        `xml:"skipped,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(x.String()), &suites); err != nil {
		t.Fatal(err)
	}
	var got verify.Counts
	for _, s := range suites.Suite {
		if s.Tests != len(s.Case) {
			t.Errorf("a suite of %d tests has %d", s.Tests, len(s.Case))
		}
		got.Failed += s.Failures
		got.Errors += s.Errors
		got.Skipped += s.Skipped
		got.Passed += s.Tests - s.Failures - s.Errors - s.Skipped
	}
	if got != want {
		t.Errorf("JUnit has %+v, want %+v", got, want)
	}

	var tap strings.Builder
	if err := verify.WriteTAP(&tap, r); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(tap.String(), "\nnot ok "); n != want.Failed+want.Errors {
		t.Errorf("TAP has %d failures, want %d", n, want.Failed+want.Errors)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWritersReportErrors(t *testing.T) {
	r := reportOf(t, "two-node", nil)
	r.Results[0].Verdict = verify.Fail
	for i, write := range []func(io.Writer, verify.Report) error{
		verify.WriteText, verify.WriteJSON, verify.WriteJUnit, verify.WriteTAP, verify.WriteGitHub, verify.WriteGitLab, verify.WriteMarkdown,
	} {
		if write(full{}, r) == nil {
			t.Errorf("writer %d does not say that it could not write", i)
		}
	}
}
