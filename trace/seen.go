package trace

import (
	"net/netip"
	"slices"
	"time"
)

// Trace is an exchange as it was seen.
type Trace struct {
	There  Path
	Back   Path // without hops if nothing came back
	Result Result
	Probe  Probe
}

// Seen reconstructs the way of a packet and of what came back from the
// evidence.
func Seen(ev *Evidence) Trace {
	s := pick(ev)
	t := Trace{Result: ev.Result, Probe: ev.Probe}
	b := builder{ev: ev, asks: s.asks, filter: classify(ev)}
	t.There = b.path(there, s.there)
	if len(s.back) > 0 {
		t.Back = b.path(back, s.back)
	} else if b.arrival = t.There.last(); t.There.End.Kind == Delivered && b.unsent(b.arrival) != nil {
		t.Back = b.path(back, nil)
	}
	return t
}

// unsent returns the answer to a packet that arrived, if rules ended it before
// any interface saw it; nil otherwise.
func (b *builder) unsent(last *Hop) *Header {
	if last == nil || len(b.filter[place{ns: last.NS, leg: back}]) == 0 {
		return nil
	}
	for i := range b.ev.Events {
		if e := &b.ev.Events[i]; e.NS == last.NS && e.Packet != nil && (e.Packet.source() == last.Header.destination() || e.Packet.isError()) {
			return e.Packet
		}
	}
	return nil
}

// Lookups returns what has to be asked of routing tables to explain the way
// that was seen.
func Lookups(ev *Evidence) []Lookup {
	var list []Lookup
	b := builder{ev: ev, ask: func(q Lookup) { list = append(list, q) }}
	s := pick(ev)
	b.path(there, s.there)
	if len(s.back) > 0 {
		b.path(back, s.back)
	}
	return list
}

// builder makes paths of sightings.
type builder struct {
	ev     *Evidence
	asks   []sighting
	filter map[place][][]FilterStep
	ask    func(Lookup) // called for every lookup, if not nil
	told   map[string]bool

	arrival *Hop // where the packet was seen last that an answer answers
}

// place is where rules of netfilter are met: in a namespace, on the way there
// or back, by the packet itself or by the one that carries it.
type place struct {
	ns    string
	leg   leg
	outer bool
}

// path makes a path of the sightings of one packet.
func (b *builder) path(l leg, list []sighting) Path {
	p := Path{Chance: 1}
	b.told = map[string]bool{}
	list = b.clean(list)
	if len(list) == 0 || list[0].frame.Out { // otherwise whoever made it was not watched
		p.Hops = append(p.Hops, b.origin(l, list))
	}
	for _, s := range list {
		dir := In
		if s.frame.Out {
			dir = Out
		}
		p.Hops = append(p.Hops, Hop{NS: s.frame.NS, Dir: dir, Iface: s.frame.Iface, Header: s.header, After: b.after(s.frame), Data: s.frame.Data})
	}
	for i := range p.Hops {
		b.facts(l, &p, i)
	}
	b.end(&p, len(list) > 0 && list[len(list)-1].frame.Stranger && b.link(p.last().NS, p.last().Iface).Master == "")
	return p
}

// after returns when a frame was seen, 0 if the kernel did not say.
func (b *builder) after(f *Frame) time.Duration {
	if f.Time.IsZero() {
		return 0
	}
	return f.Time.Sub(b.ev.Sent)
}

// origin returns the hop at which a packet is made.
func (b *builder) origin(l leg, list []sighting) Hop {
	if len(list) == 0 && l == back {
		h := *b.unsent(b.arrival)
		return Hop{NS: b.arrival.NS, Dir: Made, Header: h}
	}
	if len(list) == 0 {
		h := Header{Proto: b.ev.Probe.Proto, Dst: b.ev.Probe.Dst.Addr(), DstPort: b.ev.Probe.Dst.Port()}
		return Hop{NS: b.ev.From, Dir: Made, Header: h}
	}
	first := list[0]
	hop := Hop{NS: first.frame.NS, Dir: Made, Header: first.header, After: b.after(first.frame)}
	if hop.Header.Inner != nil {
		hop.Header = *hop.Header.Inner
	}
	hop.Header.Ether = false
	if l == there {
		// What leaves may have been translated already.
		for _, t := range b.space(hop.NS).Tracked {
			if t.Reply == reverse(&hop.Header) {
				hop.Header.Src, hop.Header.SrcPort = t.Orig[0].Addr(), t.Orig[0].Port()
			}
		}
		hop.Header.Dst, hop.Header.DstPort = b.ev.Probe.Dst.Addr(), b.ev.Probe.Dst.Port()
	} else if t, ok := b.tracked(hop.NS, &hop.Header, true); ok && t.translated() {
		hop.Header.Src, hop.Header.SrcPort = t.Reply[0].Addr(), t.Reply[0].Port()
	}
	return hop
}

// clean takes copies of flooded frames off a list of sightings.
func (b *builder) clean(list []sighting) []sighting {
	var out []sighting
	for i, s := range list {
		link := b.link(s.frame.NS, s.frame.Iface)
		// A frame for somebody else's MAC matters only to a port of a bridge,
		// and where it is the end.
		if s.frame.Stranger && link.Master == "" && i < len(list)-1 {
			continue
		}
		out = append(out, s)
	}
	return out
}

// single leaves of a frame that a bridge flooded only the copy that leads on:
// the one that left by the port behind which its destination is.
func single(ev *Evidence, list []sighting) []sighting {
	b := builder{ev: ev}
	return slices.DeleteFunc(slices.Clone(list), func(s sighting) bool {
		link := b.link(s.frame.NS, s.frame.Iface)
		if !s.frame.Out || link.Master == "" {
			return false
		}
		copies := b.copies(list, s)
		return len(copies) > 1 && b.leads(list, copies) != s.frame.Iface
	})
}

// copies returns the same frame as it left by the ports of a bridge.
func (b *builder) copies(list []sighting, s sighting) []sighting {
	var copies []sighting
	master := b.link(s.frame.NS, s.frame.Iface).Master
	for _, o := range list {
		if o.frame.NS == s.frame.NS && o.frame.Out && b.link(o.frame.NS, o.frame.Iface).Master == master && o.header.DstMAC == s.header.DstMAC {
			copies = append(copies, o)
		}
	}
	return copies
}

// leads returns the port behind which the destination of a frame is that left by
// several: where it came in at somebody whose MAC it has, or else where the
// bridge knows that MAC.
func (b *builder) leads(list, copies []sighting) string {
	for _, c := range copies {
		for _, o := range list {
			if !o.frame.Out && !o.frame.Stranger && b.link(o.frame.NS, o.frame.Iface).Master == "" && cabled(b.ev, c.frame, o.frame) {
				return c.frame.Iface
			}
		}
	}
	for _, f := range b.space(copies[0].frame.NS).FDB {
		for _, c := range copies {
			if f.MAC == c.header.DstMAC && f.Dev == c.frame.Iface {
				return f.Dev
			}
		}
	}
	return copies[0].frame.Iface
}

// space returns what was read in a namespace.
func (b *builder) space(ns string) *Space {
	if s := b.ev.Spaces[ns]; s != nil {
		return s
	}
	return &Space{}
}

// link returns an interface.
func (b *builder) link(ns, name string) Link {
	for _, l := range b.space(ns).Links {
		if l.Name == name {
			return l
		}
	}
	return Link{Name: name}
}

// tracked returns the connection that a packet belongs to in a namespace.
// reply wants one of which the packet is an answer as it leaves, that is
// translated back already.
func (b *builder) tracked(ns string, h *Header, reply bool) (Tracked, bool) {
	q := h
	if h.Quote != nil {
		q = h.Quote
	}
	ends := [2]netip.AddrPort{q.source(), q.destination()}
	other := reverse(q)
	for _, t := range b.space(ns).Tracked {
		if reply {
			if t.Orig == other {
				return t, true
			}
			continue
		}
		// As it came in: either way round.
		if t.Orig == ends || t.Reply == ends || h.Quote != nil && (t.Orig == other || t.Reply == other) {
			return t, true
		}
	}
	// As it leaves, with the destination or source rewritten.
	for _, t := range b.space(ns).Tracked {
		if !reply && (t.Reply == other || t.Orig == other || t.Reply[0] == ends[1]) {
			return t, true
		}
	}
	return Tracked{}, false
}

// local reports whether an address belongs to a namespace.
func (b *builder) local(ns string, a netip.Addr) bool {
	return a.IsLoopback() || slices.ContainsFunc(b.space(ns).Addrs, func(x Addr) bool { return x.Prefix.Addr() == a })
}
