package verify

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxRows is how many failures a table in Markdown has at most: where such
// texts are shown their size is limited.
const maxRows = 50

// inCell makes a text one cell of a table in Markdown.
var inCell = strings.NewReplacer("\r", "", "\n", "<br>", "|", `\|`, "<", "&lt;", ">", "&gt;")

// WriteMarkdown writes r as GitHub and GitLab show it: a headline, what failures
// come from, a table of them, and the groups of checks, folded.
func WriteMarkdown(w io.Writer, r Report) error {
	out := bufio.NewWriter(w)
	n := r.Counts()
	mark := "✅"
	if !n.Well() {
		mark = "❌"
	}
	fmt.Fprintf(out, "### %s Lab %s: %d %s, %s\n\n", mark, r.Lab, n.Total(), plural(n.Total(), "check"), n)
	for i := range r.Explanations {
		if i == maxCauses {
			fmt.Fprintf(out, "And %d faults more.\n\n", len(r.Explanations)-i)
			break
		}
		e := &r.Explanations[i]
		fmt.Fprintf(out, "**%s**\n\n", inCell.Replace(e.Fault))
		if len(e.Checks) > 0 {
			fmt.Fprintf(out, "- fails: %s\n", inCell.Replace(r.fails(e)))
		}
		for _, line := range e.Evidence {
			fmt.Fprintf(out, "- seen: %s\n", inCell.Replace(line))
		}
		fmt.Fprintf(out, "- remedy: %s\n\n", inCell.Replace(e.Remedy))
	}
	writeRows(out, r)
	fmt.Fprintf(out, "<details><summary>%d groups of checks in %v</summary>\n\n| group | checks | result |\n|---|---:|---|\n",
		len(r.byGroup()), r.Took.Round(time.Millisecond))
	for _, results := range r.byGroup() {
		n := count(results)
		fmt.Fprintf(out, "| %s | %d | %s |\n", results[0].Check.Group, n.Total(), n)
	}
	fmt.Fprint(out, "\n</details>\n\n")
	return out.Flush()
}

// writeRows writes a table of what failed, if anything did.
func writeRows(out *bufio.Writer, r Report) {
	if r.Counts().Well() {
		return
	}
	fmt.Fprint(out, "| check | line | reason |\n|---|---:|---|\n")
	rows := 0
	for i := range r.Results {
		res := &r.Results[i]
		if !res.bad() {
			continue
		}
		if rows++; rows > maxRows {
			continue
		}
		line := ""
		if pos := res.Check.Place(); pos.Line > 0 {
			line = fmt.Sprint(pos.Line)
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", inCell.Replace(res.Check.ID()), line, inCell.Replace(res.Reason))
	}
	fmt.Fprintln(out)
	if rows > maxRows {
		fmt.Fprintf(out, "And %d failures more.\n\n", rows-maxRows)
	}
}
