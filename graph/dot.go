package graph

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteDot writes the picture in the language of Graphviz, to be laid out by
// dot.
func (t *Topology) WriteDot(w io.Writer) error {
	d := dot{t, bufio.NewWriter(w)}
	fmt.Fprintf(d.out, "graph %s {\n", dotText(t.lab.Name))
	fmt.Fprintf(d.out, "  label=%s; labelloc=t; labeljust=l; fontsize=18;\n", dotText(t.lab.Name+": "+t.summary()))
	fmt.Fprint(d.out, "  fontname=\"Helvetica\"; compound=true; newrank=true; ranksep=0.6; nodesep=0.25;\n")
	fmt.Fprint(d.out, "  node [fontname=\"Helvetica\", fontsize=11, shape=box, style=\"rounded,filled\", fillcolor=white, color=\"#57606a\"];\n")
	fmt.Fprint(d.out, "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#6e7781\"];\n")
	for _, b := range t.bridges {
		words := []string{b.name}
		if b.uplink {
			words = append(words, uplinkText)
		}
		d.box("  ", &b.thing, `shape=box, style=filled, fillcolor="#dfeaf8", color="#5f86bd", width=3`, words...)
	}
	for _, n := range t.nodes {
		d.node(n)
	}
	for _, n := range t.nets {
		d.net(n)
	}
	for _, s := range t.services {
		d.service(s)
	}
	fmt.Fprint(d.out, "}\n")
	return d.out.Flush()
}

type dot struct {
	*Topology
	out *bufio.Writer
}

// dotText quotes text; a line break of it is one in the picture.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// dotLevel returns attributes that show how something is.
func dotLevel(l level) string {
	switch l {
	case touched:
		return `, color="#b3121f"`
	case drifted:
		return `, color="#7d5300", penwidth=2.5, fillcolor="#fff7dd"`
	case failing:
		return `, color="#b3121f", penwidth=3, fillcolor="#ffeceb"`
	}
	return ""
}

func dotMarks(t *thing) []string {
	var lines []string
	for _, w := range t.marks() {
		lines = append(lines, t.level.sign()+" "+w)
	}
	return lines
}

func (d *dot) box(indent string, t *thing, attrs string, words ...string) {
	lines := slices.Concat(words, t.lines, dotMarks(t))
	if attrs != "" {
		attrs = ", " + attrs
	}
	fmt.Fprintf(d.out, "%s%s [label=%s%s%s];\n", indent, t.id, dotText(strings.Join(lines, "\n")), attrs, dotLevel(t.level))
}

func (d *dot) node(n *node) {
	if n.inner == nil {
		d.box("  ", &n.thing, `fillcolor="#f4f6f8"`, n.name+" ("+n.kind+")")
		return
	}
	fmt.Fprintf(d.out, "  subgraph cluster_%s {\n", n.id)
	fmt.Fprintf(d.out, "    label=%s; labeljust=l; fontsize=12; style=\"rounded,filled\"; fillcolor=\"#f4f6f8\"; color=\"#c8ced6\"%s;\n",
		dotText(strings.Join(slices.Concat([]string{n.name}, n.lines, dotMarks(&n.thing)), "\n")), strings.ReplaceAll(dotLevel(n.level), ",", ";"))
	if n.tunnel != nil {
		d.box("    ", n.tunnel, `style="filled,dashed", fillcolor="#f5effe", color="#8250df"`, n.tunnel.name)
	}
	d.box("    ", n.inner, `style=filled, fillcolor="#dfeaf8", color="#5f86bd"`, n.inner.name)
	for _, p := range n.pods {
		d.box("    ", &p.thing, "", p.name)
	}
	fmt.Fprint(d.out, "  }\n")
	for _, p := range n.pods {
		d.edge(n.inner.id, p.id, p.cable, "")
	}
}

func (d *dot) edge(a, b string, l level, attrs string) {
	attrs = strings.TrimPrefix(attrs+strings.Replace(dotLevel(l), `, fillcolor="#fff7dd"`, `, style=dashed`, 1), ", ")
	attrs = strings.Replace(attrs, `, fillcolor="#ffeceb"`, `, style=dashed`, 1)
	if attrs != "" {
		attrs = " [" + attrs + "]"
	}
	fmt.Fprintf(d.out, "  %s -- %s%s;\n", a, b, attrs)
}

// plug returns the box of a node at which a cable ends, and attributes that
// make it end at the node's frame.
func (d *dot) plug(n *node) (id, attrs string) {
	if n.inner == nil {
		return n.id, ""
	}
	return n.inner.id, `, lhead="cluster_` + n.id + `"`
}

func (d *dot) net(n *net) {
	switch n.kind {
	case kindBridge:
		for _, e := range n.ends {
			to := d.nodes[e.node]
			id, attrs := d.plug(to)
			if lines := to.sockets[e.socket].lines; len(lines) > 0 {
				attrs += ", headlabel=" + dotText(strings.Join(lines, "\n"))
			}
			d.edge(n.on.id, id, e.level, attrs)
		}
	case kindCable:
		a, _ := d.plug(d.nodes[n.ends[0].node])
		b, _ := d.plug(d.nodes[n.ends[1].node])
		attrs := `, penwidth=2`
		if d.opt.Interfaces {
			attrs += ", label=" + dotText(n.name)
		}
		d.edge(a, b, n.ends[0].level, attrs)
	case kindTunnel:
		d.tunnel(n)
	}
}

func (d *dot) tunnel(n *net) {
	const look = `, style=dashed, color="#8250df", constraint=false`
	if len(n.ends) <= meshed {
		for i, a := range n.ends {
			for _, b := range n.ends[i+1:] {
				d.edge(d.nodes[a.node].tunnel.id, d.nodes[b.node].tunnel.id, max(a.level, b.level), look+", label="+dotText(n.name+"\n"+n.note))
			}
		}
		return
	}
	fmt.Fprintf(d.out, "  %s [label=%s, style=\"filled,dashed\", fillcolor=\"#f5effe\", color=\"#8250df\"];\n", slug(kindTunnel), dotText(n.name+"\n"+n.note))
	for _, e := range n.ends {
		d.edge(slug(kindTunnel), d.nodes[e.node].tunnel.id, e.level, look)
	}
}

func (d *dot) service(s *service) {
	words := slices.Concat([]string{s.name + " (" + serviceKind(s.service) + ")"}, s.ports, s.others)
	if len(s.endpoints()) == 0 {
		words = append(words, "no endpoints")
	}
	d.box("  ", &s.thing, `style="rounded,filled", margin="0.18,0.1", color="#0b57d0"`, words...)
	for _, p := range s.pods {
		d.edge(p.id, s.id, unknown, `, dir=back, arrowtail=normal, color="#0b57d0"`)
	}
}
