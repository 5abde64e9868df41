package verify_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
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

// suiteOf makes a report of several labs: one that is well, one with trouble, and
// one that did not come up.
func suiteOf(t *testing.T) verify.Suite {
	t.Helper()
	gone := verify.Report{Lab: "gone", File: "labs/gone.yaml", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s := verify.Suite{Started: gone.Started, Took: 456 * time.Millisecond}
	s.Reports = []verify.Report{
		reportOf(t, "two-node", nil).Raised(labs.Pos{}, nil),
		reportOf(t, "three-node", trouble).Raised(labs.Pos{}, nil),
		gone.Raised(labs.Pos{Line: 3, Column: 7}, errors.New("labs/gone.yaml:3:7: there is no node \"x\"\n    hint: did you mean \"y\"?")),
	}
	return s
}

var suiteWriters = map[string]func(io.Writer, verify.Suite) error{
	"txt": verify.WriteSuiteText, "json": verify.WriteSuiteJSON, "xml": verify.WriteSuiteJUnit, "tap": verify.WriteSuiteTAP,
	"github": verify.WriteSuiteGitHub, "gitlab": verify.WriteSuiteGitLab, "md": verify.WriteSuiteMarkdown,
}

func TestSuiteGolden(t *testing.T) {
	for _, name := range []string{"txt", "github", "md"} {
		var b strings.Builder
		if err := suiteWriters[name](&b, suiteOf(t)); err != nil {
			t.Fatal(err)
		}
		golden(t, "write/suite."+name, b.String())
	}
}

// TestSuiteWriters reads the machine formats of several labs back: all of them
// have every check.
func TestSuiteWriters(t *testing.T) {
	s := suiteOf(t)
	want := s.Counts()
	text := map[string]string{}
	for name, write := range suiteWriters {
		var b strings.Builder
		if err := write(&b, s); err != nil {
			t.Fatal(err)
		}
		text[name] = b.String()
		if write(full{}, s) == nil {
			t.Errorf("%s: nobody says that it could not be written", name)
		}
	}
	var doc struct {
		Total, Failed, Errors int
		Labs                  []struct{ Results []struct{ Verdict string } }
	}
	if err := json.Unmarshal([]byte(text["json"]), &doc); err != nil {
		t.Fatal(err)
	}
	results := 0
	for _, l := range doc.Labs {
		results += len(l.Results)
	}
	if doc.Total != want.Total() || results != want.Total() || doc.Failed != want.Failed || doc.Errors != want.Errors || len(doc.Labs) != 3 {
		t.Errorf("JSON has %d checks, %d results of %d labs, want %d", doc.Total, results, len(doc.Labs), want.Total())
	}
	if n := strings.Count(text["xml"], "<testcase "); n != want.Total() {
		t.Errorf("JUnit has %d checks, want %d", n, want.Total())
	}
	for i, line := range strings.Split(strings.TrimSpace(text["tap"]), "\n") {
		if i == 1 && line != fmt.Sprintf("1..%d", want.Total()) {
			t.Errorf("the plan of TAP is %q", line)
		}
	}
	if !strings.Contains(text["tap"], fmt.Sprintf("\nnot ok %d - gone: up gone\n", want.Total())) {
		t.Error("TAP does not number the tests of all labs in a row")
	}
	var findings []verify.Finding
	if err := json.Unmarshal([]byte(text["gitlab"]), &findings); err != nil || len(findings) < 3 {
		t.Errorf("%d findings (%v)", len(findings), err)
	}
}

// TestJUnitSchema holds JUnit XML to a schema of what its readers agree on, with
// a program that is not ours.
func TestJUnitSchema(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("needs xmllint (libxml2-utils)")
	}
	var one, many strings.Builder
	if err := errors.Join(verify.WriteJUnit(&one, reportOf(t, "three-node", trouble)), verify.WriteSuiteJUnit(&many, suiteOf(t))); err != nil {
		t.Fatal(err)
	}
	schemas, err := filepath.Glob("testdata/schema/*.xsd")
	if err != nil || len(schemas) == 0 {
		t.Fatalf("%d schemas (%v)", len(schemas), err)
	}
	for _, schema := range schemas {
		for name, text := range map[string]string{"a lab": one.String(), "several labs": many.String()} {
			cmd := exec.CommandContext(t.Context(), xmllint, "--noout", "--nonet", "--schema", schema, "-")
			cmd.Stdin = strings.NewReader(text)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s, %s: %v\n%.2000s", name, schema, err, out)
			}
		}
		cmd := exec.CommandContext(t.Context(), xmllint, "--noout", "--nonet", "--schema", schema, "-")
		cmd.Stdin = strings.NewReader("<testsuites><nonsense/></testsuites>")
		if cmd.Run() == nil {
			t.Errorf("%s takes anything", schema)
		}
	}
}

// TestChanges: a watch tells what is not as it was, and nothing else.
func TestChanges(t *testing.T) {
	well, ill := reportOf(t, "three-node", nil), reportOf(t, "three-node", trouble)
	bad := ill.Counts().Failed + ill.Counts().Errors
	for _, tt := range []struct {
		name        string
		before, now verify.Report
		want        int
	}{
		{"at first", verify.Report{}, ill, bad}, {"nothing", ill, ill, 0}, {"it broke", well, ill, bad}, {"it was mended", ill, well, bad},
		{"well at first", verify.Report{}, well, 0},
	} {
		if got := verify.Changes(tt.before, tt.now); len(got) != tt.want {
			t.Errorf("%s: %d changes, want %d", tt.name, len(got), tt.want)
		}
	}
	var b strings.Builder
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := verify.WriteChanges(&b, at, ill, verify.Changes(well, ill)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"03:04:05  FAIL  labs/three-node.yaml:60:5: verify[3]", "03:04:05  FAIL  sysctl node-c net.ipv4.ip_forward", "03:04:05  lab three-node: ",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := verify.WriteChangesJSON(&b, at, well, verify.Changes(ill, well)); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Failed  int
		Changed []struct{ Verdict string }
	}
	if err := json.Unmarshal([]byte(b.String()), &line); err != nil || line.Failed != 0 || len(line.Changed) != bad || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("%v: %+v", err, line)
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
