package labs

// calicoMAC is what Calico gives the host's end of every pod's cable.
var calicoMAC = MAC{0xee, 0xee, 0xee, 0xee, 0xee, 0xee}

// finish gives everything its names in the kernel and its MACs.
func (r *resolver) finish() {
	ns := func(name string) string { return r.lab.Name + "." + name }
	m := macs{taken: map[MAC]bool{}, next: map[string]int{}}
	for i := range r.lab.Bridges {
		b := &r.lab.Bridges[i]
		b.NS = ns(b.Name)
		b.MAC = m.of("bridge/" + b.Name)
	}
	r.finishNodes(ns, m)
	taken := map[[2]string]owner{} // by node and interface
	for _, p := range r.pods {
		p.NS = ns(p.Name)
		if p.Namespace != defaultNamespace {
			p.NS = ns(p.Namespace + "." + p.Name)
		}
		p.MAC = m.of("pod/" + p.ID() + "/eth0")
		p.HostMAC = calicoMAC
		if r.lab.Network.Mode != ModeRouted {
			p.HostMAC = m.of("pod/" + p.ID() + "/host")
		}
		if !p.spec.Name.OK() || p.node == nil {
			continue
		}
		p.HostIface = hostIface(p.Pod, r.lab.Network.Mode)
		r.claimIface(taken, p.Node, p.HostIface, owner{"pod " + quote(p.Name), p.spec.Name.Pos}, p.spec.Name.Place)
	}
}

// finishNodes names what belongs to nodes.
func (r *resolver) finishNodes(ns func(string) string, m macs) {
	ports := map[[2]string]owner{} // by bridge and port
	for _, n := range r.nodes {
		n.NS = ns(n.Name)
		if n.Cluster {
			n.BridgeMAC = m.of("node/" + n.Name + "/cni0")
			n.VXLANMAC = m.of("node/" + n.Name + "/vxlan")
		}
		plugged := map[string]bool{}
		for k := range n.Interfaces {
			i := &n.Interfaces[k]
			i.MAC = m.of("node/" + n.Name + "/iface/" + i.Name)
			if i.Bridge == "" {
				continue
			}
			i.Port = bridgePort(n.Name, i.Name, !plugged[i.Bridge])
			i.PortMAC = m.of("bridge/" + i.Bridge + "/" + n.Name + "/" + i.Name)
			plugged[i.Bridge] = true
			if n.spec.Name.OK() && i.Name != "" {
				r.claimIface(ports, i.Bridge, i.Port, owner{n.Name + ":" + i.Name, n.ifaces[k].place.Pos}, n.ifaces[k].place)
			}
		}
	}
}

// claimIface records a name that netlab gave to an interface in a namespace.
// Names that were cut can be the same, if hardly ever.
func (r *resolver) claimIface(taken map[[2]string]owner, namespace, name string, o owner, at Place) {
	k := [2]string{namespace, name}
	before, twice := taken[k]
	if !twice {
		taken[k] = o
		return
	}
	if before.what == o.what {
		return // the same name twice, which has been reported
	}
	r.errorf(at, "give one of them another name", "%s and %s collide after shortening: on %s both interfaces would be called %s", o.what, before, namespace, name)
}
