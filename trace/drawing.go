package trace

import "slices"

// Measures of the drawing.
const (
	boxWidth  = 168
	boxGap    = 46
	boxTop    = 16
	headRoom  = 58
	slotSpace = 36
	slotInset = 20
)

// drawing lays namespaces out from left to right, in the order in which the
// packet comes to them.
type drawing struct {
	boxes         []pageBox
	cables        []pageCable
	order         []string
	names         map[string][]string // interfaces by namespace
	right         map[slotKey]bool    // interfaces whose cables lead to the right
	slots         map[slotKey][2]int
	width, height int
}

type slotKey struct{ ns, iface string }

func newDrawing(r *Report) *drawing {
	d := &drawing{names: map[string][]string{}, right: map[slotKey]bool{}, slots: map[slotKey][2]int{}}
	paths := []*Path{&r.Trace.There, &r.Trace.Back}
	for _, p := range paths {
		for i := range p.Hops {
			d.visit(&p.Hops[i])
		}
	}
	tallest := 1
	for _, list := range d.names {
		tallest = max(tallest, len(list))
	}
	d.height = 2*boxTop + headRoom + tallest*slotSpace
	d.width = max(1, len(d.order))*(boxWidth+boxGap) + boxGap
	for _, p := range paths {
		d.sides(p)
	}
	for i, ns := range d.order {
		d.box(i, ns, r.Names)
	}
	for _, p := range paths {
		d.join(p)
	}
	return d
}

func (d *drawing) visit(h *Hop) {
	if !slices.Contains(d.order, h.NS) {
		d.order = append(d.order, h.NS)
	}
	if !slices.Contains(d.names[h.NS], h.Iface) {
		d.names[h.NS] = append(d.names[h.NS], h.Iface)
	}
}

// sides finds out which interfaces lead to the right.
func (d *drawing) sides(p *Path) {
	for i := 1; i < len(p.Hops); i++ {
		a, b := &p.Hops[i-1], &p.Hops[i]
		x, y := slices.Index(d.order, a.NS), slices.Index(d.order, b.NS)
		if x != y {
			d.right[slotKey{a.NS, a.Iface}], d.right[slotKey{b.NS, b.Iface}] = x < y, y < x
		}
	}
}

// box draws a namespace and its interfaces.
func (d *drawing) box(i int, ns string, names Names) {
	x := boxGap + i*(boxWidth+boxGap)
	b := pageBox{
		X: x, Y: boxTop, W: boxWidth, H: d.height - 2*boxTop, Name: names.Space(ns), Kind: names.kinds[ns],
		CentreX: x + boxWidth/2, NameY: boxTop + 22, KindY: boxTop + 40,
	}
	for k, name := range d.names[ns] {
		s := pageSlot{Name: name, X: x + slotInset, Y: boxTop + headRoom + k*slotSpace + slotSpace/2, Anchor: "start"}
		s.TextX = s.X + slotInset
		if d.right[slotKey{ns, name}] {
			s.X, s.Anchor = x+boxWidth-slotInset, "end"
			s.TextX = s.X - slotInset
		}
		d.slots[slotKey{ns, name}] = [2]int{s.X, s.Y}
		if name == "" {
			s.Name = "process"
		}
		b.Slots = append(b.Slots, s)
	}
	d.boxes = append(d.boxes, b)
}

// join draws the cables along which a path leads.
func (d *drawing) join(p *Path) {
	for i := 1; i < len(p.Hops); i++ {
		if p.Hops[i].NS == p.Hops[i-1].NS {
			continue
		}
		x1, y1 := d.at(&p.Hops[i-1])
		x2, y2 := d.at(&p.Hops[i])
		if x1 > x2 {
			x1, y1, x2, y2 = x2, y2, x1, y1
		}
		if c := (pageCable{x1, y1, x2, y2}); !slices.Contains(d.cables, c) {
			d.cables = append(d.cables, c)
		}
	}
}

func (d *drawing) at(h *Hop) (x, y int) {
	s := d.slots[slotKey{h.NS, h.Iface}]
	return s[0], s[1]
}
