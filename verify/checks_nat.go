package verify

import (
	"net/netip"

	"netlab/labs"
)

// mostTrackers is of how many nodes the translations of one service are looked
// at.
const mostTrackers = 8

// nat promises that services are translated where the lab says, and that the
// machine remembers it: to an endpoint, with the client's address as the
// endpoint sees it, and back. That the answer comes back from the service's own
// address is what the connection itself proves. Pods that leave the cluster
// appear as their node.
func (b *builder) nat() {
	members := b.clusterNodes()
	for i, p := range b.ports() {
		if len(p.endpoints()) == 0 {
			continue
		}
		for k := range min(len(members), mostTrackers) {
			n := members[(i+k)%len(members)]
			if pods := b.byNode[n.Name]; len(pods) > 0 {
				b.trackInternal(b.podEnds[pods[i%len(pods)]], n, p)
			} else {
				b.trackInternal(b.nodeEnd[n.Name], n, p)
			}
		}
		b.trackNodePort(p, members)
	}
	for i := range b.lab.Nodes {
		if !b.lab.Nodes[i].Cluster {
			b.trackLeaving(b.nodeEnd[b.lab.Nodes[i].Name])
		}
	}
}

// trackInternal adds the check of the cluster address, from a pod of node n or
// the node itself.
func (b *builder) trackInternal(from *End, n *labs.Node, p port) {
	eps := p.endpoints()
	if p.svc.InternalLocal {
		eps = local(eps, n.Name)
	}
	if !sameFamily(from.Addrs, p.at.Addr()).IsValid() {
		return
	}
	b.track(n, netip.Addr{}, func() { b.reach(from, n, p, p.at, eps, from.Kind == labs.RefNode) })
}

// trackNodePort adds the check of the node port of one node, from one machine
// outside the cluster.
func (b *builder) trackNodePort(p port, members []*labs.Node) {
	for i := range b.lab.Nodes {
		if b.lab.Nodes[i].Cluster {
			continue
		}
		from := b.nodeEnd[b.lab.Nodes[i].Name]
		for _, n := range members {
			if p.svc.ExternalLocal && len(local(p.endpoints(), n.Name)) == 0 {
				continue
			}
			before := len(b.checks)
			b.track(n, netip.Addr{}, func() { b.nodePort(from, n, p) })
			if len(b.checks) > before {
				return
			}
		}
	}
}

// trackLeaving adds the check that one pod's traffic to a machine outside the
// cluster is masqueraded by its node.
func (b *builder) trackLeaving(to *End) {
	for _, n := range b.clusterNodes() {
		before := len(b.checks)
		for _, dst := range to.Addrs {
			src, ok := b.net.source(n.Name, dst)
			if !ok {
				continue
			}
			b.track(n, src, func() { b.leaveFrom(n, to, dst) })
		}
		if len(b.checks) > before {
			return
		}
	}
}

// track lets the connections that f adds be looked up at node n.
func (b *builder) track(n *labs.Node, client netip.Addr, f func()) {
	before := len(b.checks)
	f()
	kept := b.checks[:before]
	for _, c := range b.checks[before:] {
		if (c.Kind != TCP && c.Kind != UDP) || c.Want != labs.Reachable {
			continue
		}
		m := More{}
		if c.More != nil {
			m = *c.More
		}
		m.Track = &Track{At: b.nodeEnd[n.Name]}
		if client.IsValid() { // what leaves the cluster keeps its destination
			m.Track.Clients, m.Track.Servers = []netip.Addr{client}, []netip.AddrPort{netip.AddrPortFrom(c.Addr, c.Port)}
		}
		c.More = &m
		kept = append(kept, c)
	}
	b.checks = kept
}
