package trace

import (
	"fmt"
	"slices"
)

// parting is where the way that was seen leaves an expected one.
type parting struct {
	same int  // hops that both share
	seen *Hop // the hop that differs; nil if nothing more was seen
	want *Hop // nil if nothing more was expected
	last *Hop // the last hop that they share, as it was seen
	twin *Hop // and as it was expected
	way  *Path
}

// ended reports whether the ways do not part at all.
func (p parting) ended() bool { return p.seen == nil && p.want == nil }

// Compare returns how the way that was seen leaves the expected one that is
// most like it.
func compare(seen *Path, expected []Path) parting {
	best := parting{same: -1}
	for i := range expected {
		p := part(seen, &expected[i])
		if p.ended() {
			return p
		}
		if p.same > best.same {
			best = p
		}
	}
	return best
}

// part compares two ways hop by hop.
func part(seen, want *Path) parting {
	a, b := plain(seen), plain(want)
	p := parting{way: want}
	for p.same < len(a) && p.same < len(b) && alike(a[p.same], b[p.same]) {
		p.last, p.twin = a[p.same], b[p.same]
		p.same++
	}
	if p.same < len(a) {
		p.seen = a[p.same]
	}
	if p.same < len(b) {
		p.want = b[p.same]
	}
	return p
}

// plain leaves out what two runs of one exchange may differ in: whether a
// bridge shows a frame that it sends itself depends on what it knew before.
func plain(p *Path) []*Hop {
	var list []*Hop
	for i := range p.Hops {
		h := &p.Hops[i]
		next := i+1 < len(p.Hops) && p.Hops[i+1].NS == h.NS && p.Hops[i+1].Dir == Out && p.Hops[i+1].Header.Inner == nil && h.Header.Inner == nil
		if h.Dir == Out && next {
			continue
		}
		list = append(list, h)
	}
	return list
}

// alike compares hops: where they are, and where the packet wants to go.
// Ports of the sender are the kernel's choice.
func alike(a, b *Hop) bool {
	if a.NS != b.NS || a.Dir != b.Dir || a.Iface != b.Iface || (a.Header.Inner == nil) != (b.Header.Inner == nil) {
		return false
	}
	x, y := &a.Header, &b.Header
	if x.isError() || y.isError() {
		return x.isError() == y.isError()
	}
	return x.Dst == y.Dst && x.Src == y.Src || !x.Src.IsValid() || !y.Src.IsValid()
}

// Judge fills in where the way that was seen leaves the expected one, and why
// nothing came back.
func (r *Report) Judge() {
	r.Silence = r.silence(r.Expected)
	there, back := r.partings()
	for _, p := range []parting{there, back} {
		if p.same > 0 && !p.ended() && p.seen != nil {
			r.Parting = p.text(r.Names)
			return
		}
	}
}

// AsExpected reports whether the exchange went as the lab file says, be it that
// it says that packets are lost.
func (r *Report) AsExpected() bool {
	t := &r.Trace
	there, back := r.partings()
	switch {
	case there.way == nil || !there.ended() || there.way.End.Kind != t.There.End.Kind:
		return false
	case t.There.End.Kind != Delivered || t.Result.State == OneWay:
		return true
	case len(t.Back.Hops) == 0:
		return slices.ContainsFunc(r.Expected, func(w Way) bool { return len(w.Back.Hops) == 1 && w.Back.End.Kind == Stopped })
	}
	return back.ended() && back.way != nil && back.way.End.Kind == t.Back.End.Kind && !r.untranslated()
}

// silence says why nothing answers a packet that arrived. On paper an answer
// may not even leave.
func (r *Report) silence(ways []Way) string {
	t := &r.Trace
	if t.There.End.Kind != Delivered || len(t.Back.Hops) > 0 || t.Result.State != Lost {
		return ""
	}
	at := r.Names.Space(t.There.End.NS)
	for _, w := range ways {
		if w.There.End.NS == t.There.End.NS && len(w.Back.Hops) == 1 && w.Back.End.Kind == Stopped {
			return "arrives at " + at + ", whose answer does not leave: " + w.Back.End.Fault.String()
		}
	}
	return "arrives at " + at + ", which says nothing"
}

// partings compares both directions.
func (r *Report) partings() (there, back parting) {
	var out, in []Path
	for _, w := range r.Expected {
		out = append(out, w.There)
	}
	there = compare(&r.Trace.There, out)
	for _, w := range r.Expected {
		if there.way != nil && slices.EqualFunc(w.There.Hops, there.way.Hops, func(a, b Hop) bool { return alike(&a, &b) }) {
			in = append(in, w.Back)
		}
	}
	if len(r.Trace.Back.Hops) > 0 && there.ended() {
		back = compare(&r.Trace.Back, in)
	}
	return there, back
}

// text says where ways part.
func (p parting) text(n Names) string {
	at := "at the start"
	if p.last != nil {
		at = "on " + n.Space(p.last.NS)
	}
	if p.want == nil {
		return fmt.Sprintf("it goes further than the lab file says, %s: %s", at, p.seen.where(n))
	}
	seen, want := p.seen.where(n), p.want.where(n)
	if seen == want {
		seen, want = seen+" from "+endText(p.seen.Header.source()), "from "+endText(p.want.Header.source())
	}
	return fmt.Sprintf("it leaves the expected way %s: seen %s, expected %s", at, seen, want)
}

// where says what a hop is.
func (h *Hop) where(n Names) string {
	if h.Dir == Made {
		return n.Space(h.NS) + " sends"
	}
	s := fmt.Sprintf("%s %s of %s", h.Dir, h.Iface, n.Space(h.NS))
	return s + " to " + endText(h.Header.destination())
}
