package trace

import (
	"net/netip"
	"slices"
	"time"

	"netlab/labs"
)

// facts adds to hop i what was decided between it and the next.
func (b *builder) facts(l leg, p *Path, i int) {
	hop := &p.Hops[i]
	var next *Hop
	if i+1 < len(p.Hops) && p.Hops[i+1].NS == hop.NS {
		next = &p.Hops[i+1]
	}
	link := b.link(hop.NS, hop.Iface)
	switch {
	case hop.Dir == Out && next == nil && link.Kind == "vxlan":
		b.filtered(hop, place{hop.NS, l, true}) // what carries it
	case hop.Dir == Out && next == nil:
		return // it is on the cable
	case hop.Dir == In && hop.Header.Inner != nil && link.Master == "":
		b.filtered(hop, place{hop.NS, l, true})
		if next != nil && next.Dir == In {
			hop.Facts = append(hop.Facts, Decapsulated{Dev: next.Iface, VNI: hop.Header.VNI, From: hop.Header.Src})
		}
	case hop.Dir == Out && next.Header.Inner != nil && hop.Header.Inner == nil:
		b.encapsulated(l, hop, next)
	case hop.Dir == In && link.Master != "" && next != nil && next.Dir == In:
		b.preroute(l, hop, next)
		hop.Facts = append(hop.Facts, Bridged{Bridge: link.Master, MAC: hop.Header.DstMAC, Known: "own"})
	case link.Master != "" && next != nil && next.Dir == Out && b.link(hop.NS, next.Iface).Master == link.Master:
		b.passed(l, hop, next)
		b.bridged(link.Master, hop, next)
	case hop.Dir == Out && link.Kind == "bridge" && next != nil:
		b.bridged(link.Name, hop, next)
	case hop.Dir == Out: // lo, before it comes in again
	case hop.Iface == "lo":
		b.filtered(hop, place{hop.NS, l, false})
	case link.Master != "" && next == nil && hop.Dir == In:
		b.filtered(hop, place{hop.NS, l, hop.Header.Inner != nil})
	default:
		b.decided(l, hop, next)
	}
}

// preroute adds what the rules of IP did with a frame before its bridge
// looked at it, where the bridge lets them.
func (b *builder) preroute(l leg, hop, next *Hop) {
	if b.space(hop.NS).Sysctls[bridgeName(hop.Header.Dst)] != "1" {
		return
	}
	at := place{hop.NS, l, hop.Header.Inner != nil}
	b.walkLegacy(hop, at)
	if visits := b.filter[at]; len(visits) > 0 {
		first, rest := before(visits[0])
		if visits[0] = rest; len(first) > 0 {
			hop.Facts = append(hop.Facts, Filtered{Steps: first, Paper: b.legacy(hop.NS)})
		}
	}
	b.translated(hop, next)
}

// decided adds what the network layer did with a packet that was made here or
// came in, before it leaves or is taken in.
func (b *builder) decided(l leg, hop, next *Hop) {
	b.filtered(hop, place{hop.NS, l, false})
	h := b.translated(hop, next)
	q := Lookup{NS: hop.NS, Dst: h.Dst}
	if hop.Dir == In {
		q.Src, q.Iif = hop.Header.Src, hop.Iface
	} else if l == back {
		q.Src = hop.Header.Src
	}
	b.routed(hop, next, q)
}

// passed adds what netfilter did with a frame that a bridge passes on.
func (b *builder) passed(l leg, hop, next *Hop) {
	b.filtered(hop, place{hop.NS, l, hop.Header.Inner != nil})
	if b.translated(hop, next); hop.Header.Dst != next.Header.Dst {
		b.routed(hop, next, Lookup{NS: hop.NS, Src: hop.Header.Src, Dst: next.Header.Dst, Iif: b.link(hop.NS, hop.Iface).Master})
	}
}

// filtered adds the rules that were met.
func (b *builder) filtered(hop *Hop, at place) {
	b.walkLegacy(hop, at)
	if visits := b.filter[at]; len(visits) > 0 {
		if len(visits[0]) > 0 {
			hop.Facts = append(hop.Facts, Filtered{Steps: visits[0], Paper: b.legacy(hop.NS)})
		}
		b.filter[at] = visits[1:]
	}
}

// translated adds what changed of the packet's ends, and returns the header as
// it is routed.
func (b *builder) translated(hop, next *Hop) Header {
	h := hop.Header
	t, known := b.tracked(hop.NS, &h, hop.Dir == Made && next == nil)
	after := h
	switch {
	case next != nil && next.Header.Inner == nil:
		after = next.Header
	case known && !h.isError():
		after = rewritten(h, t)
	}
	if after.destination() != h.destination() {
		hop.Facts = append(hop.Facts, Translated{From: h.destination(), To: after.destination(), By: b.ruleOf(hop, "DNAT", "REDIRECT")})
		h.Dst, h.DstPort = after.Dst, after.DstPort
	}
	if after.source() != h.source() && h.Src.IsValid() {
		hop.Facts = append(hop.Facts, Translated{Source: true, From: h.source(), To: after.source(), By: b.ruleOf(hop, "MASQUERADE", "SNAT")})
	}
	if known && !b.told[hop.NS] {
		hop.Facts = append(hop.Facts, Connected{t})
		b.told[hop.NS] = true // once for each direction
	}
	return h
}

// rewritten returns h as connection tracking leaves it.
func rewritten(h Header, t Tracked) Header {
	ends := [2]netip.AddrPort{h.source(), h.destination()}
	to := ends
	switch ends {
	case t.Orig:
		to = [2]netip.AddrPort{t.Reply[1], t.Reply[0]}
	case t.Reply:
		to = [2]netip.AddrPort{t.Orig[1], t.Orig[0]}
	}
	h.Src, h.SrcPort, h.Dst, h.DstPort = to[0].Addr(), to[0].Port(), to[1].Addr(), to[1].Port()
	return h
}

// ruleOf returns the rule with one of some targets that a packet met.
func (b *builder) ruleOf(hop *Hop, targets ...string) string {
	for _, f := range hop.Facts {
		f, ok := f.(Filtered)
		if !ok {
			continue
		}
		for _, s := range f.Steps {
			if slices.Contains(targets, targetOf(s.Rule)) {
				return s.Chain + " rule " + itoa(s.Number)
			}
		}
	}
	return ""
}

// routed adds what the routing table said, and how the next hop's MAC was
// found.
func (b *builder) routed(hop, next *Hop, q Lookup) {
	if !q.Dst.IsValid() {
		return
	}
	if b.ask != nil {
		b.ask(q)
		return
	}
	a, ok := b.ev.Lookups[q]
	if !ok {
		return
	}
	r := Routed{Dst: q.Dst, Answer: a, Masks: b.masks(hop.NS, q.Dst, a)}
	if !a.Local && a.Err == "" {
		r.NextHop = q.Dst
		if a.Via.IsValid() {
			r.NextHop = a.Via
		}
	}
	hop.Facts = append(hop.Facts, r)
	if r.NextHop.IsValid() {
		b.resolved(hop, next, r.NextHop, a.Dev)
	}
}

// masks compares a destination with the subnets that a namespace is in, and
// with the route that won.
func (b *builder) masks(ns string, dst netip.Addr, a Answer) []Mask {
	var list []Mask
	won := a.Route.To
	for _, x := range b.space(ns).Addrs {
		if x.Dev == "lo" || x.Prefix.IsSingleIP() || x.Prefix.Addr().Is4() != dst.Is4() || x.Prefix.Addr().IsLinkLocalUnicast() && dst.Is6() {
			continue
		}
		if p := x.Prefix.Masked(); p != won {
			list = append(list, newMask(p, dst, x.Dev, netip.Addr{}))
		}
	}
	if a.Err == "" && won.IsValid() {
		list = append(list, newMask(won, dst, a.Dev, a.Via))
	}
	return list
}

// resolved adds how the MAC of the next hop was found.
func (b *builder) resolved(hop, next *Hop, ip netip.Addr, dev string) {
	if dev == "lo" {
		return
	}
	r := Resolved{IP: ip, Dev: dev}
	for _, n := range b.space(hop.NS).Neighs {
		if n.IP == ip && n.Dev == dev {
			r.MAC, r.State = n.MAC, n.State
		}
	}
	for _, s := range b.asks {
		at := b.after(s.frame)
		if s.frame.NS != hop.NS || s.frame.Iface != dev || at != 0 && (at < hop.After-slack || next != nil && next.After != 0 && at > next.After+slack) {
			continue
		}
		arp := s.header.ARP
		switch {
		case s.frame.Out && !arp.Reply && arp.TargetIP == ip:
			r.Asked = true
		case !s.frame.Out && arp.Reply && arp.SenderIP == ip && r.Asked:
			r.Heard, r.MAC = true, arp.SenderMAC
		}
	}
	if next != nil && next.Header.Ether && next.Header.Inner == nil && r.MAC == (labs.MAC{}) {
		r.MAC = next.Header.DstMAC
	}
	hop.Facts = append(hop.Facts, r)
}

// slack is how much timestamps of one namespace may be out of order.
const slack = time.Millisecond

// bridged adds where a bridge sent a frame.
func (b *builder) bridged(bridge string, hop, next *Hop) {
	mac := next.Header.DstMAC
	f := Bridged{Bridge: bridge, MAC: mac, Port: next.Iface, Known: "flooded"}
	for _, e := range b.space(hop.NS).FDB {
		if e.MAC == mac && e.Dev == next.Iface {
			f.Known = "learned"
			if e.Permanent {
				f.Known = "permanent"
			}
		}
	}
	hop.Facts = append(hop.Facts, f)
}

// encapsulated adds what a tunnel device did, and how the outer packet went.
func (b *builder) encapsulated(l leg, hop, next *Hop) {
	outer := &next.Header
	hop.Facts = append(hop.Facts, Encapsulated{Dev: hop.Iface, VNI: outer.VNI, MAC: outer.Inner.DstMAC, VTEP: outer.Dst})
	b.filtered(hop, place{hop.NS, l, true})
	b.routed(hop, next, Lookup{NS: hop.NS, Src: outer.Src, Dst: outer.Dst})
}

// bridgeName is the parameter that lets the rules of IP see frames of bridges.
func bridgeName(dst netip.Addr) string {
	if dst.Is6() {
		return "net.bridge.bridge-nf-call-ip6tables"
	}
	return "net.bridge.bridge-nf-call-iptables"
}
