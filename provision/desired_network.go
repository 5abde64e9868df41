package provision

import (
	"net/netip"

	"netlab/labs"
)

// calicoGateway is the address that every pod of a routed network has as its
// gateway. No interface holds it: the node answers ARP for it by proxy
// (projectcalico/calico cni-plugin/pkg/dataplane/linux).
var calicoGateway = netip.AddrFrom4([4]byte{169, 254, 1, 1})

// calicoGateway6 is the link-local address that a pod's cable has on the node,
// made of the address ee:ee:ee:ee:ee:ee that all these cables share.
var calicoGateway6 = netip.MustParseAddr("fe80::ecee:eeff:feee:eeee")

// dataPlane adds what makes node n part of the pod network.
func (d *desired) dataPlane(n *labs.Node) {
	net := d.lab.Network
	if net.Mode == labs.ModeRouted {
		d.routedNode(n)
		return
	}
	d.add(Bridge{NS: n.NS, Name: BridgeIface, MAC: n.BridgeMAC, MTU: net.PodMTU, Up: true})
	for i, subnet := range n.PodSubnets {
		d.addr(n.NS, BridgeIface, netip.PrefixFrom(n.PodGateways[i], subnet.Bits()))
	}
	switch net.Mode {
	case labs.ModeVXLAN:
		d.vxlanNode(n)
	case labs.ModeFlat:
		d.flatNode(n)
	}
}

// vxlanNode wires n as flannel's VXLAN backend does (flannel-io/flannel
// pkg/backend/vxlan): one device whose address is the first of the node's pod
// subnet, and for each other node one route to its device, one permanent
// neighbour that knows the device's MAC, and one FDB entry that knows behind
// which VTEP that MAC lives.
func (d *desired) vxlanNode(n *labs.Node) {
	net := d.lab.Network
	first := n.Interfaces[0]
	d.add(VXLAN{
		NS: n.NS, Name: net.VXLANIface, MAC: n.VXLANMAC, MTU: net.PodMTU, Up: true,
		VNI: net.VNI, Port: net.VXLANPort, Local: n.Addrs()[0], Dev: first.Name,
	})
	for _, subnet := range n.PodSubnets {
		d.addr(n.NS, net.VXLANIface, single(subnet.Addr()))
	}
	for i := range d.lab.Nodes {
		far := &d.lab.Nodes[i]
		if !far.Cluster || far.Name == n.Name {
			continue
		}
		for _, subnet := range far.PodSubnets {
			vtep := subnet.Addr()
			d.add(
				Route{NS: n.NS, Table: MainTable, To: subnet, Type: Unicast, Hop: Hop{Via: vtep, Dev: net.VXLANIface, OnLink: true}},
				Neigh{n.NS, net.VXLANIface, vtep, far.VXLANMAC},
			)
		}
		d.add(FDB{NS: n.NS, Dev: net.VXLANIface, MAC: far.VXLANMAC, Dst: far.Addrs()[0]})
	}
}

// flatNode wires n as flannel's host-gw backend does: a plain route to each
// other node.
func (d *desired) flatNode(n *labs.Node) {
	for i := range d.lab.Nodes {
		far := &d.lab.Nodes[i]
		if !far.Cluster || far.Name == n.Name {
			continue
		}
		for _, subnet := range far.PodSubnets {
			if via := sameFamily(far.Addrs(), subnet.Addr()); via.IsValid() {
				d.add(Route{NS: n.NS, Table: MainTable, To: subnet, Type: Unicast, Hop: Hop{Via: via, Dev: n.Interfaces[0].Name}})
			}
		}
	}
}

// routedNode wires n as Calico without encapsulation does. The node's own
// block is a blackhole, so that an address without a pod is lost here and not
// sent to the default gateway.
func (d *desired) routedNode(n *labs.Node) {
	d.flatNode(n)
	for _, subnet := range n.PodSubnets {
		d.add(Route{NS: n.NS, Table: MainTable, To: subnet, Type: Blackhole})
	}
}

// routedPod gives a pod an address of its own, without a subnet, and the node
// a route to exactly that address.
func (d *desired) routedPod(n *labs.Node, p *labs.Pod) {
	dev := p.HostIface
	d.sysctl(n.NS, "net.ipv4.conf."+dev+".proxy_arp", "1")
	d.sysctl(n.NS, "net.ipv4.neigh."+dev+".proxy_delay", "0")
	d.sysctl(n.NS, "net.ipv4.conf."+dev+".forwarding", "1")
	d.sysctl(n.NS, "net.ipv4.conf."+dev+".route_localnet", "1")
	d.sysctl(n.NS, "net.ipv4.conf."+dev+".rp_filter", "1")
	for _, a := range p.Addrs {
		d.add(Route{NS: n.NS, Table: MainTable, To: single(a.Addr()), Type: Unicast, Hop: Hop{Dev: dev}})
		gw := calicoGateway
		if a.Addr().Is6() {
			gw = calicoGateway6
			d.addr(n.NS, dev, netip.PrefixFrom(gw, 64))
		} else {
			d.add(Route{NS: p.NS, Table: MainTable, To: single(gw), Type: Unicast, Hop: Hop{Dev: PodIface}})
		}
		d.add(Route{NS: p.NS, Table: MainTable, To: defaultOf(gw), Type: Unicast, Hop: Hop{Via: gw, Dev: PodIface}})
	}
}
