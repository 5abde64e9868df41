package trace

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
)

//go:embed page.html
var pageText string

// page is what the HTML form of a report shows.
type page struct {
	Lab, Verdict, Last string
	Width, Height      int
	Boxes              []pageBox
	Cables             []pageCable
	Steps              []pageStep
}

// pageBox is a namespace in the drawing.
type pageBox struct {
	X, Y, W, H  int
	Name, Kind  string
	Slots       []pageSlot
	CentreX     int
	KindY, NamY int
}

// pageSlot is an interface of a namespace.
type pageSlot struct {
	Name       string
	X, Y       int
	TextX      int
	TextAnchor string
}

// pageCable joins two interfaces.
type pageCable struct{ X1, Y1, X2, Y2 int }

// pageStep is one hop.
type pageStep struct {
	Number  int
	Place   string // the namespace's owner
	What    string // what happens there
	Way     string // "there" or "back"
	X, Y    int
	After   string
	Fields  []pageField
	Inside  []pageField // of what a tunnel packet carries
	Facts   []pageFact
	Summary string
}

// pageField is a field of the packet's headers.
type pageField struct {
	Name, Value string
	Changed     bool
}

// pageFact is something that was decided.
type pageFact struct {
	Kind   string
	Lines  []string
	Lesson string // lines that belong under each other
	Prose  string
}

// Measures of the drawing.
const (
	boxWidth  = 168
	boxGap    = 46
	boxTop    = 16
	headRoom  = 58
	slotSpace = 36
)

// WriteHTML writes a report as a page that needs nothing else: the way of the
// packet as a drawing, along which it moves step by step.
func WriteHTML(w io.Writer, r Report) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	return t.Execute(w, newPage(&r))
}

func newPage(r *Report) page {
	p := page{Lab: r.Lab, Verdict: r.Verdict(), Last: r.LastLine()}
	d := newDrawing(r)
	p.Boxes, p.Cables, p.Width, p.Height = d.boxes, d.cables, d.width, d.height
	for _, way := range []struct {
		name string
		path *Path
	}{{"there", &r.Trace.There}, {"back", &r.Trace.Back}} {
		var before *Header
		for i := range way.path.Hops {
			h := &way.path.Hops[i]
			s := newStep(r, h, before)
			s.Number, s.Way = len(p.Steps)+1, way.name
			s.X, s.Y = d.at(h)
			p.Steps = append(p.Steps, s)
			before = &h.Header
		}
	}
	return p
}

func newStep(r *Report, h *Hop, before *Header) pageStep {
	s := pageStep{Place: r.Names.Title(h.NS), After: duration(h.After), Summary: packetText(&h.Header)}
	switch h.Dir {
	case Made:
		s.What = "makes the packet"
	case Out:
		s.What = "sends it out by " + h.Iface
	case In:
		s.What = "takes it in by " + h.Iface
	}
	s.Fields = fieldsOf(&h.Header, before)
	if h.Header.Inner != nil {
		var inner *Header
		if before != nil && before.Inner != nil {
			inner = before.Inner
		} else {
			inner = before
		}
		s.Inside = fieldsOf(h.Header.Inner, inner)
	}
	for _, f := range h.Facts {
		fact := pageFact{}
		for _, l := range describe(f) {
			if fact.Kind == "" {
				fact.Kind = l.label
			}
			fact.Lines = append(fact.Lines, l.text)
		}
		fact.Lesson, fact.Prose = lessonOf(f, h)
		s.Facts = append(s.Facts, fact)
	}
	return s
}

// lessonOf returns what a fact teaches: a table as it is to be shown, and prose.
func lessonOf(f Fact, h *Hop) (table, prose string) {
	lines := explain(f, h)
	if r, ok := f.(Routed); ok && !r.Answer.Local {
		end := len(lines)
		for i, l := range lines {
			if l == "" {
				end = i + 1
			}
		}
		if len(r.Masks) > 0 {
			return joinLines(lines[:min(end, len(lines))]), joinWords(lines[min(end, len(lines)):])
		}
	}
	return "", joinWords(lines)
}

func joinLines(lines []string) string {
	s := ""
	for _, l := range lines {
		s += l + "\n"
	}
	return s
}

func joinWords(lines []string) string {
	s := ""
	for i, l := range lines {
		if i > 0 {
			s += " "
		}
		s += l
	}
	return s
}

// fieldsOf lists the fields of a packet, and which of them changed.
func fieldsOf(h, before *Header) []pageField {
	field := func(name, value, old string) pageField {
		return pageField{name, value, before != nil && old != value}
	}
	var b Header
	if before != nil {
		b = *before
	}
	list := []pageField{field("packet", h.What(), b.What())}
	list[0].Changed = false
	if h.Ether {
		list = append(list, field("from MAC", h.SrcMAC.String(), b.SrcMAC.String()), field("to MAC", h.DstMAC.String(), b.DstMAC.String()))
		if !b.Ether {
			list[1].Changed, list[2].Changed = false, false
		}
	}
	list = append(list, field("source", endText(h.source()), endText(b.source())), field("destination", endText(h.destination()), endText(b.destination())))
	if h.TTL != 0 {
		list = append(list, field("TTL", itoa(int(h.TTL)), itoa(int(b.TTL))))
	}
	if h.Inner != nil {
		list = append(list, pageField{Name: "VNI", Value: itoa(int(h.VNI))})
	}
	if (h.Inner == nil) != (b.Inner == nil) {
		for i := range list {
			list[i].Changed = false
		}
	}
	return list
}

// drawing lays namespaces out from left to right, in the order in which the
// packet comes to them.
type drawing struct {
	boxes         []pageBox
	cables        []pageCable
	slots         map[[2]string][2]int
	width, height int
}

func newDrawing(r *Report) *drawing {
	d := &drawing{slots: map[[2]string][2]int{}}
	var order []string
	names := map[string][]string{} // interfaces by namespace
	for _, p := range []*Path{&r.Trace.There, &r.Trace.Back} {
		for i := range p.Hops {
			h := &p.Hops[i]
			if !slices.Contains(order, h.NS) {
				order = append(order, h.NS)
			}
			if !slices.Contains(names[h.NS], h.Iface) {
				names[h.NS] = append(names[h.NS], h.Iface)
			}
		}
	}
	tallest := 1
	for _, list := range names {
		tallest = max(tallest, len(list))
	}
	d.height = 2*boxTop + headRoom + tallest*slotSpace
	d.width = max(1, len(order))*(boxWidth+boxGap) + boxGap
	for i, ns := range order {
		x := boxGap + i*(boxWidth+boxGap)
		b := pageBox{
			X: x, Y: boxTop, W: boxWidth, H: d.height - 2*boxTop, Name: r.Names.Space(ns), Kind: r.Names.kinds[ns],
			CentreX: x + boxWidth/2, NamY: boxTop + 22, KindY: boxTop + 40,
		}
		for k, name := range names[ns] {
			s := pageSlot{Name: name, X: x + 22, Y: boxTop + headRoom + k*slotSpace + slotSpace/2}
			if name == "" {
				s.Name = "process"
			}
			s.TextX = s.X + 20
			d.slots[[2]string{ns, name}] = [2]int{s.X, s.Y}
			b.Slots = append(b.Slots, s)
		}
		d.boxes = append(d.boxes, b)
	}
	d.join(&r.Trace.There)
	d.join(&r.Trace.Back)
	return d
}

// join draws the cables along which a path leads.
func (d *drawing) join(p *Path) {
	for i := 1; i < len(p.Hops); i++ {
		if p.Hops[i].NS == p.Hops[i-1].NS {
			continue
		}
		x1, y1 := d.at(&p.Hops[i-1])
		x2, y2 := d.at(&p.Hops[i])
		c := pageCable{x1, y1, x2, y2}
		if x1 > x2 {
			c = pageCable{x2, y2, x1, y1}
		}
		if !slices.Contains(d.cables, c) {
			d.cables = append(d.cables, c)
		}
	}
}

func (d *drawing) at(h *Hop) (x, y int) {
	s := d.slots[[2]string{h.NS, h.Iface}]
	return s[0], s[1]
}
