package graph

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"netlab/page"
)

//go:embed page.html
var pageText string

// htmlPage is what the page shows.
type htmlPage struct {
	Style template.CSS
	Theme template.JS

	Title, Heading string
	About          []string
	Health, Level  string
	Toggles        []toggle
	Pictures       []htmlPicture
	Shown          int // index of the picture that is shown first
	Causes         []htmlCause
	Failures       []htmlFailure
	Differences    []htmlDifference
	Tables         []htmlTable
	Related        map[string][]string // what belongs together, by id
	Texts          []htmlText          // shown below, as they are
}

// toggle is a button that shows or hides a detail.
type toggle struct {
	Name, Label string
	Bit         int // of the index of a picture
	On          bool
}

type htmlPicture struct {
	Width int
	SVG   template.HTML
}

// htmlCause is a fault, with the checks that fail by it in words.
type htmlCause struct{ Fault, Evidence, Remedy, Checks string }

type htmlFailure struct{ Check, Reason, Ends string }

type htmlDifference struct{ ID, Name, Text string }

// htmlTable lists things of one kind.
type htmlTable struct {
	Name    string
	Columns []string
	Rows    []htmlRow
}

type htmlRow struct {
	ID, Name string
	Cells    []string
	Words    string // what is not well
	Level    string
}

type htmlText struct{ Name, Text string }

// WriteHTML writes one page that needs nothing else: the picture, with buttons
// that show addresses, MACs and interface names, and tables of everything.
func (t *Topology) WriteHTML(w io.Writer) error {
	p := htmlPage{
		Title: "lab " + t.lab.Name, Heading: t.lab.Name, Related: map[string][]string{},
		Toggles: []toggle{{"addresses", "addresses", 1, t.opt.Addresses}, {"macs", "MACs", 2, t.opt.MACs}, {"interfaces", "interfaces", 4, t.opt.Interfaces}},
	}
	for _, s := range []string{t.lab.Description, t.summary()} {
		if s != "" {
			p.About = append(p.About, s)
		}
	}
	health, how := t.health()
	p.Health, p.Level = health, how.class()
	for _, g := range p.Toggles {
		if g.On {
			p.Shown += g.Bit
		}
	}
	for i := range 8 {
		variant := New(t.lab, Options{Addresses: i&1 != 0, MACs: i&2 != 0, Interfaces: i&4 != 0}, t.live)
		p.Pictures = append(p.Pictures, htmlPictureOf(variant.draw(true), "picture of lab "+t.lab.Name))
	}
	t.relate(p.Related)
	t.tables(&p)
	return p.write(w)
}

func htmlPictureOf(s *scene, title string) htmlPicture {
	var b strings.Builder
	out := bufio.NewWriter(&b)
	s.write(out, title, "")
	_ = out.Flush() // to memory: it cannot fail
	return htmlPicture{s.width, template.HTML(b.String())}
}

func (p *htmlPage) write(w io.Writer) error {
	p.Style = template.CSS(page.Style() + pictureStyle)
	p.Theme = template.JS(page.Theme)
	t, err := template.New("page").Funcs(template.FuncMap{"sign": htmlSign}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	return t.Execute(w, p)
}

// htmlSign draws the mark of a level within text.
func htmlSign(class string) template.HTML {
	for _, l := range []level{well, touched, drifted, failing} {
		if l.class() == class {
			var b strings.Builder
			out := bufio.NewWriter(&b)
			fmt.Fprintf(out, `<svg class="inline" viewBox="0 0 %d %d" width="%d" height="%d" aria-hidden="true">`, signSize, signSize, signSize, signSize)
			for _, s := range sign(0, 0, l, nil) {
				s.write(out)
			}
			fmt.Fprint(out, "</svg>")
			_ = out.Flush() // to memory: it cannot fail
			return template.HTML(b.String())
		}
	}
	return ""
}

// relate says what belongs together, both ways.
func (t *Topology) relate(m map[string][]string) {
	pair := func(a, b string) {
		if !slices.Contains(m[a], b) {
			m[a], m[b] = append(m[a], b), append(m[b], a)
		}
	}
	for _, n := range t.nodes {
		if n.inner != nil {
			pair(n.id, n.inner.id)
		}
		if n.tunnel != nil {
			pair(n.id, n.tunnel.id)
		}
		for _, p := range n.pods {
			pair(n.id, p.id)
			pair(n.inner.id, p.id)
		}
	}
	for _, n := range t.nets {
		for _, e := range n.ends {
			switch n.kind {
			case kindBridge:
				pair(n.on.id, t.nodes[e.node].id)
			case kindTunnel:
				pair(slug(kindTunnel), t.nodes[e.node].tunnel.id)
			}
		}
		if n.kind == kindCable {
			pair(t.nodes[n.ends[0].node].id, t.nodes[n.ends[1].node].id)
		}
	}
	for _, s := range t.services {
		for _, p := range s.pods {
			pair(s.id, p.id)
		}
	}
}

// tables lists everything, and what is not well.
func (t *Topology) tables(p *htmlPage) {
	ids := map[string]string{} // by namespace or service
	nodes := htmlTable{Name: "Bridges and nodes", Columns: []string{"kind", "interfaces", "pods", "network namespace"}}
	for i, b := range t.bridges {
		ids[t.lab.Bridges[i].NS] = b.id
		nodes.Rows = append(nodes.Rows, b.row(kindBridge, strings.Join(strings.Fields("br0 "+b.address()+" "+b.fact("MAC")), " "), "", b.fact("network namespace")))
	}
	for i, n := range t.nodes {
		l := &t.lab.Nodes[i]
		ids[l.NS] = n.id
		var faces []string
		for _, f := range n.facts {
			if f.Name != "pod subnet" && f.Name != "network namespace" {
				faces = append(faces, f.Name+" "+f.Value)
			}
		}
		nodes.Rows = append(nodes.Rows, n.row(n.kind, strings.Join(faces, "\n"), n.fact("pod subnet"), l.NS))
	}
	pods := htmlTable{Name: "Pods", Columns: []string{"node", "address", "MAC", "interface", "network namespace"}}
	for _, n := range t.nodes {
		for _, q := range n.pods {
			ids[q.pod.NS] = q.id
			pods.Rows = append(pods.Rows, q.row(n.name, q.fact("address"), q.fact("MAC"), q.fact("interface"), q.pod.NS))
		}
	}
	services := htmlTable{Name: "Services", Columns: []string{"type", "address", "ports", "endpoints"}}
	for _, s := range t.services {
		ids[s.service.ID()] = s.id
		address := strings.TrimSpace(s.fact("cluster address") + " " + s.fact("external addresses"))
		endpoints := strings.Join(s.endpoints(), ", ")
		if endpoints == "" {
			endpoints = "none"
		}
		r := s.row(s.fact("type"), address, strings.Join(s.ports, "\n"), endpoints)
		r.Name = fmt.Sprintf("%d. %s", s.number, s.name)
		services.Rows = append(services.Rows, r)
	}
	for _, table := range []htmlTable{nodes, pods, services} {
		if len(table.Rows) > 0 {
			p.Tables = append(p.Tables, table)
		}
	}
	t.unwell(p, ids)
}

// unwell lists differences and failures. ids are those of what they are about.
func (t *Topology) unwell(p *htmlPage, ids map[string]string) {
	for _, table := range p.Tables {
		for ns, id := range ids {
			for _, r := range table.Rows {
				if r.ID == id && t.live != nil {
					for _, text := range t.live.Spaces[ns].Differences {
						p.Differences = append(p.Differences, htmlDifference{id, r.Name, text})
					}
				}
			}
		}
	}
	slices.SortStableFunc(p.Differences, func(a, b htmlDifference) int { return strings.Compare(a.Name, b.Name) })
	if t.live == nil {
		return
	}
	for _, c := range t.live.Causes {
		p.Causes = append(p.Causes, htmlCause{c.Fault, strings.Join(c.Evidence, "\n"), c.Remedy, count(c.Checks, "check") + verb(c.Checks, " fails", " fail") + " by it"})
	}
	for _, f := range t.live.Failures {
		var ends []string
		for _, e := range f.Ends {
			if id := ids[e]; id != "" {
				ends = append(ends, id)
			}
		}
		p.Failures = append(p.Failures, htmlFailure{f.Check, f.Reason, strings.Join(ends, " ")})
	}
}

// address is that of a bridge, or its subnet.
func (b *bridge) address() string {
	if a := b.fact("address"); a != "" {
		return a
	}
	return b.fact("subnet")
}

// fact returns the value of a fact, or "".
func (t *thing) fact(name string) string {
	i := slices.IndexFunc(t.facts, func(f fact) bool { return f.Name == name })
	if i < 0 {
		return ""
	}
	return t.facts[i].Value
}

// row describes a thing in a table.
func (t *thing) row(cells ...string) htmlRow {
	words := strings.Join(t.marks(), ", ")
	if t.level == well {
		words = "ok"
	}
	return htmlRow{t.id, t.name, cells, words, t.level.class()}
}
