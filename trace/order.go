package trace

import "bytes"

// ordered brings the sightings of one packet into the order in which it made
// its way. Within a namespace the kernel gave it; from one to the next the
// cables do: what leaves by one end comes in by the other. Clocks of different
// processors may be apart by more than a cable is long, so time decides only
// where nothing else does.
func ordered(ev *Evidence, list []sighting) []sighting {
	queues := map[string][]sighting{}
	var names []string // in the order of time
	for _, s := range list {
		if queues[s.frame.NS] == nil {
			names = append(names, s.frame.NS)
		}
		queues[s.frame.NS] = append(queues[s.frame.NS], s)
	}
	out := make([]sighting, 0, len(list))
	take := func(ns string) {
		out = append(out, queues[ns][0])
		queues[ns] = queues[ns][1:]
	}
	for len(out) < len(list) {
		take(nextSpace(ev, out, names, queues))
	}
	return out
}

// nextSpace chooses the namespace in which a packet is seen next.
func nextSpace(ev *Evidence, out []sighting, names []string, queues map[string][]sighting) string {
	earliest := ""
	for _, ns := range names {
		if q := queues[ns]; len(q) > 0 && (earliest == "" || q[0].frame.Time.Before(queues[earliest][0].frame.Time)) {
			earliest = ns
		}
	}
	if len(out) == 0 { // whoever makes a packet sends it before anybody takes it in
		for _, ns := range names {
			if queues[ns][0].frame.Out {
				return ns
			}
		}
		return earliest
	}
	last := out[len(out)-1].frame
	if !last.Out {
		if len(queues[last.NS]) > 0 {
			return last.NS
		}
		return earliest
	}
	next := "" // of several ends that may be the other one, where it was first
	for _, ns := range names {
		if q := queues[ns]; len(q) > 0 && !q[0].frame.Out && cabled(ev, last, q[0].frame) && (next == "" || q[0].frame.Time.Before(queues[next][0].frame.Time)) {
			next = ns
		}
	}
	if next != "" {
		return next
	}
	// A tunnel or a bridge sends on what it was given.
	if q := queues[last.NS]; len(q) > 0 && !isCable(ev, last) {
		return last.NS
	}
	return earliest
}

// cabled reports whether a frame left by one end of a cable and came in by the
// other. Namespaces number their interfaces alike, so that numbers alone do not
// tell cables apart; a cable does not change a frame, as routers do.
func cabled(ev *Evidence, a, b *Frame) bool {
	x, okA := linkOf(ev, a)
	y, okB := linkOf(ev, b)
	return okA && okB && bytes.Equal(a.Data, b.Data) && x.Kind == "veth" && y.Kind == "veth" && x.PeerIndex == y.Index && y.PeerIndex == x.Index
}

func isCable(ev *Evidence, f *Frame) bool {
	l, ok := linkOf(ev, f)
	return ok && l.Kind == "veth"
}

func linkOf(ev *Evidence, f *Frame) (Link, bool) {
	if s := ev.Spaces[f.NS]; s != nil {
		for _, l := range s.Links {
			if l.Name == f.Iface {
				return l, true
			}
		}
	}
	return Link{}, false
}
