package main

import (
	"fmt"
	"io"
	"strings"
)

// bound is what a measurement is held against: the sum of others, each times a
// factor, and how many times as long it may take.
type bound struct {
	parts  map[string]float64
	target float64 // 0: none
}

// print writes a table of medians in Markdown, with the ratio to the bound of
// what has one, in time and in processor time. It returns the ratios in time.
func (s *series) print(w io.Writer, title string, bounds map[string]bound) map[string]float64 {
	ratios := map[string]float64{}
	fmt.Fprintf(w, "\n### %s\n\n| | ms | CPU ms | MB | ratio | ratio CPU | target |\n|---|--:|--:|--:|--:|--:|--:|\n", title)
	for _, name := range s.order {
		m := s.median(name)
		b, held := bounds[name]
		ratio, cpu, target := "", "", ""
		if held {
			var wall, used float64
			for part, factor := range b.parts {
				p := s.median(part)
				wall += factor * p.wall
				used += factor * p.cpu
			}
			if wall > 0 {
				ratios[name] = m.wall / wall
				ratio, cpu = fmt.Sprintf("%.2f", m.wall/wall), fmt.Sprintf("%.2f", m.cpu/used)
			}
			if b.target > 0 {
				target = fmt.Sprintf("≤ %.2f", b.target)
			}
		}
		fmt.Fprintf(w, "| %s | %.1f | %.1f | %.0f | %s | %s | %s |\n", name, m.wall, m.cpu, m.memory, ratio, cpu, target)
	}
	return ratios
}

// row writes a line of the history.
func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |" }
