package trace

import (
	"net/netip"
	"slices"
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
	var first [3]*identity
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
		l := f.leg(&h)
		if l == stranger || first[there] == nil && (l == back || ev.Frames[i].NS != ev.From) {
			continue
		}
		id := identify(&h)
		if first[l] == nil {
			first[l] = &id
		}
		switch {
		case *first[l] != id:
			s.others = append(s.others, seen.frame)
		case l == there:
			s.there = append(s.there, seen)
		default:
			s.back = append(s.back, seen)
		}
	}
	return s
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

// Keeps returns which tracked connections belong to the exchange: those with a
// tuple that a packet of it was seen with.
func Keeps(ev *Evidence) func(Tracked) bool {
	s := pick(ev)
	ends := map[[2]netip.AddrPort]bool{}
	for _, x := range slices.Concat(s.there, s.back) {
		h := &x.header
		if h.Inner != nil {
			h = h.Inner
		}
		if h.Quote != nil {
			h = h.Quote
		}
		ends[[2]netip.AddrPort{h.source(), h.destination()}] = true
		ends[reverse(h)] = true
	}
	return func(t Tracked) bool {
		return t.Proto == ev.Probe.Proto && (ends[t.Orig] || ends[t.Reply])
	}
}
