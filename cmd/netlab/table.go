package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// grid is a plain table without borders. On a terminal that is too narrow for
// it the last column is folded, and where that does not help each row becomes
// a paragraph: nothing is ever cut off.
type grid struct {
	header []string
	rows   [][]string
	width  int // columns of the terminal, 0 for any
}

// newTable returns an empty table that fits the terminal behind w, if there is
// one.
func newTable(w io.Writer) *grid { return &grid{width: widthOf(w)} }

// AppendHeader sets the names of the columns, in capitals.
func (g *grid) AppendHeader(r table.Row) { g.header = textsOf(r) }

// AppendRow adds a row. An empty first cell belongs to the row above.
func (g *grid) AppendRow(r table.Row) { g.rows = append(g.rows, textsOf(r)) }

// AppendRows adds several rows.
func (g *grid) AppendRows(rows []table.Row) {
	for _, r := range rows {
		g.AppendRow(r)
	}
}

// Length returns the number of rows.
func (g *grid) Length() int { return len(g.rows) }

func textsOf(r table.Row) []string {
	cells := make([]string, len(r))
	for i, c := range r {
		cells[i] = fmt.Sprint(c)
	}
	return cells
}

// gap is the number of spaces between two columns.
const gap = 2

// leastFolded is how narrow a folded column may be.
const leastFolded = 20

// render draws a table, without spaces at the ends of its lines.
func render(g *grid) string {
	if g.width == 0 || g.widest(-1) <= g.width {
		return g.flat(0)
	}
	last := len(g.header) - 1
	if room := g.width - g.widest(last) - gap; room >= leastFolded && strings.Contains(g.cells(last), " ") {
		return g.flat(room)
	}
	return g.stacked()
}

// cells joins what stands in a column.
func (g *grid) cells(column int) string {
	var b strings.Builder
	for _, r := range g.rows {
		if column < len(r) {
			b.WriteString(r[column] + "\n")
		}
	}
	return b.String()
}

// widest returns how many columns of a terminal the table needs, without the
// column except.
func (g *grid) widest(except int) int {
	total := -gap
	for i, h := range g.header {
		if i == except {
			continue
		}
		w := text.StringWidthWithoutEscSequences(h)
		for _, r := range g.rows {
			if i < len(r) {
				w = max(w, text.StringWidthWithoutEscSequences(r[i]))
			}
		}
		total += w + gap
	}
	return total
}

// flat draws one line a row, or several where the last column is folded to
// some width; 0 folds nothing.
func (g *grid) flat(fold int) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleDefault)
	style := t.Style()
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", strings.Repeat(" ", gap)
	if fold > 0 {
		t.SetColumnConfigs([]table.ColumnConfig{{Number: len(g.header), WidthMax: fold, WidthMaxEnforcer: text.WrapSoft}})
	}
	t.AppendHeader(rowOf(g.header))
	for _, r := range g.rows {
		t.AppendRow(rowOf(r))
	}
	var b strings.Builder
	for line := range strings.Lines(t.Render() + "\n") {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

func rowOf(cells []string) table.Row {
	r := make(table.Row, len(cells))
	for i, c := range cells {
		r[i] = c
	}
	return r
}

// stacked draws a paragraph a row: the first cell, and below it each further
// one with the name of its column.
func (g *grid) stacked() string {
	label := 0
	for _, h := range g.header[1:] {
		label = max(label, len(h))
	}
	var b strings.Builder
	for i, r := range g.rows {
		if r[0] != "" {
			if i > 0 {
				b.WriteByte('\n')
			}
			if g.header[0] != "NAME" && g.header[0] != "" {
				b.WriteString(strings.ToLower(g.header[0]) + " ")
			}
			b.WriteString(r[0] + "\n")
		}
		for k, c := range r[1:] {
			if c != "" {
				fmt.Fprintf(&b, "  %-*s  %s\n", label, strings.ToLower(g.header[k+1]), c)
			}
		}
	}
	return b.String()
}
