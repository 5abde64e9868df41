package verify

import (
	"net/netip"
	"slices"
	"strconv"

	"netlab/labs"
)

// arp promises that a pod knows the right neighbours, and no others: on a
// bridge its gateway and the pods of its node under their real MACs; in mode
// routed only the gateway, which its node stands in for.
func (b *builder) arp() {
	for i, from := range b.podEnds {
		m := &More{}
		node := b.net.nodes[from.Node]
		for _, gw := range from.Gateways {
			if !gw.IsValid() {
				continue
			}
			mac := routedMAC
			if from.Bridged {
				mac = node.BridgeMAC
			}
			m.Must = append(m.Must, Entry{IP: gw, MAC: mac})
		}
		b.arpPeers(from, i, m)
		b.add(Check{Kind: Neigh, From: from, Want: labs.Reachable, Wait: waitAnswer, More: m})
	}
	b.asks()
	b.state(TopicNeighbours)
}

// asks promises that whoever has an address on a link answers for it, and
// nobody else does.
func (b *builder) asks() {
	for i, from := range b.podEnds {
		b.podAsks(i, from)
	}
	for i := range b.lab.Nodes {
		n := &b.lab.Nodes[i]
		for k := range n.Interfaces {
			b.nodeAsks(n, &n.Interfaces[k])
		}
	}
}

// podAsks asks for a pod's own address, its gateway, the next pod on the same
// bridge, and one on another node, for which nobody may answer. Where there is
// no bridge the node answers for everything.
func (b *builder) podAsks(i int, from *End) {
	node := b.net.nodes[from.Node]
	var asks []Query
	add := func(a netip.Addr, mac labs.MAC) {
		if a.Is4() {
			asks = append(asks, Query{For: a, Answer: mac, Own: slices.Contains(from.Addrs, a)})
		}
	}
	for k, own := range from.Addrs {
		add(own, labs.MAC{})
		if !from.Bridged {
			add(from.Gateways[k], routedMAC)
			continue
		}
		add(from.Gateways[k], node.BridgeMAC)
		for k := 1; k < len(b.podEnds); k++ {
			peer := (i + k) % len(b.podEnds)
			if b.podEnds[peer].Node == from.Node {
				add(sameFamily(b.podEnds[peer].Addrs, own), b.lab.Pods[peer].MAC)
				break
			}
		}
		add(b.somePod(i, own, false), labs.MAC{})
	}
	b.ask(from, podIface, asks)
}

// nodeAsks asks for a node's own addresses on a link, the next node there, and
// the gateway if the bridge holds it. A machine that is on the link more than
// once answers at each of its interfaces, so nothing is asked about it.
func (b *builder) nodeAsks(n *labs.Node, own *labs.Interface) {
	var asks []Query
	add := func(a netip.Addr, mac labs.MAC) {
		if a.Is4() {
			asks = append(asks, Query{For: a, Answer: mac, Own: slices.ContainsFunc(own.Addrs, func(p netip.Prefix) bool { return p.Addr() == a })})
		}
	}
	if own.Bridge == "" || b.interfacesOn(n, own.Bridge) > 1 {
		return
	}
	for _, p := range own.Addrs {
		add(p.Addr(), labs.MAC{})
	}
	br := b.lab.Bridge(own.Bridge)
	for _, gw := range br.Gateways {
		add(gw.Addr(), br.MAC)
	}
	start := slices.IndexFunc(b.lab.Nodes, func(m labs.Node) bool { return m.Name == n.Name })
	for k := 1; k < len(b.lab.Nodes); k++ {
		far := &b.lab.Nodes[(start+k)%len(b.lab.Nodes)]
		if b.interfacesOn(far, own.Bridge) != 1 {
			continue
		}
		for _, i := range far.Interfaces {
			if i.Bridge == own.Bridge {
				for _, p := range i.Addrs {
					add(p.Addr(), i.MAC)
				}
			}
		}
		break
	}
	b.ask(b.nodeEnd[n.Name], own.Name, asks)
}

func (b *builder) interfacesOn(n *labs.Node, bridge string) int {
	count := 0
	for _, i := range n.Interfaces {
		if i.Bridge == bridge {
			count++
		}
	}
	return count
}

func (b *builder) ask(from *End, iface string, asks []Query) {
	if len(asks) > 0 {
		b.add(Check{Kind: Ask, From: from, Want: labs.Reachable, Wait: waitAnswer, More: &More{Iface: iface, Asks: asks}})
	}
}

// arpPeers chooses whom pod i talks to: its node, the next pod on the same
// bridge, and a pod behind the gateway.
func (b *builder) arpPeers(from *End, i int, m *More) {
	m.Stir = append(m.Stir, b.gatewayEnd(from))
	peers := b.byNode[from.Node]
	for k, peer := range peers {
		p := &b.lab.Pods[peer]
		if peer == i {
			if next := peers[(k+1)%len(peers)]; next != i {
				m.Stir = append(m.Stir, b.podEnds[next])
			}
			continue
		}
		for _, a := range p.Addrs {
			if from.Bridged {
				m.May = append(m.May, Entry{IP: a.Addr(), MAC: p.MAC})
			}
		}
	}
	if !from.Bridged {
		// A node that asks for a pod makes itself known under its own addresses.
		for _, i := range b.net.nodes[from.Node].Interfaces {
			for _, a := range i.Addrs {
				m.May = append(m.May, Entry{IP: a.Addr(), MAC: routedMAC})
			}
		}
	}
	for k := range b.podEnds {
		far := b.podEnds[(i+k)%len(b.podEnds)]
		if far.Node != from.Node && b.joined(from.Node, far.Node, far.Addrs[0]) {
			m.Stir = append(m.Stir, far)
			return
		}
	}
}

// gatewayEnd is what a pod pings to meet its gateway: the gateway itself, or
// the node where nobody holds the gateway's address.
func (b *builder) gatewayEnd(pod *End) *End {
	node := b.nodeEnd[pod.Node]
	if !pod.Bridged {
		return node
	}
	return &End{Name: node.Name, Kind: labs.RefNode, NS: node.NS, Node: node.Name, Addrs: pod.Gateways, Pos: node.Pos}
}

// routes promises where pods and nodes send packets, for each class of
// destination.
func (b *builder) routes() {
	for i, from := range b.podEnds {
		b.podRoutes(i, from)
	}
	for i := range b.lab.Nodes {
		if n := &b.lab.Nodes[i]; n.Cluster || len(n.Interfaces) > 0 {
			b.nodeRoutes(n)
		}
	}
	b.state(TopicRoutes)
}

func (b *builder) route(from *End, label string, dst netip.Addr, hops ...Hop) {
	c := Check{Kind: Route, From: from, Addr: dst, Want: labs.Reachable, More: &More{Label: label, Hops: hops}}
	if len(hops) == 0 {
		c.Want = labs.Unreachable
	}
	b.add(c)
}

func (b *builder) podRoutes(i int, from *End) {
	for k, own := range from.Addrs {
		b.route(from, "own address", own, Hop{Dev: loopback, Src: own})
		out := Hop{Via: from.Gateways[k], Dev: podIface, Src: own}
		near := out
		if from.Bridged {
			near.Via = netip.Addr{}
		}
		if p := b.somePod(i, own, true); p.IsValid() {
			b.route(from, "pod on the same node", p, near)
		}
		if p := b.somePod(i, own, false); p.IsValid() {
			b.route(from, "pod on another node", p, out)
		}
		if vip := b.someVIP(own); vip.IsValid() {
			b.route(from, "service", vip, out)
		}
		b.route(from, "outside", outside(own), out)
	}
}

// somePod returns the address of the next pod after pod i on the same node, or
// on another one.
func (b *builder) somePod(i int, like netip.Addr, sameNode bool) netip.Addr {
	for k := 1; k < len(b.podEnds); k++ {
		p := b.podEnds[(i+k)%len(b.podEnds)]
		if (p.Node == b.podEnds[i].Node) == sameNode {
			return sameFamily(p.Addrs, like)
		}
	}
	return netip.Addr{}
}

// someVIP returns the first cluster address of a family, or the zero Addr.
func (b *builder) someVIP(like netip.Addr) netip.Addr {
	for _, s := range b.lab.Services {
		if ip := sameFamily(s.ClusterIPs, like); ip.IsValid() {
			return ip
		}
	}
	return netip.Addr{}
}

// outside returns an address that no lab has: it is reserved for documentation.
func outside(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	return netip.MustParseAddr("2001:db8:ffff::1")
}

func (b *builder) nodeRoutes(n *labs.Node) {
	from := b.nodeEnd[n.Name]
	for _, own := range from.Addrs {
		b.route(from, "own address", own, Hop{Dev: loopback, Src: own})
		if n.Cluster {
			if vip := b.someVIP(own); vip.IsValid() {
				b.nodeRoute(from, "service", vip)
			}
		}
		b.nodeRoute(from, "outside", outside(own))
	}
	for i := range b.lab.Nodes {
		far := &b.lab.Nodes[i]
		if far == n {
			continue
		}
		for _, a := range far.Addrs() {
			b.nodeRoute(from, "node "+far.Name, a)
		}
		if n.Cluster && far.Cluster && len(b.byNode[far.Name]) > 0 {
			p := b.podEnds[b.byNode[far.Name][0]]
			for _, a := range p.Addrs {
				b.nodeRoute(from, "pod "+p.Name, a)
			}
		}
	}
	for _, k := range b.byNode[n.Name] {
		for _, a := range b.podEnds[k].Addrs {
			b.nodeRoute(from, "pod "+b.podEnds[k].Name, a)
		}
	}
}

// nodeRoute adds what the tables of a node say about dst. What is left to the
// default route is no promise about other nodes where their author wires them.
func (b *builder) nodeRoute(from *End, label string, dst netip.Addr) {
	if !sameFamily(from.Addrs, dst).IsValid() {
		return
	}
	w, ok := b.net.fibs[from.Node].lookup(packet{dst: dst})
	if b.lab.Network.Mode == labs.ModeNone && (!ok || w.to.Bits() == 0 && label != "outside" && label != "service") {
		return
	}
	if !ok {
		b.route(from, label, dst)
		return
	}
	b.route(from, label, dst, w.hops...)
}

// vxlan promises a device and, for each other node, exactly one route. Group
// fdb has the neighbour and the FDB entry that go with it.
func (b *builder) vxlan() {
	net := b.lab.Network
	if net.Mode != labs.ModeVXLAN {
		return
	}
	for _, n := range b.clusterNodes() {
		b.add(Check{Kind: Device, From: b.nodeEnd[n.Name], Want: labs.Reachable, More: &More{Label: net.VXLANIface, Device: DeviceInfo{
			Name: net.VXLANIface, VNI: net.VNI, Port: net.VXLANPort, Local: n.Addrs()[0],
			Parent: n.Interfaces[0].Name, MTU: net.PodMTU, MAC: n.VXLANMAC,
		}}})
	}
	b.tunnels(TableRoutes)
}

// tunnels promises tables of each node of a VXLAN: one entry for each other
// node.
func (b *builder) tunnels(names ...TableName) {
	net := b.lab.Network
	if net.Mode != labs.ModeVXLAN {
		return
	}
	members := b.clusterNodes()
	for _, n := range members {
		from := b.nodeEnd[n.Name]
		tables := map[TableName][]Entry{}
		for _, far := range members {
			if far == n {
				continue
			}
			for _, p := range far.PodSubnets {
				tables[TableRoutes] = append(tables[TableRoutes], Entry{To: p, IP: p.Addr()})
				tables[TableNeighbours] = append(tables[TableNeighbours], Entry{IP: p.Addr(), MAC: far.VXLANMAC})
			}
			tables[TableFDB] = append(tables[TableFDB], Entry{IP: far.Addrs()[0], MAC: far.VXLANMAC})
		}
		for _, name := range names {
			b.add(Check{Kind: Table, From: from, Want: labs.Reachable, More: &More{
				Label: net.VXLANIface + " " + string(name), Table: name, Must: tables[name],
				Device: DeviceInfo{Name: net.VXLANIface},
			}})
		}
	}
}

// sysctls promises the kernel parameters that traffic depends on, and those
// that the author set.
func (b *builder) sysctls() {
	for i := range b.lab.Nodes {
		n := &b.lab.Nodes[i]
		values := []labs.Sysctl{{Name: "net.ipv4.ip_forward", Value: strconv.Itoa(flag(n.Forwards()))}}
		if n.Cluster {
			values = append(values, labs.Sysctl{Name: "net.bridge.bridge-nf-call-iptables", Value: "1"})
		}
		for _, s := range n.Sysctls {
			values = append(values, labs.Sysctl{Name: s.Name})
		}
		done := map[string]bool{}
		for _, s := range values {
			value, pos := s.Value, n.Pos
			for _, own := range n.Sysctls {
				if own.Name == s.Name {
					value, pos = own.Value, own.Pos
				}
			}
			if !done[s.Name] {
				b.add(Check{Kind: Control, From: b.nodeEnd[n.Name], Want: labs.Reachable, More: &More{
					Label: s.Name, Name: s.Name, Value: value, Pos: pos,
				}})
			}
			done[s.Name] = true
		}
	}
	b.state(TopicSysctls)
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}
