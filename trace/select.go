package trace

import (
	"net/netip"
	"slices"
	"time"
)

// sighting is a packet of the exchange at an interface.
type sighting struct {
	frame  *Frame
	header Header
}

// selected are the packets that matter of all that were seen: one packet that
// went there, the first that came back, and the questions for MACs.
type selected struct {
	there, back []sighting
	asks        []sighting
	others      []*Frame // further packets of the exchange
}

// pick finds the packets of the exchange.
func pick(ev *Evidence) selected {
	var s selected
	f := newFollower(ev.Probe)
	var mine []sighting
	for i := range ev.Frames {
		h, err := DecodeFrame(ev.Frames[i].Data, ev.VXLANPort)
		if err != nil {
			continue
		}
		seen := sighting{&ev.Frames[i], h}
		if h.Proto == ProtoARP {
			s.asks = append(s.asks, seen)
			continue
		}
		f.learn(&h)
		mine = append(mine, seen)
	}
	first := f.first(ev, mine)
	for _, x := range mine {
		switch l := f.leg(&x.header); {
		case l == stranger:
		case first[l] != identify(&x.header):
			s.others = append(s.others, x.frame)
		case l == there:
			s.there = append(s.there, x)
		default:
			s.back = append(s.back, x)
		}
	}
	s.there, s.back = ordered(ev, single(ev, s.there)), ordered(ev, single(ev, s.back))
	return s
}

// first returns what the packets are known by that are followed: the first
// that the sender sent, and the first that came back.
func (f *follower) first(ev *Evidence, list []sighting) map[leg]identity {
	first := map[leg]identity{}
	var earliest time.Time
	for _, x := range list {
		l := f.leg(&x.header)
		_, known := first[l]
		switch {
		case l == there && !known && x.frame.NS == ev.From:
			first[l] = identify(&x.header)
		case l != back:
		case !known || x.frame.Time.Before(earliest):
			first[l], earliest = identify(&x.header), x.frame.Time
		}
	}
	return first
}

// Places lists the namespaces in which the exchange was seen.
func Places(ev *Evidence) []string {
	s := pick(ev)
	var list []string
	for _, x := range slices.Concat(s.there, s.back) {
		if !slices.Contains(list, x.frame.NS) {
			list = append(list, x.frame.NS)
		}
	}
	return list
}

// Tuple is what connection tracking knows a packet by.
type Tuple struct {
	Proto    Proto
	Src, Dst netip.AddrPort
	ICMP     ICMP // of a ping, without its number
}

// Tuples returns, by namespace, what to ask connection tracking for: the
// packets as they were seen, and answers to them.
func Tuples(ev *Evidence) map[string][]Tuple {
	s := pick(ev)
	tuples := map[string][]Tuple{}
	for _, x := range slices.Concat(s.there, s.back) {
		h := &x.header
		if h.Inner != nil {
			h = h.Inner
		}
		if h.Quote != nil {
			h = h.Quote
		}
		t := Tuple{h.Proto, h.source(), h.destination(), ICMP{h.ICMP.Type, h.ICMP.Code, h.ICMP.Ident, 0}}
		for _, t := range []Tuple{t, t.reply()} {
			if ns := x.frame.NS; !slices.Contains(tuples[ns], t) {
				tuples[ns] = append(tuples[ns], t)
			}
		}
	}
	return tuples
}

// reply returns the tuple of an answer.
func (t Tuple) reply() Tuple {
	t.Src, t.Dst = t.Dst, t.Src
	switch other := map[uint8]uint8{8: 0, 0: 8, 128: 129, 129: 128}; t.Proto {
	case ProtoICMP, ProtoICMP6:
		t.ICMP.Type = other[t.ICMP.Type]
	}
	return t
}
