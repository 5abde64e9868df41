package trace

import (
	"cmp"
	"net/netip"
	"slices"

	"netlab/provision"
)

// Question is a packet that is followed on paper.
type Question struct {
	NS        string
	Dst       netip.AddrPort // port 0 for a ping
	Src       netip.Addr     // the zero Addr: as the kernel chooses
	SrcPort   uint16
	Proto     Proto
	VXLANPort uint16 // behind which the lab's tunnels are
	OneWay    bool   // no answer is made
}

// Way is one of the ways that an exchange may take.
type Way struct{ There, Back Path }

// Target returns the end that the packet is for where it arrives: what a
// service's address has become.
func (w *Way) Target() netip.AddrPort {
	if last := w.There.last(); last != nil {
		return last.Header.destination()
	}
	return netip.AddrPort{}
}

// Expected follows a packet through a state of a lab, and the answer to it
// back. There are several ways where rules or routes have a choice, the most
// likely first.
func Expected(s provision.State, q Question) []Way {
	return NewPaper(s, q.VXLANPort).Ways(q)
}

// exchange follows a packet and the answer to it.
func (w *walk) exchange(q Question) []Way {
	first := route{chance: 1, header: Header{
		Proto: q.Proto, Src: q.Src, Dst: q.Dst.Addr(), SrcPort: q.SrcPort, DstPort: q.Dst.Port(), TTL: startTTL,
	}}
	switch q.Proto {
	case ProtoTCP:
		first.header.TCP.Flags = SYN
	case ProtoICMP:
		first.header.ICMP.Type = 8
	case ProtoICMP6:
		first.header.ICMP.Type = 128
	}
	var ways []Way
	for _, out := range w.send(q.NS, first) {
		way := Way{There: out.path()}
		if q.OneWay || out.end.Kind != Delivered {
			ways = append(ways, way)
			continue
		}
		for _, in := range w.send(out.end.NS, out.answer()) {
			way.Back = in.path()
			ways = append(ways, way)
		}
	}
	slices.SortStableFunc(ways, func(a, b Way) int { return cmp.Compare(b.There.Chance, a.There.Chance) })
	return ways
}

// startTTL is the TTL that packets begin with.
const startTTL = 64

// route is how far a packet has got. It is a value: whoever goes on from it
// changes a copy.
type route struct {
	header Header
	hops   []Hop
	chance float64
	tracks []track // translations on the way, which the answer needs
	reply  bool
	inside bool // what a tunnel packet carries is an answer
	end    End
}

// track is an entry of connection tracking on paper.
type track struct {
	ns          string
	orig, reply [2]netip.AddrPort
}

// hop returns r with one hop more.
func (r route) hop(ns string, dir Dir, iface string) route {
	r.hops = append(slices.Clip(r.hops), Hop{NS: ns, Dir: dir, Iface: iface, Header: r.header})
	return r
}

// fact returns r with one fact more at the hop where it is.
func (r route) fact(f Fact) route {
	r.hops = slices.Clone(r.hops)
	last := &r.hops[len(r.hops)-1]
	last.Facts = append(slices.Clip(last.Facts), f)
	return r
}

// stop returns r at its end.
func (r route) stop(ns, step, why string) []route {
	r.end = End{Kind: Stopped, NS: ns, Fault: Fault{Step: step, Why: why}}
	return []route{r}
}

func (r route) path() Path { return Path{Hops: r.hops, End: r.end, Chance: r.chance} }

// answer returns the packet that answers one that arrived.
func (r route) answer() route {
	h := r.header
	h.Src, h.Dst, h.SrcPort, h.DstPort, h.TTL = h.Dst, h.Src, h.DstPort, h.SrcPort, startTTL
	h.Ether = false
	switch h.Proto {
	case ProtoTCP:
		h.TCP.Flags = SYN | ACK
	case ProtoICMP:
		h.ICMP.Type = 0
	case ProtoICMP6:
		h.ICMP.Type = 129
	}
	return route{header: h, chance: r.chance, tracks: r.tracks, reply: true}
}

// walk follows packets over a ground.
type walk struct {
	ground    ground
	vxlanPort uint16
}

// maxHops ends a walk that goes in circles.
const maxHops = 200

// send makes a packet in a namespace and follows it.
func (w *walk) send(ns string, r route) []route {
	l := w.ground.at(ns)
	r = r.hop(ns, Made, "")
	if !l.sound {
		return r.stop(ns, "namespace", "the namespace "+ns+" is missing")
	}
	// The first look-up chooses the source.
	answers := l.lookup(Lookup{NS: ns, Src: r.header.Src, Dst: r.header.Dst})
	if !r.header.Src.IsValid() && answers[0].Err == "" {
		r.header.Src = answers[0].Src
		r.hops[len(r.hops)-1].Header.Src = r.header.Src
	}
	if answers[0].Err != "" {
		return r.fact(Routed{Dst: r.header.Dst, Answer: answers[0]}).stop(ns, "route lookup", noRoute(r.header.Dst, answers[0]))
	}
	return w.network(l, r, "")
}

func noRoute(dst netip.Addr, a Answer) string {
	return "route lookup for " + dst.String() + ": " + a.Err
}
