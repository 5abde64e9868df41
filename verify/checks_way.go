package verify

import (
	"net/netip"
	"slices"

	"netlab/labs"
)

// How many other nodes each node is paired with where one pair stands for many.
// The kernel sends an ICMP error to one destination only once a second, after the
// first six, so little is asked for them.
const (
	partners    = 2
	ttlPartners = 1
)

// somePairs calls f for one pair of pods of each node, and for one pod of each
// node and one of each of the next nodes: every node sends and receives.
func (b *builder) somePairs(partners int, f func(from, to *End)) {
	var nodes []string
	for _, n := range b.clusterNodes() {
		if len(b.byNode[n.Name]) > 0 {
			nodes = append(nodes, n.Name)
		}
	}
	for i, name := range nodes {
		pods := b.byNode[name]
		from := b.podEnds[pods[len(pods)-1]]
		if first := b.podEnds[pods[0]]; first != from {
			f(from, first)
		}
		for k := 1; k <= partners && k < len(nodes); k++ {
			f(from, b.podEnds[b.byNode[nodes[(i+k)%len(nodes)]][0]])
		}
	}
}

// ttl promises the routers that packets cross, one by one, and that the answer
// has crossed as many.
func (b *builder) ttl() {
	b.somePairs(ttlPartners, func(from, to *End) {
		pairs(from, to, func(src, dst netip.Addr) {
			if routers, ok := b.podRouters(from, to, src, dst); ok {
				b.trail(from, to, dst, b.podTTL(from, to), routers)
			}
		})
	})
	for i := range b.lab.Nodes {
		for k := range b.lab.Nodes {
			from, to := &b.lab.Nodes[i], &b.lab.Nodes[k]
			if i == k || from.Cluster && len(b.lab.Pods) > 0 {
				continue
			}
			for _, dst := range to.Addrs() {
				b.machineTrail(from, to, dst)
			}
		}
	}
}

// podRouters returns the addresses that the routers between two pods have for
// the first one.
func (b *builder) podRouters(from, to *End, src, dst netip.Addr) ([]netip.Addr, bool) {
	names := []string{from.Node}
	switch {
	case from.Node == to.Node && b.lab.Network.Mode != labs.ModeRouted:
		return nil, true
	case from.Node == to.Node:
	case b.lab.Network.Mode == labs.ModeNone:
		a, z := sameFamily(b.net.nodes[from.Node].PodGateways, dst), sameFamily(b.net.nodes[to.Node].PodGateways, dst)
		if !b.joined(from.Node, to.Node, dst) {
			return nil, false
		}
		there, ok := b.net.walk(from.Node, a, z)
		if !ok || there.several || len(there.nats) > 0 {
			return nil, false
		}
		names = append(append(names, there.routers...), to.Node)
	default:
		names = append(names, to.Node)
	}
	return b.routerAddrs(names, src)
}

// machineTrail adds the check of the routers between two machines, if there is
// but one way.
func (b *builder) machineTrail(from, to *labs.Node, dst netip.Addr) {
	src, ok := b.net.source(from.Name, dst)
	if !ok {
		return
	}
	there, ok := b.net.walk(from.Name, src, dst)
	ttl, back := b.net.ping(from.Name, dst)
	if !ok || !back || there.several || len(there.nats) > 0 || len(there.routers) == 0 {
		return
	}
	if routers, ok := b.routerAddrs(there.routers, src); ok {
		b.trail(b.nodeEnd[from.Name], b.nodeEnd[to.Name], dst, ttl, routers)
	}
}

// routerAddrs returns the address that each of some machines has for src: the
// one its ICMP errors come from.
func (b *builder) routerAddrs(names []string, src netip.Addr) ([]netip.Addr, bool) {
	var addrs []netip.Addr
	for _, name := range names {
		a, ok := b.net.source(name, src)
		if !ok {
			return nil, false
		}
		addrs = append(addrs, a)
	}
	return addrs, true
}

func (b *builder) trail(from, to *End, dst netip.Addr, ttl uint8, routers []netip.Addr) {
	b.add(Check{
		Kind: Expire, From: from, To: to, Addr: dst, TTL: ttl, Want: labs.Reachable, Wait: waitAnswer,
		More: &More{Routers: routers},
	})
}

// mtu promises the largest packets: those that get through unfragmented, and
// that larger ones do in pieces; and the MTU of every interface.
func (b *builder) mtu() {
	size := b.lab.Network.PodMTU
	b.somePairs(partners, func(from, to *End) {
		pairs(from, to, func(_, dst netip.Addr) {
			if b.joined(from.Node, to.Node, dst) {
				b.largest(from, to, dst, size)
			}
		})
	})
	for i := range b.lab.Nodes {
		for k := 1; k <= partners && k < len(b.lab.Nodes); k++ {
			from, to := &b.lab.Nodes[i], &b.lab.Nodes[(i+k)%len(b.lab.Nodes)]
			for _, dst := range to.Addrs() {
				src, ok := b.net.source(from.Name, dst)
				_, back := b.net.ping(from.Name, dst)
				if there, way := b.net.walk(from.Name, src, dst); !ok || !back || !way || there.several || b.tunnelled(from, dst) {
					continue
				}
				b.largest(b.nodeEnd[from.Name], b.nodeEnd[to.Name], dst, b.lab.Network.MTU)
			}
		}
	}
	b.state(TopicMTU)
}

// tunnelled reports whether n sends packets for dst into a tunnel.
func (b *builder) tunnelled(n *labs.Node, dst netip.Addr) bool {
	w, ok := b.net.fibs[n.Name].lookup(packet{dst: dst})
	return ok && slices.ContainsFunc(w.hops, func(h Hop) bool { return h.Dev == b.lab.Network.VXLANIface && h.Dev != "" })
}

func (b *builder) largest(from, to *End, dst netip.Addr, size int) {
	b.add(Check{
		Kind: Size, From: from, To: to, Addr: dst, Want: labs.Reachable, Wait: waitAnswer,
		More: &More{Size: size},
	})
}
