package graph

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Mermaid refuses drawings of more than 500 edges or 50000 characters. Larger
// labs get one box for all pods of a node.
const (
	mermaidEdges = 450
	mermaidChars = 45000
)

// mermaidStyle sets no colours but those of what is not well: the others are
// the reader's theme's, light or dark.
const mermaidStyle = `    classDef drift stroke:#b98500,stroke-width:3px,stroke-dasharray:6 3
    classDef touch stroke:#d1242f,stroke-width:1.5px
    classDef fail stroke:#d1242f,stroke-width:4px
`

// WriteMermaid writes the picture as a flowchart in the language of Mermaid.
func (t *Topology) WriteMermaid(w io.Writer) error {
	m := mermaid{Topology: t}
	m.draw()
	if m.edges > mermaidEdges || m.out.Len() > mermaidChars {
		m = mermaid{Topology: t, brief: true}
		m.draw()
	}
	_, err := io.WriteString(w, m.out.String())
	return err
}

type mermaid struct {
	*Topology
	out    strings.Builder
	brief  bool // one box for all pods of a node
	edges  int
	bad    map[level][]string // what is not well
	styles []string           // of cables that are not well
}

func (m *mermaid) draw() {
	m.bad = map[level][]string{}
	fmt.Fprintf(&m.out, "---\ntitle: %q\n---\nflowchart TB\n", m.lab.Name+": "+m.summary())
	for _, b := range m.bridges {
		words := []string{b.name}
		if b.uplink {
			words = append(words, uplinkText)
		}
		m.box("    ", &b.thing, `["`, `"]`, words...)
	}
	for _, n := range m.nodes {
		m.node(n)
	}
	for _, n := range m.nets {
		m.net(n)
	}
	for _, s := range m.services {
		m.service(s)
	}
	m.out.WriteString(mermaidStyle)
	for _, l := range []level{touched, drifted, failing} {
		if ids := m.bad[l]; len(ids) > 0 {
			fmt.Fprintf(&m.out, "    class %s %s\n", strings.Join(ids, ","), l.class())
		}
	}
	for _, s := range m.styles {
		m.out.WriteString("    " + s + "\n")
	}
}

// box writes a thing with its details and marks.
func (m *mermaid) box(indent string, t *thing, open, shut string, words ...string) {
	lines := slices.Concat(words, t.lines)
	for _, w := range t.marks() {
		lines = append(lines, t.level.sign()+" "+w)
	}
	fmt.Fprintf(&m.out, "%s%s%s%s%s\n", indent, t.id, open, mermaidLabel(lines), shut)
	if t.level > well {
		m.bad[t.level] = append(m.bad[t.level], t.id)
	}
}

// mermaidLabel writes lines as the text of a box.
func mermaidLabel(lines []string) string {
	for i, l := range lines {
		lines[i] = strings.NewReplacer("&", "&amp;", `"`, "#quot;", "<", "&lt;", ">", "&gt;").Replace(l)
	}
	return strings.Join(lines, "<br>")
}

func (m *mermaid) edge(l level, format string, args ...any) {
	fmt.Fprintf(&m.out, "    "+format+"\n", args...)
	if l > well {
		colour := map[level]string{drifted: "#b98500", failing: "#d1242f"}[l]
		m.styles = append(m.styles, fmt.Sprintf("linkStyle %d stroke:%s,stroke-width:3px,stroke-dasharray:6 3", m.edges, colour))
	}
	m.edges++
}

func (m *mermaid) node(n *node) {
	title := slices.Concat([]string{n.name}, n.lines)
	for _, w := range n.marks() {
		title = append(title, n.level.sign()+" "+w)
	}
	if n.inner == nil {
		words := []string{n.name}
		for _, s := range n.sockets {
			words = append(words, s.lines...)
		}
		m.box("    ", &n.thing, `(["`, `"])`, words...)
		return
	}
	fmt.Fprintf(&m.out, "    subgraph %s[\"%s\"]\n", n.id, mermaidLabel(title))
	if n.level > well {
		m.bad[n.level] = append(m.bad[n.level], n.id)
	}
	if n.tunnel != nil {
		m.box("        ", n.tunnel, `{{"`, `"}}`, n.tunnel.name)
	}
	m.box("        ", n.inner, `["`, `"]`, n.inner.name)
	if m.brief && len(n.pods) > 0 {
		m.pods(n)
	} else {
		for _, p := range n.pods {
			m.box("        ", &p.thing, `("`, `")`, p.name)
		}
	}
	m.out.WriteString("    end\n")
	if m.brief && len(n.pods) > 0 {
		m.edge(unknown, "%s --- %s_pods", n.inner.id, n.id)
		return
	}
	for _, p := range n.pods {
		m.edge(p.cable, "%s --- %s", n.inner.id, p.id)
	}
}

// pods writes one box for all pods of a node.
func (m *mermaid) pods(n *node) {
	var names, lines []string
	all := thing{id: n.id + "_pods"}
	for _, p := range n.pods {
		names = append(names, p.name)
		if p.level > well {
			all.level = max(all.level, p.level)
			lines = append(lines, p.level.sign()+" "+p.name+": "+strings.Join(p.marks(), ", "))
		}
	}
	text := append([]string{count(len(n.pods), "pod") + ":"}, wrap(names, ",", serviceText, 4, func(n int) string { return fmt.Sprintf("and %d more", n) })...)
	m.box("        ", &all, `("`, `")`, append(text, lines...)...)
}

func (m *mermaid) net(n *net) {
	switch n.kind {
	case kindBridge:
		for _, e := range n.ends {
			text := ""
			if lines := m.nodes[e.node].sockets[e.socket].lines; len(lines) > 0 && m.nodes[e.node].inner != nil {
				text = `|"` + mermaidLabel(slices.Clone(lines)) + `"|`
			}
			m.edge(e.level, "%s ---%s %s", n.on.id, text, m.nodes[e.node].id)
		}
	case kindCable:
		text := ""
		if m.opt.Interfaces {
			text = `|"` + mermaidLabel([]string{n.name}) + `"|`
		}
		m.edge(n.ends[0].level, "%s ===%s %s", m.nodes[n.ends[0].node].id, text, m.nodes[n.ends[1].node].id)
	case kindTunnel:
		m.tunnel(n)
	}
}

// meshed is how many nodes are joined by a tunnel each to each; beyond them a
// hub stands for all these lines.
const meshed = 4

func (m *mermaid) tunnel(n *net) {
	text := mermaidLabel([]string{n.name, n.note})
	if len(n.ends) <= meshed {
		for i, a := range n.ends {
			for _, b := range n.ends[i+1:] {
				m.edge(max(a.level, b.level), `%s -.-|"%s"| %s`, m.nodes[a.node].tunnel.id, text, m.nodes[b.node].tunnel.id)
			}
		}
		return
	}
	fmt.Fprintf(&m.out, "    %s{{\"%s\"}}\n", slug(kindTunnel), text)
	for _, e := range n.ends {
		m.edge(e.level, "%s -.- %s", slug(kindTunnel), m.nodes[e.node].tunnel.id)
	}
}

func (m *mermaid) service(s *service) {
	words := slices.Concat([]string{s.name + " (" + serviceKind(s.service) + ")"}, s.ports, s.others)
	if len(s.endpoints()) == 0 {
		words = append(words, "no endpoints")
	}
	if m.brief && len(s.pods) > 0 {
		words = append(words, count(len(s.pods), "endpoint"))
		m.box("    ", &s.thing, `>"`, `"]`, words...)
		var seen []*node
		for _, n := range m.nodes {
			if slices.ContainsFunc(s.pods, func(p *pod) bool { return slices.Contains(n.pods, p) }) {
				seen = append(seen, n)
			}
		}
		if len(seen) <= sideBySide {
			for _, n := range seen {
				m.edge(unknown, "%s --> %s_pods", s.id, n.id)
			}
		}
		return
	}
	m.box("    ", &s.thing, `>"`, `"]`, words...)
	for _, p := range s.pods {
		m.edge(unknown, "%s --> %s", s.id, p.id)
	}
}
