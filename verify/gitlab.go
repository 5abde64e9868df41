package verify

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"netlab/labs"
)

// Finding is one entry of a Code Quality report, as GitLab reads it to show
// problems at their lines.
type Finding struct {
	Description string   `json:"description"`
	CheckName   string   `json:"check_name"`
	Fingerprint string   `json:"fingerprint"` // the same as long as the problem is the same
	Severity    string   `json:"severity"`    // info, minor, major, critical or blocker
	Location    Location `json:"location"`
}

// Location is where a [Finding] is.
type Location struct {
	Path  string `json:"path"`
	Lines Lines  `json:"lines"`
}

// Lines is the first line of a [Location], counted from 1.
type Lines struct {
	Begin int `json:"begin"`
}

// NewFinding returns the entry for a problem at a line of a file. GitLab knows
// files by their path in the repository, without ./ before it, and has no
// problems without a line: line 0 counts as 1.
func NewFinding(check, severity, file string, line int, text string) Finding {
	file = strings.TrimPrefix(file, "./")
	sum := sha256.Sum256([]byte(check + "\x00" + file + "\x00" + text))
	return Finding{text, check, fmt.Sprintf("%x", sum[:16]), severity, Location{file, Lines{max(line, 1)}}}
}

// WriteGitLab writes r as a Code Quality report: an entry for each line of the
// lab file of which something failed, in the order of [WriteGitHub].
func WriteGitLab(w io.Writer, r Report) error { return WriteFindings(w, r.findings()) }

func (r Report) findings() []Finding {
	findings := []Finding{}
	for pos, text := range r.lines() {
		findings = append(findings, NewFinding("netlab verify "+r.Lab, "major", r.File, pos.Line, text))
	}
	return findings
}

// WriteFindings writes a Code Quality report.
func WriteFindings(w io.Writer, findings []Finding) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(findings)
}

// lines yields the lines of the lab file of which something failed, and what it
// was.
func (r Report) lines() func(yield func(labs.Pos, string) bool) {
	r = r.reasons()
	at := map[labs.Pos][]*Result{}
	var order []labs.Pos
	for _, results := range r.byGroup() {
		for _, c := range causes(results, func(int) bool { return false }) {
			pos := c.place()
			if at[pos] == nil {
				order = append(order, pos)
			}
			at[pos] = append(at[pos], c.results...)
		}
	}
	return func(yield func(labs.Pos, string) bool) {
		for _, pos := range order {
			var text []string
			for i, res := range at[pos] {
				if i == maxAnnotated {
					text = append(text, fmt.Sprintf("and %d more", len(at[pos])-i))
					break
				}
				text = append(text, res.Check.ID()+": "+res.Reason)
			}
			if !yield(pos, strings.Join(text, "\n")) {
				return
			}
		}
	}
}
