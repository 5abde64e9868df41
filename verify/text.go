package verify

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// maxCells is how many rows and columns a matrix has at most.
const maxCells = 32

// WriteText writes r for people: one line a group, what failed and why, and a
// line of totals.
func WriteText(w io.Writer, r Report) error {
	out := bufio.NewWriter(w)
	told := r.faults()
	for start, results := range r.groups() {
		n := count(results)
		fmt.Fprintf(out, "%-10s %6d %-6s  %s\n", results[0].Check.Group, n.Total(), plural(n.Total(), "check"), n)
		if !n.Well() {
			writeMatrix(out, results)
			writeCauses(out, results, func(i int) bool { return told[start+i] != nil })
		}
		writeSkipped(out, results)
	}
	writeExplanations(out, r)
	n := r.Counts()
	fmt.Fprintf(out, "lab %s: %d %s, %s (%v)\n", r.Lab, n.Total(), plural(n.Total(), "check"), n, r.Took.Round(time.Millisecond))
	return out.Flush()
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
	first := r.Results[e.Checks[0]].Check.ID()
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
func writeCauses(out *bufio.Writer, results []Result, told func(i int) bool) {
	all := causes(results, told)
	for i, c := range all {
		if i == maxCauses && len(all) > maxCauses+1 {
			fmt.Fprintf(out, "  and %d more\n", len(all)-i)
			return
		}
		r := c.results[0]
		reason := strings.ReplaceAll(r.Reason, "\n", "\n      ")
		if c.name == "" {
			fmt.Fprintf(out, "  %s\n      %s\n", r.Check.ID(), reason)
			continue
		}
		fmt.Fprintf(out, "  %s: all %d checks, the first is\n      %s\n      %s\n", c.name, len(c.results), r.Check.ID(), reason)
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

// writeMatrix shows which pairs fail, where there are pairs and not too many.
func writeMatrix(out *bufio.Writer, results []Result) {
	var rows, cols []*End
	at := map[[2]*End]byte{}
	row, col := map[*End]bool{}, map[*End]bool{}
	for i := range results {
		c := &results[i].Check
		if c.To == nil || c.Group != Pods && c.Group != External {
			return
		}
		if !row[c.From] {
			row[c.From], rows = true, append(rows, c.From)
		}
		if !col[c.To] {
			col[c.To], cols = true, append(cols, c.To)
		}
		cell := [2]*End{c.From, c.To}
		at[cell] = max(at[cell], mark(results[i].Verdict))
	}
	if len(rows) < 3 || len(rows) > maxCells || len(cols) > maxCells {
		return
	}
	slices.SortStableFunc(cols, func(a, b *End) int { return index(rows, a) - index(rows, b) })
	width := 0
	for _, e := range rows {
		width = max(width, len(e.Name))
	}
	number := map[*End]int{}
	fmt.Fprintf(out, "  %*s", width+3, "")
	for i, e := range cols {
		number[e] = i + 1
		fmt.Fprintf(out, " %2d", i+1)
	}
	fmt.Fprintln(out, "   . ok  X failed  ? not possible")
	for _, from := range rows {
		line := fmt.Sprintf("  %2d %-*s", number[from], width, from.Name)
		for _, to := range cols {
			line += "  " + string(max(at[[2]*End{from, to}], ' '))
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}

// index returns where e is in list; what is not in it comes last.
func index(list []*End, e *End) int {
	if i := slices.Index(list, e); i >= 0 {
		return i
	}
	return len(list)
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
