package verify

import (
	"net/netip"
	"slices"

	"netlab/labs"
)

// pods promises that every pod reaches every pod under its own address.
func (b *builder) pods() {
	b.allPods(ICMP)
	b.allPods(TCP)
}

// MostConnections is how many connections between pods are made at most. Pings go
// between all pairs, however many there are; with thirty pods connections do,
// too.
const MostConnections = 1_000

// connects reports whether a pod connects to another one in a lab with more
// pairs than that: every pod does to as many others as there is room for, spread
// evenly over all, and so is every pod connected to.
func (b *builder) connects(from, to int) bool {
	pods := len(b.podEnds)
	if pods*(pods-1) <= MostConnections {
		return true
	}
	others := pods - 1
	each := max(MostConnections/pods, 1) // of the others
	ahead := (to - from + pods) % pods
	return ahead*each/others != (ahead-1)*each/others
}

func (b *builder) allPods(kind Kind) {
	if pods := len(b.podEnds); kind == ICMP {
		// Room for all pairs of one family, for connections, and for what other
		// groups have: a million checks are copied in vain otherwise.
		b.checks = slices.Grow(b.checks, pods*(pods-1)+MostConnections+64*pods)
	}
	for i, from := range b.podEnds {
		for j, to := range b.podEnds {
			if from == to || kind == TCP && !b.connects(i, j) {
				continue
			}
			pairs(from, to, func(src, dst netip.Addr) {
				if !b.joined(from.Node, to.Node, dst) {
					return
				}
				c := Check{Kind: kind, From: from, To: to, Addr: dst, Want: labs.Reachable, Wait: waitAnswer}
				if kind == ICMP {
					c.TTL = b.podTTL(from, to)
				} else {
					c.Src = src
				}
				b.add(c)
			})
		}
	}
}

// podTTL returns what is left of the 64 hops of an answer between two pods: a
// bridge takes none, every machine that routes takes one.
func (b *builder) podTTL(from, to *End) uint8 {
	switch {
	case b.lab.Network.Mode == labs.ModeNone && from.Node != to.Node:
		return 0 // the author's wiring
	case from.Node != to.Node:
		return 62
	case b.lab.Network.Mode == labs.ModeRouted:
		return 63
	}
	return 64
}

// nodes promises that a node reaches all pods, and other nodes of the cluster.
func (b *builder) nodes() {
	if len(b.lab.Pods) == 0 {
		return // hosts has every pair
	}
	members := b.clusterNodes()
	for _, n := range members {
		from := b.nodeEnd[n.Name]
		for _, to := range b.podEnds {
			for _, dst := range to.Addrs {
				b.nodeToPod(from, to, dst)
			}
		}
	}
	for _, n := range members {
		for _, m := range members {
			if n != m {
				b.machines(b.nodeEnd[n.Name], b.nodeEnd[m.Name])
			}
		}
	}
}

func (b *builder) nodeToPod(from, to *End, dst netip.Addr) {
	src, ok := b.net.source(from.Node, dst)
	ttl := uint8(64)
	if from.Node != to.Node {
		ttl = 63
		if b.lab.Network.Mode == labs.ModeNone {
			ttl = 0
			ok = ok && b.net.bothWays(from.Node, src, to.Node, sameFamily(b.net.nodes[to.Node].PodGateways, dst))
		}
	}
	if !ok {
		return
	}
	b.add(
		Check{Kind: ICMP, From: from, To: to, Addr: dst, TTL: ttl, Want: labs.Reachable, Wait: waitAnswer},
		Check{Kind: TCP, From: from, To: to, Addr: dst, Src: src, Want: labs.Reachable, Wait: waitAnswer},
	)
}

// machines adds a ping between two machines if the lab has a way both ways.
func (b *builder) machines(from, to *End) {
	for _, dst := range to.Addrs {
		if ttl, ok := b.net.ping(from.Node, dst); ok {
			b.add(Check{Kind: ICMP, From: from, To: to, Addr: dst, TTL: ttl, Want: labs.Reachable, Wait: waitAnswer})
		}
	}
}
