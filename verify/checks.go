package verify

import (
	"net/netip"
	"slices"
	"time"

	"netlab/labs"
)

// Names that interfaces have in every lab.
const (
	podIface    = "eth0"
	bridgeIface = "cni0"
	switchIface = "br0" // in the namespace of a bridge
	loopback    = "lo"
)

// How long answers may take. A refusal is waited for longer than an answer: the
// kernel sends an ICMP error to one destination only once a second, after the
// first six. That nobody is there is known after three seconds of asking.
const (
	waitAnswer      = 2 * time.Second
	waitRefusal     = 3500 * time.Millisecond
	waitSilence     = time.Second
	waitUnreachable = 4500 * time.Millisecond
)

// Gateways of pods in mode routed, where no interface holds them, and the
// address that every cable has on the node.
var (
	routedGateway4 = netip.AddrFrom4([4]byte{169, 254, 1, 1})
	routedGateway6 = netip.MustParseAddr("fe80::ecee:eeff:feee:eeee")
	routedMAC      = labs.MAC{0xee, 0xee, 0xee, 0xee, 0xee, 0xee}
)

// Checks returns everything that lab promises, group by group. It is pure; the
// same lab yields the same checks in the same order.
func Checks(lab *labs.Lab) []Check { return checksOf(lab, Groups()) }

// checksOf returns the checks of some groups.
func checksOf(lab *labs.Lab, groups []Group) []Check {
	b := newBuilder(lab)
	for _, g := range []struct {
		group Group
		build func()
	}{
		{Containers, b.containers}, {Isolation, b.isolation}, {Localhost, b.localhost}, {Links, b.links},
		{Pods, b.pods}, {Nodes, b.nodes}, {External, b.outsiders}, {Services, b.services},
		{NAT, b.nat}, {TTL, b.ttl}, {MTU, b.mtu},
		{ARP, b.arp}, {Routes, b.routes}, {VXLAN, b.vxlan}, {FDB, b.fdb}, {Rules, b.rules},
		{Sysctls, b.sysctls}, {Names, b.names}, {Lab, b.expectations},
	} {
		if slices.Contains(groups, g.group) {
			b.group = g.group
			g.build()
		}
	}
	return b.checks
}

// builder collects checks.
type builder struct {
	lab    *labs.Lab
	group  Group
	checks []Check

	net       *network
	podEnds   []*End // as lab.Pods
	nodeEnd   map[string]*End
	bridgeEnd map[string]*End
	everybody *End // where it does not matter who asks

	podByID   map[string]*End
	podByAddr map[netip.Addr]*End
	podByNS   map[string]*labs.Pod

	byNode map[string][]int // pods of a node, as indexes of lab.Pods
	watch  []string
	wired  map[[2]string]bool // mode none: node pairs between which pods have a way
}

func newBuilder(lab *labs.Lab) *builder {
	b := &builder{
		lab: lab, net: newNetwork(lab), nodeEnd: map[string]*End{}, bridgeEnd: map[string]*End{},
		podByID: map[string]*End{}, podByAddr: map[netip.Addr]*End{},
		podByNS: map[string]*labs.Pod{}, byNode: map[string][]int{}, wired: map[[2]string]bool{},
	}
	for i := range lab.Nodes {
		n := &lab.Nodes[i]
		b.nodeEnd[n.Name] = &End{Name: n.Name, Kind: labs.RefNode, NS: n.NS, Node: n.Name, Addrs: n.Addrs(), Pos: n.Pos}
		b.watch = append(b.watch, n.NS)
	}
	for i := range lab.Bridges {
		br := &lab.Bridges[i]
		b.bridgeEnd[br.Name] = &End{Name: br.Name, Kind: labs.RefBridge, NS: br.NS, Addrs: b.net.bridgeAddrs[br.Name], Pos: br.Pos}
	}
	b.everybody = &End{Name: "all nodes", Kind: labs.RefNode}
	for _, n := range b.clusterNodes() {
		b.everybody.NS = n.NS
	}
	for i := range lab.Pods {
		p := &lab.Pods[i]
		e := &End{
			Name: p.ID(), Kind: labs.RefPod, NS: p.NS, Node: p.Node, Host: b.nodeEnd[p.Node], Pos: p.Pos,
			Bridged: lab.Network.Mode != labs.ModeRouted,
		}
		for _, a := range p.Addrs {
			e.Addrs = append(e.Addrs, a.Addr())
			b.podByAddr[a.Addr()] = e
			e.Gateways = append(e.Gateways, b.gateway(p.Node, a.Addr()))
		}
		b.podByID[e.Name], b.podByNS[e.NS] = e, p
		b.podEnds = append(b.podEnds, e)
		b.byNode[p.Node] = append(b.byNode[p.Node], i)
		b.watch = append(b.watch, p.NS)
	}
	return b
}

// add adds checks to the group that is being built.
func (b *builder) add(checks ...Check) {
	for _, c := range checks {
		c.Group = b.group
		b.checks = append(b.checks, c)
	}
}

// clusterNodes returns the members of the cluster.
func (b *builder) clusterNodes() []*labs.Node {
	var nodes []*labs.Node
	for i := range b.lab.Nodes {
		if b.lab.Nodes[i].Cluster {
			nodes = append(nodes, &b.lab.Nodes[i])
		}
	}
	return nodes
}

// gateway returns where pods of a node send what is not on their link.
func (b *builder) gateway(node string, like netip.Addr) netip.Addr {
	switch {
	case b.lab.Network.Mode != labs.ModeRouted:
		return sameFamily(b.net.nodes[node].PodGateways, like)
	case like.Is4():
		return routedGateway4
	}
	return routedGateway6
}

// joined reports whether the lab promises a way between the pods of two nodes:
// always, except where it leaves the wiring between nodes to its author.
func (b *builder) joined(from, to string, like netip.Addr) bool {
	if from == to || b.lab.Network.Mode != labs.ModeNone {
		return true
	}
	// The way is the same for all pods of a node, so one of them stands for all.
	src, dst := sameFamily(b.net.nodes[from].PodGateways, like), sameFamily(b.net.nodes[to].PodGateways, like)
	if !src.IsValid() || !dst.IsValid() {
		return false
	}
	key := [2]string{from + src.String(), to}
	way, known := b.wired[key]
	if !known {
		_, there := b.net.walk(from, src, dst)
		_, back := b.net.walk(to, dst, src)
		way = there && back
		b.wired[key] = way
	}
	return way
}

// sameFamily returns the first address of addrs that has the family of like,
// or the zero Addr.
func sameFamily(addrs []netip.Addr, like netip.Addr) netip.Addr {
	for _, a := range addrs {
		if a.Is4() == like.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// pairs calls f for the addresses of two ends that are of one family.
func pairs(from, to *End, f func(src, dst netip.Addr)) {
	for _, dst := range to.Addrs {
		if src := sameFamily(from.Addrs, dst); src.IsValid() {
			f(src, dst)
		}
	}
}
