package provision

import (
	"cmp"
	"net/netip"
	"slices"

	"netlab/labs"
	"netlab/provision/kubeproxy"
)

// Names in the kernel that do not depend on the lab file.
const (
	SwitchIface = "br0"  // the bridge in the namespace of a bridge of the lab
	BridgeIface = "cni0" // the bridge of a node
	PodIface    = "eth0" // of a pod
)

// Desired returns what lab is in the kernel. It is pure and cannot fail.
func Desired(lab *labs.Lab) State { return desire(lab, true) }

// Former returns what [State.After] wants to know of a lab as it was applied last:
// what [Desired] returns but rules, which take longest to write and are the lab's
// whoever made them.
func Former(lab *labs.Lab) State { return desire(lab, false) }

func desire(lab *labs.Lab, rules bool) State {
	d := desired{lab: lab, ipv6: hasIPv6(lab), rules: rules}
	d.files()
	d.names()
	for i := range lab.Bridges {
		d.bridge(&lab.Bridges[i])
	}
	for i := range lab.Nodes {
		d.node(&lab.Nodes[i])
	}
	for i := range lab.Pods {
		d.pod(&lab.Pods[i])
		d.processes(&lab.Pods[i])
	}
	d.supervisor()
	s := NewState(lab.Name, d.objects...)
	s.uplinks = d.uplinks
	if lab.Network.Mode == labs.ModeNone {
		s.free = map[string]bool{}
		for _, n := range lab.Nodes {
			s.free[n.NS] = true
		}
	}
	return s
}

// Mark returns the interface alias of lo by which a namespace of lab is known
// as ours. kind is "node", "pod" or "bridge"; name is the thing's name there,
// for a pod outside namespace default NAMESPACE/NAME.
func Mark(lab, kind, name string) string { return MarkPrefix(lab) + kind + ":" + name }

// MarkPrefix returns what the marks of all namespaces of lab begin with.
func MarkPrefix(lab string) string { return "netlab:" + lab + ":" }

// desired collects the objects of a lab.
type desired struct {
	lab     *labs.Lab
	ipv6    bool
	rules   bool
	objects []Object
	uplinks []uplink
	proxy   kubeproxy.Shared
}

func (d *desired) add(objects ...Object) { d.objects = append(d.objects, objects...) }

func (d *desired) namespace(ns, kind, name string) {
	d.add(Namespace{
		Name: ns, Mark: Mark(d.lab.Name, kind, name),
		Loopback: "up", Rules: "default", Names: true, Witness: true,
	})
}

// bridge adds a switch. Its bridge holds the gateway address of the subnet and
// swallows what nobody asks for: it forwards nothing unless it has an uplink.
func (d *desired) bridge(b *labs.Bridge) {
	d.namespace(b.NS, "bridge", b.Name)
	d.hush(b.NS)
	d.sysctl(b.NS, "net.ipv4.ip_forward", bit(uplinked(b)))
	d.sysctl(b.NS, "net.bridge.bridge-nf-call-iptables", "0")
	if d.ipv6 {
		d.sysctl(b.NS, "net.ipv6.conf.all.forwarding", "0")
		d.sysctl(b.NS, "net.bridge.bridge-nf-call-ip6tables", "0")
	}
	d.add(Bridge{NS: b.NS, Name: SwitchIface, MAC: b.MAC, MTU: d.lab.Network.MTU, Up: true})
	for _, a := range b.Gateways {
		d.addr(b.NS, SwitchIface, a)
	}
	if uplinked(b) {
		d.uplink(b)
	}
}

// node adds a machine, its cables and what it routes.
func (d *desired) node(n *labs.Node) {
	d.namespace(n.NS, "node", n.Name)
	d.nodeSysctls(n)
	for _, i := range n.Interfaces {
		d.cable(n, i)
		for _, a := range i.Addrs {
			d.addr(n.NS, i.Name, a)
		}
	}
	for _, r := range n.Routes {
		d.add(staticRoute(n, r))
	}
	for _, r := range n.Rules {
		d.add(Rule{NS: n.NS, Priority: r.Priority, IPv6: r.IPv6, From: r.From, To: r.To, Iif: r.Iif, Table: r.Table})
	}
	if n.Cluster {
		d.defaultRoutes(n)
		d.dataPlane(n)
	}
	if d.rules {
		d.rulesets(n)
	}
}

// cable adds the veth of one interface. A cable between two nodes is described
// at both ends; the end whose namespace comes first in the alphabet adds it.
func (d *desired) cable(n *labs.Node, i labs.Interface) {
	end := End{NS: n.NS, Name: i.Name, MAC: i.MAC, MTU: i.MTU, Up: true}
	if i.Bridge != "" {
		b := d.lab.Bridge(i.Bridge)
		d.add(Veth{A: End{NS: b.NS, Name: i.Port, MAC: i.PortMAC, MTU: i.MTU, Up: true}, B: end})
		d.add(Port{NS: b.NS, Dev: i.Port, Bridge: SwitchIface})
		return
	}
	peer := d.lab.Node(i.PeerNode)
	far := peer.Interfaces[slices.IndexFunc(peer.Interfaces, func(x labs.Interface) bool { return x.Name == i.PeerIface })]
	if cmp.Or(cmp.Compare(n.NS, peer.NS), cmp.Compare(i.Name, far.Name)) < 0 {
		d.add(Veth{A: end, B: End{NS: peer.NS, Name: far.Name, MAC: far.MAC, MTU: far.MTU, Up: true}})
	}
}

// pod adds a pod and its cable to the node.
func (d *desired) pod(p *labs.Pod) {
	node := d.lab.Node(p.Node)
	name := p.Name
	if p.Namespace != "default" {
		name = p.ID()
	}
	d.namespace(p.NS, "pod", name)
	d.hush(p.NS)
	d.sysctl(p.NS, "net.ipv4.ip_forward", "0")
	if d.ipv6 {
		d.sysctl(p.NS, "net.ipv6.conf.all.forwarding", "0")
	}
	mtu := d.lab.Network.PodMTU
	d.add(Veth{
		// The pod's end is what the cable is known by: the other one changes its
		// name with the mode of the network.
		A: End{NS: p.NS, Name: PodIface, MAC: p.MAC, MTU: mtu, Up: true},
		B: End{NS: node.NS, Name: p.HostIface, MAC: p.HostMAC, MTU: mtu, Up: true},
	})
	for _, a := range p.Addrs {
		d.addr(p.NS, PodIface, a)
	}
	if d.lab.Network.Mode == labs.ModeRouted {
		d.routedPod(node, p)
		return
	}
	d.add(Port{NS: node.NS, Dev: p.HostIface, Bridge: BridgeIface, Hairpin: true})
	for _, a := range p.Addrs {
		gw := sameFamily(node.PodGateways, a.Addr())
		d.add(Route{NS: p.NS, Table: MainTable, To: defaultOf(gw), Type: Unicast, Hop: Hop{Via: gw, Dev: PodIface}})
	}
}

// defaultRoutes gives a node of the cluster a default route, unless the author
// did: without one nothing that is addressed to a service's VIP would reach
// the hook that rewrites it. A node whose first interface has no gateway gets
// routes to just what must be routable.
func (d *desired) defaultRoutes(n *labs.Node) {
	first := n.Interfaces[0]
	var gateways []netip.Addr
	if first.Bridge != "" {
		gateways = d.lab.Gateway(d.lab.Bridge(first.Bridge).Subnet)
	}
	for _, a := range first.Addrs {
		own := slices.ContainsFunc(n.Routes, func(r labs.Route) bool {
			return r.Table == MainTable && r.To.Bits() == 0 && r.To.Addr().Is4() == a.Addr().Is4()
		})
		if own {
			continue
		}
		if gw := sameFamily(gateways, a.Addr()); gw.IsValid() {
			d.add(Route{NS: n.NS, Table: MainTable, To: defaultOf(gw), Type: Unicast, Hop: Hop{Via: gw, Dev: first.Name}})
			continue
		}
		must := slices.Clone(d.lab.Network.ServiceCIDRs)
		if d.lab.Network.Mode == labs.ModeRouted {
			must = append(must, single(calicoGateway))
		}
		for _, to := range must {
			if to.Addr().Is4() == a.Addr().Is4() {
				d.add(Route{NS: n.NS, Table: MainTable, To: to, Type: Unicast, Hop: Hop{Dev: first.Name}})
			}
		}
	}
}

// defaultMetric6 is what an IPv6 route has that was given no metric
// (IP6_RT_PRIO_USER in include/uapi/linux/ipv6_route.h).
const defaultMetric6 = 1024

// staticRoute names the interface of every hop, as the kernel does when it is
// asked.
func staticRoute(n *labs.Node, r labs.Route) Route {
	route := Route{NS: n.NS, Table: r.Table, To: r.To, Metric: r.Metric, Type: Unicast, Src: r.Src}
	if r.To.Addr().Is6() && r.Metric == defaultMetric6 {
		route.Metric = 0
	}
	if len(r.Via) == 0 {
		route.Hop = Hop{Dev: r.Dev}
		return route
	}
	hops := make([]Hop, len(r.Via))
	for i, via := range r.Via {
		hops[i] = Hop{Via: via, Dev: cmp.Or(r.Dev, connectedTo(n, via)), OnLink: r.OnLink}
	}
	if len(hops) == 1 {
		route.Hop = hops[0]
	} else {
		route.Hops = JoinHops(hops)
	}
	return route
}

// connectedTo returns the interface of n in whose subnet a lies.
func connectedTo(n *labs.Node, a netip.Addr) string {
	for _, i := range n.Interfaces {
		if slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return i.Name
		}
	}
	return ""
}

// sameFamily returns the address of addrs that has the family of like, or the
// zero Addr.
func sameFamily(addrs []netip.Addr, like netip.Addr) netip.Addr {
	for _, a := range addrs {
		if a.Is4() == like.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// defaultOf returns the zero-length prefix of a's family.
func defaultOf(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func hasIPv6(lab *labs.Lab) bool {
	for _, n := range lab.Nodes {
		for _, i := range n.Interfaces {
			if slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Addr().Is6() }) {
				return true
			}
		}
	}
	return slices.ContainsFunc(lab.Pods, func(p labs.Pod) bool {
		return slices.ContainsFunc(p.Addrs, func(a netip.Prefix) bool { return a.Addr().Is6() })
	})
}
