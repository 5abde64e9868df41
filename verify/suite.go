package verify

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"netlab/labs"
)

// Suite is what became of several labs, each brought up to be checked.
type Suite struct {
	Started time.Time
	Took    time.Duration
	Reports []Report // in the order of the files
}

// Counts counts the results of all labs.
func (s Suite) Counts() Counts {
	var all Counts
	for _, r := range s.Reports {
		n := r.Counts()
		all.Passed += n.Passed
		all.Failed += n.Failed
		all.Errors += n.Errors
		all.Skipped += n.Skipped
	}
	return all
}

// Well counts the labs of which nothing failed.
func (s Suite) Well() int {
	well := 0
	for _, r := range s.Reports {
		if r.Counts().Well() {
			well++
		}
	}
	return well
}

// Raised puts before the results of r that its lab came up, or why not. A lab
// that was not taken down as it should is a failure of that too.
func (r Report) Raised(pos labs.Pos, err error) Report {
	res := Result{
		Check:   &Check{Group: Up, Kind: Raise, From: &End{Name: r.Lab, Pos: pos}, Want: labs.Reachable},
		Verdict: Pass,
	}
	if err != nil {
		res.Verdict, res.Reason, res.Seen = Error, err.Error(), "not up"
	}
	out := r
	out.Results = append([]Result{res}, r.Results...)
	out.Explanations = make([]Explanation, len(r.Explanations))
	for i, e := range r.Explanations {
		e.Checks = append([]int(nil), e.Checks...)
		for k := range e.Checks {
			e.Checks[k]++
		}
		out.Explanations[i] = e
	}
	return out
}

// WriteSuiteText writes s for people: a line for each lab, what failed of it and
// why, and a line of totals.
func WriteSuiteText(w io.Writer, s Suite) error {
	out := bufio.NewWriter(w)
	for _, r := range s.Reports {
		n := r.Counts()
		mark := "ok  "
		if !n.Well() {
			mark = "FAIL"
		}
		fmt.Fprintf(out, "%s  %s  %s  %d %s, %s (%v)\n", mark, r.File, r.Lab, n.Total(), plural(n.Total(), "check"), n, r.Took.Round(time.Millisecond))
		if n.Well() {
			continue
		}
		var b strings.Builder
		if err := WriteText(&b, r); err != nil {
			return err
		}
		text := strings.TrimSuffix(b.String(), "\n")
		if i := strings.LastIndexByte(text, '\n'); i >= 0 { // without the totals, which stand above
			for line := range strings.Lines(text[:i+1]) {
				fmt.Fprint(out, strings.TrimRight("    "+line, " \n")+"\n")
			}
		}
	}
	fmt.Fprintf(out, "%d of %d %s ok, %s (%v)\n", s.Well(), len(s.Reports), plural(len(s.Reports), "lab"), s.totals(), s.Took.Round(time.Millisecond))
	return out.Flush()
}

func (s Suite) totals() string {
	n := s.Counts()
	return fmt.Sprintf("%d %s: %s", n.Total(), plural(n.Total(), "check"), n)
}

// WriteSuiteJSON writes s as one JSON object:
//
//	started, seconds, total, passed, failed, errors, skipped   as of [WriteJSON], of all labs
//	labs   a list of what [WriteJSON] writes, one object for each lab
func WriteSuiteJSON(w io.Writer, s Suite) error {
	n := s.Counts()
	head, err := json.Marshal(struct {
		Started time.Time `json:"started"`
		Seconds float64   `json:"seconds"`
		Total   int       `json:"total"`
		Passed  int       `json:"passed"`
		Failed  int       `json:"failed"`
		Errors  int       `json:"errors"`
		Skipped int       `json:"skipped"`
	}{s.Started.UTC(), s.Took.Seconds(), n.Total(), n.Passed, n.Failed, n.Errors, n.Skipped})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	_, _ = out.Write(head[:len(head)-1])
	_, _ = out.WriteString(",\"labs\":[\n")
	for i, r := range s.Reports {
		if i > 0 {
			_, _ = out.WriteString(",\n")
		}
		if err := WriteJSON(out, r); err != nil {
			return err
		}
	}
	_, _ = out.WriteString("]}\n")
	return out.Flush()
}

// WriteSuiteJUnit writes s as JUnit XML: a testsuite for each group of checks
// of each lab.
func WriteSuiteJUnit(w io.Writer, s Suite) error {
	var doc junitSuites
	for _, r := range s.Reports {
		doc.add(r, r.Lab+".")
	}
	return doc.write(w)
}

// WriteSuiteTAP writes s in version 14 of the Test Anything Protocol: a test for
// each check, named after its lab.
func WriteSuiteTAP(w io.Writer, s Suite) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "TAP version 14\n1..%d\n", s.Counts().Total())
	number := 0
	for _, r := range s.Reports {
		number = r.writeTAP(out, number, r.Lab+": ")
	}
	return out.Flush()
}

// WriteSuiteGitHub writes the annotations of all labs.
func WriteSuiteGitHub(w io.Writer, s Suite) error {
	for _, r := range s.Reports {
		if err := WriteGitHub(w, r); err != nil {
			return err
		}
	}
	return nil
}

// WriteSuiteGitLab writes the Code Quality report of all labs.
func WriteSuiteGitLab(w io.Writer, s Suite) error {
	findings := []Finding{}
	for _, r := range s.Reports {
		findings = append(findings, r.findings()...)
	}
	return WriteFindings(w, findings)
}

// WriteSuiteMarkdown writes a table of the labs, and below it what
// [WriteMarkdown] says of those that are not well.
func WriteSuiteMarkdown(w io.Writer, s Suite) error {
	out := bufio.NewWriter(w)
	mark := "✅"
	if s.Well() < len(s.Reports) {
		mark = "❌"
	}
	fmt.Fprintf(out, "## %s %d of %d %s ok, %s\n\n| lab | file | checks | result |\n|---|---|---:|---|\n",
		mark, s.Well(), len(s.Reports), plural(len(s.Reports), "lab"), s.totals())
	for _, r := range s.Reports {
		n := r.Counts()
		fmt.Fprintf(out, "| %s | %s | %d | %s |\n", inCell.Replace(r.Lab), inCell.Replace(r.File), n.Total(), n)
	}
	fmt.Fprintln(out)
	for _, r := range s.Reports {
		if !r.Counts().Well() {
			if err := WriteMarkdown(out, r); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}
