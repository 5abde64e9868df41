package trace

import "fmt"

// transmit sends a frame out by an interface.
func (w *walk) transmit(l *land, r route, d *device) []route {
	r = r.hop(l.ns, Out, d.name)
	switch {
	case len(r.hops) > maxHops || r.header.TTL == 0:
		return r.stop(l.ns, "ttl", "it goes in circles")
	case d.bridge:
		return w.pass(l, r, d.name, "")
	case d.vxlan != nil:
		return w.wrap(l, r, d)
	case d.peer == nil:
		return r.stop(l.ns, "cable", "the other end of "+d.name+" is not where it should be")
	case d.peer.NS == "":
		r.end = End{Kind: Left, NS: l.ns}
		return []route{r}
	}
	far := w.ground.at(d.peer.NS)
	p := far.links[d.peer.Name]
	if p == nil || !far.sound {
		return r.stop(l.ns, "cable", "the other end of "+d.name+" is missing")
	}
	if !p.up {
		return r.stop(far.ns, "interface", "the interface "+p.name+" is down")
	}
	return w.arrive(far, r, p)
}

// arrive takes a frame in by an interface.
func (w *walk) arrive(l *land, r route, d *device) []route {
	r = r.hop(l.ns, In, d.name)
	if port, ok := l.ports[d.name]; ok {
		return w.enter(l, r, port.Bridge, d.name)
	}
	if r.header.DstMAC != d.mac {
		return r.stop(l.ns, "mac", fmt.Sprintf("the frame is for %s, but %s is %s", r.header.DstMAC, d.name, d.mac))
	}
	return w.network(l, r, d.name)
}

// enter takes a frame in by a port of a bridge. Where the bridge lets the rules
// of IP see what it passes on, they come first, and may send a frame to
// another port than its MAC says.
func (w *walk) enter(l *land, r route, bridge, port string) []route {
	b := l.links[bridge]
	if b == nil || !b.up {
		return r.stop(l.ns, "bridge", "the bridge "+bridge+" is down or missing")
	}
	own := r.header.DstMAC == b.mac
	if !l.filtersBridged(r.header.Dst.Is6()) {
		if !own {
			return w.pass(l, r, bridge, port)
		}
		r = r.fact(Bridged{Bridge: bridge, MAC: b.mac, Known: "own"}).hop(l.ns, In, bridge)
		return w.network(l, r, bridge)
	}
	var all []route
	for _, p := range w.filter(l, r, bridge) {
		a := Answer{}
		if len(p.answers) > 0 {
			a = p.answers[0]
		}
		moved := p.header.destination() != r.header.destination()
		switch {
		case p.dropped != "" && p.late && own && !moved:
			up := p
			up.route = p.fact(Bridged{Bridge: bridge, MAC: b.mac, Known: "own"}).hop(l.ns, In, bridge)
			all = append(all, w.decide(l, up, bridge)...)
		case p.dropped != "":
			all = append(all, p.stop(l.ns, "netfilter", p.dropped)...)
		case moved && a.Err == "" && !a.Local && a.Dev == bridge:
			all = append(all, w.redirect(l, p, bridge, port)...)
		case own:
			up := p
			up.route = p.fact(Bridged{Bridge: bridge, MAC: b.mac, Known: "own"}).hop(l.ns, In, bridge)
			all = append(all, w.decide(l, up, bridge)...)
		default:
			p.header.Src, p.header.SrcPort = p.src.Addr(), p.src.Port()
			all = append(all, w.pass(l, p.route, bridge, port)...)
		}
	}
	return all
}

// redirect passes on a frame whose destination was rewritten to somebody on the
// same bridge. The packet stays a frame: its TTL does not change.
func (w *walk) redirect(l *land, p passed, bridge, port string) []route {
	r := p.route
	mac, ok := w.ground.whoHas(l.ns, bridge, r.header.Dst)
	r = r.fact(Routed{Dst: r.header.Dst, Answer: p.answers[0], NextHop: r.header.Dst}).fact(Resolved{IP: r.header.Dst, Dev: bridge, MAC: mac})
	if !ok {
		return r.stop(l.ns, "neighbour", fmt.Sprintf("nobody on %s answers for %s", bridge, r.header.Dst))
	}
	r.header.Src, r.header.SrcPort = p.src.Addr(), p.src.Port()
	r.header.SrcMAC, r.header.DstMAC = l.links[bridge].mac, mac
	return w.pass(l, r, bridge, port)
}

// pass sends a frame on by the port of a bridge behind which its destination
// is. in is the port that it came in by, "" if the bridge's own namespace sent it.
func (w *walk) pass(l *land, r route, bridge, in string) []route {
	mac := r.header.DstMAC
	if b := l.links[bridge]; in != "" && b != nil && b.mac == mac {
		return w.network(l, r.fact(Bridged{Bridge: bridge, MAC: mac, Known: "own"}).hop(l.ns, In, bridge), bridge)
	}
	port, ok := w.ground.portTo(l.ns, bridge, mac)
	if !ok {
		return r.stop(l.ns, "bridge", fmt.Sprintf("nobody behind a port of %s has the MAC %s", bridge, mac))
	}
	r = r.fact(Bridged{Bridge: bridge, MAC: mac, Port: port, Known: "expected"})
	if port == in && !l.ports[port].Hairpin {
		return r.stop(l.ns, "bridge", fmt.Sprintf("%s would have to send the frame back through %s, by which it came, and hairpin is off there", bridge, port))
	}
	d := l.links[port]
	if d == nil || !d.up {
		return r.stop(l.ns, "interface", "the interface "+port+" is down or missing")
	}
	return w.transmit(l, r, d)
}

// wrap puts a frame into a packet to the tunnel's other end.
func (w *walk) wrap(l *land, r route, d *device) []route {
	mac := r.header.DstMAC
	vtep, ok := l.fdb[macOn{d.name, mac}]
	if !ok || !vtep.IsValid() {
		return r.stop(l.ns, "fdb", fmt.Sprintf("%s has no forwarding entry that says behind which node %s is", d.name, mac))
	}
	r = r.fact(Encapsulated{Dev: d.name, VNI: d.vxlan.VNI, MAC: mac, VTEP: vtep})
	inner := r.header
	r.header = Header{Proto: ProtoUDP, Src: d.vxlan.Local, Dst: vtep, DstPort: d.vxlan.Port, TTL: startTTL, VNI: d.vxlan.VNI, Inner: &inner}
	r.reply, r.inside = false, r.reply
	return w.network(l, r, "")
}

// unwrap takes a frame out of a packet that arrived at a tunnel's end.
func (w *walk) unwrap(l *land, r route) []route {
	var near *device
	for _, d := range l.links {
		if d.vxlan == nil || d.vxlan.Port != r.header.DstPort || !d.up {
			continue
		}
		if d.vxlan.VNI == r.header.VNI {
			near = d
			break
		}
		near = d
	}
	switch {
	case near == nil:
		return r.stop(l.ns, "vxlan", fmt.Sprintf("no VXLAN device takes packets from UDP port %d", r.header.DstPort))
	case near.vxlan.VNI != r.header.VNI:
		return r.stop(l.ns, "vxlan", fmt.Sprintf("the packet is of VNI %d, but %s is of VNI %d", r.header.VNI, near.name, near.vxlan.VNI))
	}
	r = r.fact(Decapsulated{Dev: near.name, VNI: r.header.VNI, From: r.header.Src})
	inner := r.header.Inner
	r.header, r.reply = *inner, r.inside
	r = r.hop(l.ns, In, near.name)
	if r.header.DstMAC != near.mac {
		return r.stop(l.ns, "mac", fmt.Sprintf("the frame is for %s, but %s is %s", r.header.DstMAC, near.name, near.mac))
	}
	return w.network(l, r, near.name)
}
