package verify

import (
	"net/netip"

	"netlab/labs"
)

// outsiders promises what the routes of the lab promise about machines outside
// the cluster: each pair of machines that has a way there and back, what they
// reach of services, and that pods reach them under their node's address. Pairs
// of cluster nodes are in group nodes, unless there are no pods.
func (b *builder) outsiders() {
	for i := range b.lab.Nodes {
		for k := range b.lab.Nodes {
			from, to := &b.lab.Nodes[i], &b.lab.Nodes[k]
			if i == k || len(b.lab.Pods) > 0 && from.Cluster && to.Cluster {
				continue
			}
			b.machines(b.nodeEnd[from.Name], b.nodeEnd[to.Name])
		}
	}
	ports := b.ports()
	for i := range b.lab.Nodes {
		if b.lab.Nodes[i].Cluster {
			continue
		}
		from := b.nodeEnd[b.lab.Nodes[i].Name]
		for _, n := range b.clusterNodes() {
			for _, p := range ports {
				b.nodePort(from, n, p)
			}
		}
		for _, p := range ports {
			b.fromOutside(from, p)
		}
		b.leave(from)
	}
	b.uplinks()
}

// leave adds checks that the first pod of each node reaches a machine outside
// the cluster, which sees the node.
func (b *builder) leave(to *End) {
	for _, n := range b.clusterNodes() {
		for _, dst := range to.Addrs {
			b.leaveFrom(n, to, dst)
		}
	}
}

// leaveFrom adds the checks of the first pod of a node. Where the author wires
// the nodes nobody knows under which address it leaves.
func (b *builder) leaveFrom(n *labs.Node, to *End, dst netip.Addr) {
	if len(b.byNode[n.Name]) == 0 || b.lab.Network.Mode == labs.ModeNone {
		return
	}
	pod := b.podEnds[b.byNode[n.Name][0]]
	ttl, ok := b.net.ping(n.Name, dst)
	seen := b.seenAs(n.Name, to.Node, dst)
	if !ok || !seen.IsValid() || !sameFamily(pod.Addrs, dst).IsValid() {
		return
	}
	if ttl > 0 {
		ttl-- // the pod's node is a router to it
	}
	b.add(
		Check{Kind: ICMP, From: pod, To: to, Addr: dst, TTL: ttl, Want: labs.Reachable, Wait: waitAnswer},
		Check{Kind: TCP, From: pod, To: to, Addr: dst, Src: seen, Want: labs.Reachable, Wait: waitAnswer},
	)
}

// nodePort adds the check of the node port at node n from another machine.
func (b *builder) nodePort(from *End, n *labs.Node, p port) {
	ip := sameFamily(n.Addrs(), p.at.Addr())
	if from.Node == n.Name || p.port.NodePort == 0 || !ip.IsValid() {
		return
	}
	if _, ok := b.net.ping(from.Node, ip); !ok {
		return
	}
	// A pod that leaves the cluster is masqueraded by its node.
	as := b.nodeEnd[from.Node]
	at, eps := netip.AddrPortFrom(ip, p.port.NodePort), p.endpoints()
	if !p.svc.ExternalLocal || len(eps) == 0 {
		b.reachAs(from, as, n, p, at, eps, true)
		return
	}
	eps = local(eps, n.Name)
	if len(eps) == 0 {
		b.silence(from, p, at)
		return
	}
	// The client's own address is preserved, as it is when it reaches the node.
	b.reachAs(from, as, n, p, at, eps, false)
}

// podsToNodePorts adds checks of the node ports at other nodes from one pod of
// each node. Where the author wires the nodes nobody knows how pods get there.
func (b *builder) podsToNodePorts(ports []port) {
	if b.lab.Network.Mode == labs.ModeNone {
		return
	}
	members := b.clusterNodes()
	for _, home := range members {
		if len(b.byNode[home.Name]) == 0 {
			continue
		}
		from := b.podEnds[b.byNode[home.Name][0]]
		for _, n := range members {
			for _, p := range ports {
				if sameFamily(from.Addrs, p.at.Addr()).IsValid() {
					b.nodePort(from, n, p)
				}
			}
		}
	}
}

// localNodePort adds the check of the node port at a node's own localhost,
// which kube-proxy serves for IPv4 only.
func (b *builder) localNodePort(from *End, n *labs.Node, p port) {
	for _, name := range []string{"all", loopback} {
		if v, ok := sysctl(n, "net.ipv4.conf."+name+".route_localnet"); ok && v != "1" {
			return
		}
	}
	if from.Kind == labs.RefNode && p.at.Addr().Is4() {
		b.reach(from, n, p, netip.AddrPortFrom(localhost4, p.port.NodePort), p.endpoints(), true)
	}
}

// fromOutside adds the check of the cluster address from a machine outside the
// cluster whose routes lead there.
func (b *builder) fromOutside(from *End, p port) {
	if b.net.nodes[from.Node].Cluster {
		return
	}
	name, ok := b.net.entry(from.Node, p.at.Addr())
	if !ok {
		return
	}
	n := b.net.nodes[name]
	if ip := sameFamily(n.Addrs(), p.at.Addr()); !ip.IsValid() {
		return
	} else if _, back := b.net.ping(from.Node, ip); !back {
		return
	}
	eps := p.endpoints()
	if p.svc.InternalLocal && len(eps) > 0 {
		if eps = local(eps, n.Name); len(eps) == 0 {
			b.silence(from, p, p.at)
			return
		}
	}
	b.reach(from, n, p, p.at, eps, true)
}

// headless adds checks of services that have endpoints and no address, from
// one pod of each node.
func (b *builder) headless() {
	for i := range b.lab.Services {
		s := &b.lab.Services[i]
		if !s.Headless {
			continue
		}
		for k := range s.Ports {
			sp := &s.Ports[k]
			for _, e := range sp.Endpoints {
				p := port{s, sp, serviceEnd(s, sp), netip.AddrPortFrom(e.Addr, e.Port), kindOf(sp.Protocol)}
				for _, n := range b.clusterNodes() {
					b.direct(n, p, e)
				}
			}
		}
	}
}

// direct adds the check that the first pod of a node that is not the endpoint
// itself reaches it, and is seen as what it is.
func (b *builder) direct(n *labs.Node, p port, e labs.Endpoint) {
	for _, i := range b.byNode[n.Name] {
		from := b.podEnds[i]
		if on := b.owner(e); on == nil || on == from || on.Kind != labs.RefPod || !sameFamily(from.Addrs, e.Addr).IsValid() {
			continue
		}
		b.reach(from, n, p, p.at, []labs.Endpoint{e}, false)
		return
	}
}
