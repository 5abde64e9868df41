package trace

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteMermaid writes a report as a sequence diagram: who the packet passes,
// what it looks like between two of them, and what changed it.
func WriteMermaid(w io.Writer, r Report) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "sequenceDiagram\n    title %s\n", mermaidText(r.Verdict()))
	ids := map[string]string{}
	for _, p := range []*Path{&r.Trace.There, &r.Trace.Back} {
		for _, ns := range p.Namespaces() {
			if ids[ns] == "" {
				ids[ns] = fmt.Sprintf("n%d", len(ids)+1)
				fmt.Fprintf(b, "    participant %s as %s\n", ids[ns], mermaidText(r.Names.Title(ns)))
			}
		}
	}
	mermaidPath(b, &r.Trace.There, ids, "->>")
	mermaidPath(b, &r.Trace.Back, ids, "-->>")
	if last := r.LastLine(); last != "" && len(r.Trace.There.Hops) > 0 {
		p := &r.Trace.There
		if p.End.Kind == Delivered && len(r.Trace.Back.Hops) > 0 {
			p = &r.Trace.Back
		}
		fmt.Fprintf(b, "    Note over %s: %s\n", ids[p.last().NS], mermaidText(last))
	}
	return b.Flush()
}

func mermaidPath(b *bufio.Writer, p *Path, ids map[string]string, arrow string) {
	for i := range p.Hops {
		h := &p.Hops[i]
		if i+1 < len(p.Hops) && p.Hops[i+1].NS != h.NS {
			next := &p.Hops[i+1]
			fmt.Fprintf(b, "    %s%s%s: %s\n", ids[h.NS], arrow, ids[next.NS], mermaidText(packetText(&next.Header)))
		}
		var notes []string
		for _, f := range h.Facts {
			switch f.(type) {
			case Routed, Translated, Encapsulated, Decapsulated:
				for _, l := range describe(f) {
					notes = append(notes, l.label+" "+l.text)
				}
			}
		}
		if len(notes) > 0 {
			fmt.Fprintf(b, "    Note over %s: %s\n", ids[h.NS], mermaidText(strings.Join(notes, "<br/>")))
		}
	}
}

// packetText writes a packet on one line.
func packetText(h *Header) string {
	s := h.String()
	if h.Inner != nil {
		s += fmt.Sprintf(" vni %d [%s]", h.VNI, h.Inner.String())
	}
	return s
}

// mermaidText takes out what would end a line or a statement.
func mermaidText(s string) string {
	return strings.NewReplacer(";", ",", "#", "no. ", "\n", " ").Replace(s)
}
