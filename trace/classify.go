package trace

import "net/netip"

// classify sorts what netfilter told by where it happened. Events of other
// packets of the exchange are left out.
//
// A packet that passes a namespace twice has a list of steps for each time.
func classify(ev *Evidence) map[place][][]FilterStep {
	f := newFollower(ev.Probe)
	outer := map[outerID]leg{}
	var mine []sighting
	for i := range ev.Frames {
		if h, err := DecodeFrame(ev.Frames[i].Data, ev.VXLANPort); err == nil && h.Proto != ProtoARP {
			f.learn(&h)
			mine = append(mine, sighting{&ev.Frames[i], h})
		}
	}
	first := f.first(ev, mine)
	left := map[string]bool{} // namespaces in which the packet was seen to leave in a tunnel
	for i := range mine {
		if h := &mine[i].header; h.Inner != nil && f.leg(h) != stranger {
			outer[outerOf(h)] = f.leg(h)
			left[mine[i].frame.NS] = left[mine[i].frame.NS] || f.leg(h) == there
		}
	}
	unseen := func(e *Event) (place, bool) { // a tunnel packet that rules end before any interface sees it
		h := e.Packet
		if _, seen := outer[outerOf(h)]; seen || h.Proto != ProtoUDP || ev.VXLANPort == 0 || h.DstPort != ev.VXLANPort || e.Hook != "output" && e.Chain != "OUTPUT" {
			return place{}, false
		}
		if left[e.NS] {
			return place{e.NS, back, true}, true
		}
		return place{e.NS, there, true}, true
	}
	steps := map[place][][]FilterStep{}
	late := map[place]bool{} // a visit has come to a hook that is none of the first
	type packet struct {
		ns string
		id uint32
	}
	now := map[packet]place{}
	for i := range ev.Events {
		e := &ev.Events[i]
		k := packet{e.NS, e.ID}
		if e.Packet != nil {
			at, ok := unseen(e)
			if !ok {
				at = placeOf(f, first, outer, e, ev.From)
			}
			now[k] = at
		}
		at := now[k]
		if at.leg == stranger || e.Kind == EventReturn {
			continue
		}
		step := FilterStep{Family: e.Family, Table: e.Table, Chain: e.Chain, Hook: e.Hook, Number: e.Number, Rule: e.Rule, Verdict: e.Code, Target: e.Target}
		visits := steps[at]
		first := step.hook() == "prerouting" || step.hook() == "output"
		if len(visits) == 0 || first && late[at] {
			visits, late[at] = append(visits, nil), false
		}
		visits[len(visits)-1] = append(visits[len(visits)-1], step)
		steps[at] = visits
		late[at] = late[at] || step.late()
	}
	return steps
}

// placeOf says which packet an event is about. The kernel cuts off what it
// sends along: of a tunnel packet or an error message only the outer headers
// are there. A tunnel packet is known by the ends and the number that it was
// seen with on the wire.
func placeOf(f *follower, first map[leg]identity, outer map[outerID]leg, e *Event, from string) place {
	h := e.Packet
	if l, ok := outer[outerOf(h)]; ok {
		return place{ns: e.NS, leg: l, outer: true}
	}
	if icmp := h.Proto == ProtoICMP || h.Proto == ProtoICMP6; icmp && h.Proto != f.probe.Proto {
		return place{ns: e.NS, leg: back}
	}
	l := f.leg(h)
	switch id, seen := first[l]; {
	case !seen && (l == back || l == there && e.NS == from): // no interface saw it: rules ended it where it was made
		first[l] = identify(h)
	case id != identify(h):
		l = stranger
	}
	return place{ns: e.NS, leg: l}
}

// outerID is what a tunnel packet is known by.
type outerID struct {
	ends [2]netip.AddrPort
	id   uint16
}

func outerOf(h *Header) outerID {
	return outerID{[2]netip.AddrPort{h.source(), h.destination()}, h.ID}
}
