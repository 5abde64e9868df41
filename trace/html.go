package trace

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	base "netlab/page"
)

//go:embed page.html
var pageText string

// page is what the HTML form of a report shows.
type page struct {
	Style              template.CSS
	Theme              template.JS
	Lab, Verdict, Last string
	Width, Height      int
	Boxes              []pageBox
	Cables             []pageCable
	Steps              []pageStep
}

// pageBox is a namespace in the drawing.
type pageBox struct {
	X, Y, W, H   int
	Name, Kind   string
	Slots        []pageSlot
	CentreX      int
	NameY, KindY int
}

// pageSlot is an interface of a namespace.
type pageSlot struct {
	Name   string
	X, Y   int
	TextX  int
	Anchor string // of the text: start or end
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
	p := page{Style: template.CSS(base.Style()), Theme: template.JS(base.Theme), Lab: r.Lab, Verdict: r.Verdict(), Last: r.LastLine()}
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
		fact.Lesson, fact.Prose = lessonOf(f)
		s.Facts = append(s.Facts, fact)
	}
	return s
}

// lessonOf returns what a fact teaches: a table as it is to be shown, and prose.
func lessonOf(f Fact) (table, prose string) {
	lines := explain(f)
	if r, ok := f.(Routed); ok && !r.Answer.Local {
		end := len(lines)
		for i, l := range lines {
			if l == "" {
				end = i + 1
			}
		}
		if len(r.Masks) > 0 {
			return strings.Join(lines[:min(end, len(lines))], "\n"), strings.Join(lines[min(end, len(lines)):], " ")
		}
	}
	return "", strings.Join(lines, " ")
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
	list[0].Changed = before != nil && (h.Inner == nil) != (before.Inner == nil) // wrapped or unwrapped
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
		for i := range list[1:] {
			list[i+1].Changed = false
		}
	}
	return list
}
