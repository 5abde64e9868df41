package verify

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxCells is how many rows and columns a matrix has at most.
const maxCells = 32

// WriteText writes r for people. Where all is well that is one line of totals.
// Otherwise it comes last: before it stand which pairs fail, what failed of each
// group and is not explained, and then the explanations.
func WriteText(w io.Writer, r Report) error { return r.write(w, false) }

// WriteVerbose is WriteText with a line for every group of checks, and with why
// checks were skipped.
func WriteVerbose(w io.Writer, r Report) error { return r.write(w, true) }

func (r Report) write(w io.Writer, verbose bool) error {
	out := bufio.NewWriter(w)
	told := r.faults()
	for _, results := range r.byGroup() {
		if !count(results).Well() {
			writeMatrix(out, results)
		}
	}
	for start, results := range r.groups() {
		n := count(results)
		if !n.Well() || verbose {
			fmt.Fprintf(out, "%-10s %6d %-6s  %s\n", results[0].Check.Group, n.Total(), plural(n.Total(), "check"), n)
		}
		if !n.Well() {
			r.writeCauses(out, results, func(i int) bool { return told[start+i] != nil })
		}
		if verbose {
			writeSkipped(out, results)
		}
	}
	writeExplanations(out, r)
	n := r.Counts()
	fmt.Fprintf(out, "lab %s: %d %s, %s (%v)\n", r.Lab, n.Total(), plural(n.Total(), "check"), n, r.Took.Round(time.Millisecond))
	return out.Flush()
}

// call names a check: what the lab file asks for by its line in there.
func (r *Report) call(c *Check) string {
	if pos := c.Place(); c.Group == Lab && pos.Line > 0 && r.File != "" {
		return fmt.Sprintf("%s:%d:%d: %s", r.File, pos.Line, pos.Column, c.ID())
	}
	return c.ID()
}

// String writes the counts in words: ok, or what is not.
func (c Counts) String() string {
	var words []string
	for _, n := range []struct {
		n    int
		word string
	}{{c.Failed, "failed"}, {c.Errors, "not possible"}, {c.Skipped, "skipped"}} {
		if n.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n.n, n.word))
		}
	}
	switch {
	case c.Total() == 0:
		return "nothing to check"
	case len(words) == 0:
		return "ok"
	case c.Passed > 0:
		words = append(words, fmt.Sprintf("%d ok", c.Passed))
	}
	return strings.Join(words, ", ")
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// writeExplanations says what failures come from: the fault first, and then how
// many checks fail by it, the evidence, and what to do.
func writeExplanations(out *bufio.Writer, r Report) {
	for i := range r.Explanations {
		e := &r.Explanations[i]
		fmt.Fprintf(out, "%s\n", e.Fault)
		if i == maxCauses {
			fmt.Fprintf(out, "  and %d faults more\n", len(r.Explanations)-i-1)
		}
		if i >= maxCauses || len(e.Checks) == 0 {
			break
		}
		first := &r.Results[e.Checks[0]]
		fmt.Fprintf(out, "  fails   %s\n          %s\n", r.fails(e), strings.ReplaceAll(first.Reason, "\n", "\n          "))
		for _, line := range e.Evidence {
			fmt.Fprintf(out, "  seen    %s\n", line)
		}
		fmt.Fprintf(out, "  remedy  %s\n", e.Remedy)
	}
}

// fails says how many checks fail by a fault, and which is the first.
func (r *Report) fails(e *Explanation) string {
	first := r.call(r.Results[e.Checks[0]].Check)
	if len(e.Checks) == 1 {
		return first
	}
	var order []Group
	of := map[Group]int{}
	for _, i := range e.Checks {
		g := r.Results[i].Check.Group
		if of[g]++; of[g] == 1 {
			order = append(order, g)
		}
	}
	words := make([]string, len(order))
	for i, g := range order {
		words[i] = fmt.Sprintf("%d %s", of[g], g)
	}
	return fmt.Sprintf("%d checks (%s), the first is %s", len(e.Checks), strings.Join(words, ", "), first)
}

// writeCauses writes what failed of a group and is not told elsewhere.
func (r *Report) writeCauses(out *bufio.Writer, results []Result, told func(i int) bool) {
	all := causes(results, told)
	for i, c := range all {
		if i == maxCauses && len(all) > maxCauses+1 {
			fmt.Fprintf(out, "  and %d more\n", len(all)-i)
			return
		}
		first := c.results[0]
		reason := strings.ReplaceAll(first.Reason, "\n", "\n      ")
		if c.name == "" {
			fmt.Fprintf(out, "  %s\n      %s\n", r.call(first.Check), reason)
			continue
		}
		fmt.Fprintf(out, "  %s: all %d checks, the first is\n      %s\n      %s\n", c.name, len(c.results), r.call(first.Check), reason)
	}
}

// writeSkipped names what was skipped, once for each reason.
func writeSkipped(out *bufio.Writer, results []Result) {
	told := map[string]bool{}
	for i := range results {
		r := &results[i]
		if r.Verdict == Skip && !told[r.Reason] {
			told[r.Reason] = true
			fmt.Fprintf(out, "  skipped: %s\n      %s\n", r.Check.ID(), r.Reason)
		}
	}
}

// writeMatrix shows which pairs fail, one row for each end from which something
// does and one column for each to which. Where those are too many the first are
// shown.
func writeMatrix(out *bufio.Writer, results []Result) {
	at := map[[2]*End]byte{}
	numbers, row, col := map[*End]int{}, map[*End]bool{}, map[*End]bool{}
	var all []*End // as they appear
	number := func(e *End) {
		if _, known := numbers[e]; !known {
			numbers[e] = len(all) + 1
			all = append(all, e)
		}
	}
	for i := range results {
		c := results[i].Check
		if c.Group != Pods && c.Group != Nodes && c.Group != External {
			return
		}
		if c.To == nil || c.To.NS == "" {
			continue // a service, or what is no pair
		}
		number(c.From)
		number(c.To)
		cell := [2]*End{c.From, c.To}
		at[cell] = max(at[cell], mark(results[i].Verdict))
		if results[i].bad() {
			row[c.From], col[c.To] = true, true
		}
	}
	if len(all) < 3 || len(row) == 0 {
		return
	}
	var rows, cols []*End
	width := 0
	for _, e := range all {
		if row[e] {
			rows = append(rows, e)
			width = max(width, len(e.Name))
		}
		if col[e] {
			cols = append(cols, e)
		}
	}
	fmt.Fprintf(out, "%-*s", width+7, results[0].Check.Group)
	for _, e := range cols[:min(len(cols), maxCells)] {
		fmt.Fprintf(out, " %3d", numbers[e])
	}
	fmt.Fprintf(out, "   . ok  X failed  ? not possible%s\n", more(len(cols), "columns"))
	for _, from := range rows[:min(len(rows), maxCells)] {
		line := fmt.Sprintf("  %4d %-*s", numbers[from], width, from.Name)
		for _, to := range cols[:min(len(cols), maxCells)] {
			line += "   " + string(max(at[[2]*End{from, to}], ' '))
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	if len(rows) > maxCells {
		fmt.Fprintf(out, "      %s\n", strings.TrimPrefix(more(len(rows), "rows"), ", "))
	}
	var names []string // of columns that are no rows
	for _, e := range cols[:min(len(cols), maxCells)] {
		if !row[e] {
			names = append(names, fmt.Sprintf("%d is %s", numbers[e], e.Name))
		}
	}
	if len(names) > 0 {
		fmt.Fprintf(out, "       %s\n", strings.Join(names, ", "))
	}
}

// more says how many are not shown.
func more(n int, what string) string {
	if n <= maxCells {
		return ""
	}
	return fmt.Sprintf(", and %d more %s", n-maxCells, what)
}

// mark is how a verdict looks in a matrix; the worse, the larger.
func mark(v Verdict) byte {
	switch v {
	case Pass, Skip:
		return '.'
	case Fail:
		return 'X'
	}
	return '?'
}
