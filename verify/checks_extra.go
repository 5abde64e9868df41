package verify

import (
	"cmp"
	"net/netip"
	"slices"

	"netlab/labs"
)

// extra adds to the check of an expectation what else it asks for. It is called
// with the check as it would be without.
func (b *builder) extra(e *labs.Expectation, c *Check) {
	if e.Within > 0 {
		c.Wait = e.Within
	}
	if e.NAT != nil {
		c.More.Track = b.expectTrack(e.NAT, c)
		// Whom the server sees is said by the translation, or not at all.
		c.More.Behind = slices.Clone(c.More.Behind)
		for i := range c.More.Behind {
			c.More.Behind[i].Src = netip.Addr{}
		}
	}
	if e.Within == 0 && e.Count == 0 && e.Rate == nil && e.Source == nil && e.HTTP == nil {
		return
	}
	x := &Extra{Count: e.Count, Loss: e.Loss, Rate: e.Rate, HTTP: e.HTTP}
	if e.Expect == labs.Reachable {
		x.Within = e.Within
	}
	if e.Source != nil {
		x.Sources = b.addrsOf(e.Source.Ref)
		c.More.Behind = slices.Clone(c.More.Behind)
		for i := range c.More.Behind {
			c.More.Behind[i].Src = netip.Addr{}
		}
	}
	if e.Count > 0 || e.Rate != nil {
		c.More.Tries = 0
	}
	if e.Rate != nil {
		c.Kind = TCP
	}
	c.More.Extra = x
}

// expectTrack says what connection tracking is to remember.
func (b *builder) expectTrack(e *labs.NATExpectation, c *Check) *Track {
	t := &Track{At: b.translator(e, c)}
	switch {
	case e.KeepsDestination:
		t.Servers = []netip.AddrPort{netip.AddrPortFrom(c.Addr, c.Port)}
	case e.Destination != nil:
		for _, a := range b.addrsOf(e.Destination.Ref) {
			t.Servers = append(t.Servers, netip.AddrPortFrom(a, e.Destination.Port))
		}
	case len(c.More.Behind) == 0: // not said: whatever it is
		t.Servers = []netip.AddrPort{netip.AddrPortFrom(c.Addr, c.Port)}
	}
	switch {
	case e.KeepsSource:
		t.Clients = c.From.Addrs
	case e.Source != nil:
		t.Clients = b.addrsOf(e.Source.Ref)
	}
	return t
}

// translator returns the node that translates a connection: the one that the
// author names, who has the address, where the client is, or the first member of
// the cluster on the way.
func (b *builder) translator(e *labs.NATExpectation, c *Check) *End {
	if e.At.Name != "" {
		return b.nodeEnd[e.At.Name]
	}
	if from := b.net.nodes[c.From.Node]; from != nil && from.Cluster {
		return b.nodeEnd[from.Name]
	}
	for _, n := range b.lab.Nodes {
		if b.net.owns(n.Name, c.Addr) {
			return b.nodeEnd[n.Name]
		}
	}
	if c.From.Node != "" {
		if name, ok := b.net.entry(c.From.Node, c.Addr); ok {
			return b.nodeEnd[name]
		}
	}
	return c.From
}

// addrsOf returns the addresses by which somebody may appear: those of a node
// include the ones on its bridge and its tunnel.
func (b *builder) addrsOf(r labs.Ref) []netip.Addr {
	end := b.end(r)
	if end == nil {
		return nil
	}
	if r.Kind != labs.RefNode {
		return end.Addrs
	}
	var all []netip.Addr
	for _, w := range b.net.fibs[r.Name].routes {
		if w.local && w.table == localTable {
			all = append(all, w.to.Addr())
		}
	}
	return all
}

// expectRoute adds an expectation about the kernel's route.
func (b *builder) expectRoute(e *labs.Expectation, from *End, dst netip.Addr) {
	c := Check{
		Kind: Route, From: from, Addr: dst, Want: labs.Unreachable,
		More: &More{Label: e.To.String(), Pos: e.Pos, Path: e.Path},
	}
	if e.Expect == labs.Reachable {
		r := e.Route
		c.Want = labs.Reachable
		c.More.Extra = &Extra{AnyVia: !r.Direct && !r.Via.IsValid()}
		c.More.Hops = []Hop{{Via: r.Via, Dev: r.Dev, Src: r.Src}}
	}
	b.add(c)
}

// expectARP adds an expectation about who answers on a link.
func (b *builder) expectARP(e *labs.Expectation, from *End, dst netip.Addr) {
	if !dst.Is4() {
		return // IPv6 has no ARP
	}
	iface, bridge := b.linkTo(e.From, from, dst)
	q := Query{For: dst, Own: slices.Contains(from.Addrs, dst)}
	switch {
	case e.ARP.Nobody:
	case e.ARP.MAC != (labs.MAC{}):
		q.Answer = e.ARP.MAC
	default:
		q.Answer = b.macOn(e.ARP.By, from, bridge)
	}
	b.add(Check{
		Kind: Ask, From: from, Addr: dst, Want: labs.Reachable, Wait: cmp.Or(e.Within, waitAnswer),
		More: &More{Iface: iface, Asks: []Query{q}, Pos: e.Pos, Path: e.Path},
	})
}

// linkTo returns the interface by which somebody is on the link of an address,
// and the bridge behind it, if it is one outside the nodes.
func (b *builder) linkTo(r labs.Ref, from *End, dst netip.Addr) (iface, bridge string) {
	switch r.Kind {
	case labs.RefPod:
		return podIface, ""
	case labs.RefBridge:
		return switchIface, r.Name
	}
	n := b.net.nodes[from.Node]
	for _, subnet := range n.PodSubnets {
		if subnet.Contains(dst) && b.lab.Network.Mode != labs.ModeRouted {
			return bridgeIface, ""
		}
	}
	dev := cmp.Or(connected(n, dst), n.Interfaces[0].Name)
	for _, i := range n.Interfaces {
		if i.Name == dev {
			return dev, i.Bridge
		}
	}
	return dev, ""
}

// macOn returns the MAC that somebody has on a link.
func (b *builder) macOn(r labs.Ref, from *End, bridge string) labs.MAC {
	switch r.Kind {
	case labs.RefPod:
		return b.lab.Pod(r.Namespace, r.Name).MAC
	case labs.RefBridge:
		return b.lab.Bridge(r.Name).MAC
	}
	n := b.net.nodes[r.Name]
	if from.Kind == labs.RefPod {
		if from.Bridged {
			return n.BridgeMAC
		}
		return routedMAC
	}
	for _, i := range n.Interfaces {
		if i.Bridge == bridge && (bridge != "" || i.PeerNode == from.Node) {
			return i.MAC
		}
	}
	return n.BridgeMAC
}
