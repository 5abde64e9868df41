package labs

import (
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a lab file. The zero Pos is "no place known".
type Pos struct {
	Line   int // counted from 1
	Column int // counted from 1, in characters
}

// Severity says whether a diagnostic stops the lab.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the lab cannot be used
	Warning Severity = "warning" // the lab can be used, but probably does not do what was meant
)

// Diagnostic is one remark about a lab file, in the author's words.
type Diagnostic struct {
	File     string   // path as the author gave it; "-" for standard input
	Pos      Pos      // where the value stands
	Path     string   // path in the document, such as pods[0].node; "" for the whole file
	Message  string   // what is wrong, without a period
	Hint     string   // what to do; "" when there is nothing sensible to say
	Severity Severity // Error or Warning
}

// String renders d as FILE:LINE:COLUMN: PATH: MESSAGE, and the hint, if there
// is one, indented on a line of its own. Warnings say so before the message.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Pos.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Pos.Line, d.Pos.Column)
	}
	if d.Path != "" {
		b.WriteString(": " + d.Path)
	}
	if d.Severity == Warning {
		b.WriteString(": warning")
	}
	b.WriteString(": " + d.Message)
	if d.Hint != "" {
		b.WriteString("\n    hint: " + d.Hint)
	}
	return b.String()
}

// Diagnostics are all remarks about one lab file, in the order of the file.
// As an error it holds at least one diagnostic of severity [Error].
type Diagnostics []Diagnostic

// Error joins the diagnostics, one after the other.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// HasErrors reports whether at least one diagnostic stops the lab.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}
