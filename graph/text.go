package graph

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// tree draws lines that hang below each other.
type tree struct {
	out   *bufio.Writer
	color bool
}

func newTree(w io.Writer, opt Options) *tree { return &tree{bufio.NewWriter(w), opt.Color} }

// leaf is a line of a tree, and what hangs below it.
type leaf struct {
	text  string
	below []leaf
}

func (t *tree) write(list []leaf, prefix string) {
	for i, l := range list {
		mark, next := "├─ ", "│  "
		if i == len(list)-1 {
			mark, next = "└─ ", "   "
		}
		fmt.Fprintln(t.out, prefix+mark+l.text)
		t.write(l.below, prefix+next)
	}
}

// marked writes a line about a thing: its name, kind and details, and what is
// not well.
func (t *tree) marked(x *thing, words ...string) string {
	s := strings.Join(append(words, x.lines...), "  ")
	if m := x.marks(); len(m) > 0 {
		s += "  " + t.colour(x.level, "["+x.level.sign()+" "+strings.Join(m, ", ")+"]")
	}
	return s
}

func (t *tree) colour(l level, s string) string {
	codes := [...]string{"", "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[31m"}
	if !t.color || codes[l] == "" {
		return s
	}
	return codes[l] + s + "\x1b[0m"
}

// WriteText draws the lab for a terminal: bridges, the nodes that are plugged
// into them, their pods, cables, the tunnel, and services with their endpoints.
func (t *Topology) WriteText(w io.Writer) error {
	out := newTree(w, t.opt)
	fmt.Fprintf(out.out, "%s: %s\n", t.lab.Name, t.summary())
	if words, how := t.health(); words != "" {
		fmt.Fprintln(out.out, out.colour(how, words))
	}
	drawn := map[int]bool{} // nodes whose inside is drawn
	for _, n := range t.nets {
		if n.kind != kindBridge {
			continue
		}
		words := []string{n.name, "(bridge)"}
		if n.on.uplink {
			words = append(words, uplinkText)
		}
		fmt.Fprintln(out.out, "\n"+out.marked(&n.on.thing, words...))
		var list []leaf
		for _, e := range n.ends {
			list = append(list, t.nodeLeaf(out, e, drawn))
		}
		out.write(list, "")
	}
	for i, n := range t.nodes {
		if !drawn[i] && len(n.sockets) > 0 {
			fmt.Fprintln(out.out, "\n"+out.marked(&n.thing, n.name, "("+n.kind+")"))
			out.write(t.inside(out, n), "")
		}
	}
	t.textNets(out)
	t.textServices(out)
	t.textFailures(out)
	return out.out.Flush()
}

// nodeLeaf draws a node below a bridge. What is in it is drawn once.
func (t *Topology) nodeLeaf(out *tree, e end, drawn map[int]bool) leaf {
	n := t.nodes[e.node]
	socket := n.sockets[e.socket]
	words := []string{n.name, "(" + n.kind + ")"}
	if drawn[e.node] {
		return leaf{text: strings.Join(append(words, append(socket.lines, "see above")...), "  ")}
	}
	drawn[e.node] = true
	words = append(words, socket.lines...)
	return leaf{out.marked(&n.thing, words...), t.inside(out, n)}
}

// inside draws the devices and pods of a node.
func (t *Topology) inside(out *tree, n *node) []leaf {
	var list []leaf
	if n.tunnel != nil {
		list = append(list, leaf{text: out.marked(n.tunnel, n.tunnel.name, "(tunnel)")})
	}
	if n.inner == nil {
		return list
	}
	var pods []leaf
	for _, p := range n.pods {
		pods = append(pods, leaf{text: out.marked(&p.thing, p.name, "(pod)")})
	}
	if n.inner.kind == kindRoutes {
		return append(list, pods...)
	}
	return append(list, leaf{out.marked(n.inner, n.inner.name, "(bridge)"), pods})
}

// textNets lists cables between nodes and the tunnel.
func (t *Topology) textNets(out *tree) {
	first := true
	for _, n := range t.nets {
		var text string
		switch n.kind {
		case kindCable:
			text = "cable   " + n.name
		case kindTunnel:
			var names []string
			for _, e := range n.ends {
				names = append(names, t.nodes[e.node].name)
			}
			if len(names) > 6 {
				names = append(names[:5], fmt.Sprintf("%d more", len(n.ends)-5))
			}
			text = "tunnel  " + n.name + ", " + n.note + ", every node to every other: " + strings.Join(names, ", ")
		default:
			continue
		}
		if first {
			fmt.Fprintln(out.out)
			first = false
		}
		fmt.Fprintln(out.out, text)
	}
}

// textServices lists services and their endpoints.
func (t *Topology) textServices(out *tree) {
	for i, s := range t.services {
		if i == 0 {
			fmt.Fprintln(out.out)
		}
		words := append([]string{"service", s.name, "(" + serviceKind(s.service) + ")"}, s.ports...)
		fmt.Fprintln(out.out, out.marked(&s.thing, words...))
		var list []leaf
		for _, e := range s.endpoints() {
			list = append(list, leaf{text: e})
		}
		if len(list) == 0 {
			list = []leaf{{text: "no endpoints"}}
		}
		out.write(list, "")
	}
}

// listed is how many failing checks a text lists at most.
const listed = 10

// textFailures says what is to blame for failing checks, and lists those.
func (t *Topology) textFailures(out *tree) {
	if t.live == nil {
		return
	}
	for i, c := range t.live.Causes {
		if i == 0 {
			fmt.Fprintln(out.out, "\nfaults")
		}
		fmt.Fprintf(out.out, "  %s: %s by it\n", out.colour(failing, "x "+c.Fault), count(c.Checks, "check")+verb(c.Checks, " fails", " fail"))
		if c.Remedy != "" {
			fmt.Fprintln(out.out, "      "+c.Remedy)
		}
	}
	for i, f := range t.live.Failures {
		switch {
		case i == 0:
			fmt.Fprintln(out.out, "\nfailing checks")
		case i == listed && len(t.live.Failures) > listed+1:
			fmt.Fprintf(out.out, "  and %d more; \"netlab verify %s\" lists them\n", len(t.live.Failures)-i, t.lab.Name)
			return
		}
		fmt.Fprintln(out.out, "  "+out.colour(failing, "x "+f.Check)+"\n      "+strings.ReplaceAll(f.Reason, "\n", "\n      "))
	}
}
