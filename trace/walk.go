package trace

import (
	"fmt"
	"net/netip"
	"slices"

	"netlab/labs"
)

// network is what the network layer does with a packet that was made in a
// namespace, or came in by an interface.
func (w *walk) network(l *land, r route, in string) []route {
	var all []route
	for _, o := range w.filter(l, r, in) {
		all = append(all, w.decide(l, o, in)...)
	}
	return all
}

// decide routes a packet that netfilter let through.
func (w *walk) decide(l *land, p passed, in string) []route {
	r := p.route
	if p.dropped != "" {
		if step, why := w.unroutable(l, p, in); why != "" {
			return r.stop(l.ns, step, why)
		}
		return r.stop(l.ns, "netfilter", p.dropped)
	}
	if r.header.Inner == nil && in != "" && !r.header.Dst.Is6() && w.strict(l, r.header.Src, in) {
		return r.stop(l.ns, "rp_filter", fmt.Sprintf("rp_filter drops it: the way back to %s does not lead through %s", r.header.Src, in))
	}
	var all []route
	for _, a := range p.answers {
		one := r
		one.chance /= float64(len(p.answers))
		f := Routed{Dst: r.header.Dst, Answer: a, Masks: w.masks(l, r.header.Dst, a)}
		switch {
		case a.Err != "":
			all = append(all, one.fact(f).stop(l.ns, "route lookup", noRoute(r.header.Dst, a))...)
			continue
		case a.Local:
			one = one.fact(f)
			one.header.Src, one.header.SrcPort = p.src.Addr(), p.src.Port()
			all = append(all, w.deliver(l, one, in)...)
			continue
		case in != "" && !l.forwards(in, r.header.Dst.Is6()):
			all = append(all, one.fact(f).stop(l.ns, "forwarding", fmt.Sprintf("the packet is for %s, and this namespace does not forward (%s is 0)", r.header.Dst, forwardName(r.header.Dst)))...)
			continue
		}
		f.NextHop = r.header.Dst
		if a.Via.IsValid() {
			f.NextHop = a.Via
		}
		if in != "" {
			one.header.TTL--
		}
		one = one.fact(f)
		one.header.Src, one.header.SrcPort = p.src.Addr(), p.src.Port()
		all = append(all, w.leave(l, one, f.NextHop, a)...)
	}
	return all
}

// unroutable says why a packet does not even come to the rules behind the
// routing decision that would drop it; "" if it does.
func (w *walk) unroutable(l *land, p passed, in string) (step, why string) {
	if !p.late || in == "" || len(p.answers) == 0 {
		return "", ""
	}
	a := p.answers[0]
	switch dst := p.header.Dst; {
	case a.Err != "":
		return "route lookup", noRoute(dst, a)
	case !a.Local && !l.forwards(in, dst.Is6()):
		return "forwarding", fmt.Sprintf("the packet is for %s, and this namespace does not forward (%s is 0)", dst, forwardName(dst))
	}
	return "", ""
}

func forwardName(dst netip.Addr) string {
	if dst.Is6() {
		return "net.ipv6.conf.all.forwarding"
	}
	return "net.ipv4.ip_forward"
}

func (w *walk) masks(l *land, dst netip.Addr, a Answer) []Mask {
	var list []Mask
	for _, x := range l.addrs {
		if p := x.Prefix.Masked(); !x.Prefix.IsSingleIP() && p.Addr().Is4() == dst.Is4() && p != a.Route.To && !p.Addr().IsLinkLocalUnicast() {
			list = append(list, newMask(p, dst, x.Dev, netip.Addr{}))
		}
	}
	if a.Err == "" && a.Route.To.IsValid() {
		list = append(list, newMask(a.Route.To, dst, a.Dev, a.Via))
	}
	return list
}

// strict reports whether a namespace drops a packet because the way back to
// its source leads elsewhere.
func (w *walk) strict(l *land, src netip.Addr, in string) bool {
	if !l.on("net.ipv4.conf.all.rp_filter") && !l.on("net.ipv4.conf."+in+".rp_filter") {
		return false
	}
	return !slices.ContainsFunc(l.lookup(Lookup{NS: l.ns, Dst: src}), func(a Answer) bool { return a.Err == "" && (a.Dev == in || a.Local) })
}

// deliver hands a packet to the namespace it is for.
func (w *walk) deliver(l *land, r route, in string) []route {
	if r.header.Inner != nil {
		return w.unwrap(l, r)
	}
	if in == "" { // to itself
		r = r.hop(l.ns, Out, "lo").hop(l.ns, In, "lo")
	}
	r.end = End{Kind: Delivered, NS: l.ns}
	return []route{r}
}

// leave finds the MAC of the next hop and sends the packet out.
func (w *walk) leave(l *land, r route, next netip.Addr, a Answer) []route {
	d := l.links[a.Dev]
	switch {
	case d == nil:
		return r.stop(l.ns, "interface", "the interface "+a.Dev+" is missing")
	case !d.up:
		return r.stop(l.ns, "interface", "the interface "+a.Dev+" is down")
	}
	var mac labs.MAC
	var ok bool
	if d.vxlan != nil {
		mac, ok = l.neighs[hostOn{a.Dev, next}]
	} else {
		mac, ok = w.ground.whoHas(l.ns, a.Dev, next)
	}
	r = r.fact(Resolved{IP: next, Dev: a.Dev, MAC: mac})
	if !ok {
		why := fmt.Sprintf("nobody on %s answers for %s", a.Dev, next)
		if d.vxlan != nil {
			why = fmt.Sprintf("%s does not know the MAC of %s: there is no permanent neighbour, and a tunnel does not ask", a.Dev, next)
		}
		return r.stop(l.ns, "neighbour", why)
	}
	r.header.Ether, r.header.SrcMAC, r.header.DstMAC = true, d.mac, mac
	return w.transmit(l, r, d)
}
