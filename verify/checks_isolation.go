package verify

import (
	"net/netip"
	"slices"

	"netlab/labs"
)

// isolation promises that every pod and every machine has a network namespace
// of its own, that no cable leads out of the lab, and that what has no way to a
// machine or its pods does not reach it.
func (b *builder) isolation() {
	all := &More{Watch: b.watch}
	for _, e := range b.spaces() {
		if e.Kind != labs.RefBridge {
			b.add(Check{Kind: Space, From: e, Want: labs.Reachable, More: all})
		}
	}
	b.doors()
	if slices.ContainsFunc(b.lab.Bridges, func(br labs.Bridge) bool { return br.Uplink }) {
		return // what the host forwards is not known here
	}
	for i := range b.lab.Nodes {
		for k := range b.lab.Nodes {
			from, to := &b.lab.Nodes[i], &b.lab.Nodes[k]
			if i == k || len(b.lab.Pods) > 0 && from.Cluster && to.Cluster {
				continue
			}
			for _, dst := range to.Addrs() {
				b.apart(b.nodeEnd[from.Name], b.nodeEnd[to.Name], dst)
			}
			if from.Cluster || len(b.byNode[to.Name]) == 0 {
				continue
			}
			pod := b.podEnds[b.byNode[to.Name][0]]
			for _, dst := range pod.Addrs {
				b.apart(b.nodeEnd[from.Name], pod, dst)
			}
		}
	}
}

// apart adds the check that a machine does not reach an address, where it has
// no route there, or whoever has the address none back.
func (b *builder) apart(from, to *End, dst netip.Addr) {
	src, there := b.net.source(from.Node, dst)
	if there && to.Kind == labs.RefNode {
		way, ok := b.net.walk(from.Node, src, dst)
		if !ok || way.several {
			return // where it ends is not sure
		}
		if _, back := b.net.fibs[way.at].lookup(packet{src: dst, dst: way.src}); back {
			return
		}
		there = false
	}
	if !there {
		b.add(Check{Kind: ICMP, From: from, To: to, Addr: dst, Want: NoAnswer, Wait: waitSilence})
	}
}

// doors adds the checks that cables lead to the lab's own namespaces only.
func (b *builder) doors() {
	near := map[string][]string{}
	uplink := map[string]bool{}
	join := func(a, z string) {
		for _, end := range [][2]string{{a, z}, {z, a}} {
			if !slices.Contains(near[end[0]], end[1]) {
				near[end[0]] = append(near[end[0]], end[1])
			}
		}
	}
	for i := range b.lab.Nodes {
		n := &b.lab.Nodes[i]
		for _, iface := range n.Interfaces {
			if iface.Bridge != "" {
				join(n.NS, b.lab.Bridge(iface.Bridge).NS)
			} else if far := b.net.nodes[iface.PeerNode]; far != nil {
				join(n.NS, far.NS)
			}
		}
	}
	for i := range b.lab.Pods {
		join(b.lab.Pods[i].NS, b.net.nodes[b.lab.Pods[i].Node].NS)
	}
	for _, br := range b.lab.Bridges {
		uplink[br.NS] = br.Uplink
	}
	for _, e := range b.spaces() {
		b.add(Check{Kind: Doors, From: e, Want: labs.Reachable, More: &More{Watch: near[e.NS], Uplink: uplink[e.NS]}})
	}
}
