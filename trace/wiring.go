package trace

import (
	"net/netip"
	"slices"

	"netlab/labs"
)

// station is an interface that frames end at: one that is no port of a bridge.
type station struct {
	ns  string
	dev string
	mac labs.MAC
}

// stations lists who is on the wire behind an interface, the interface itself
// not among them.
func (g ground) stations(ns, dev string) []station {
	l := g.at(ns)
	d := l.links[dev]
	switch {
	case d == nil || !d.up:
		return nil
	case d.bridge:
		return g.onBridge(ns, dev, "")
	case d.peer == nil:
		return nil
	}
	far := g.at(d.peer.NS)
	p := far.links[d.peer.Name]
	if p == nil || !p.up {
		return nil
	}
	if port, ok := far.ports[p.name]; ok {
		list := g.onBridge(far.ns, port.Bridge, p.name)
		if b := far.links[port.Bridge]; b != nil && b.up {
			list = append(list, station{far.ns, b.name, b.mac})
		}
		return list
	}
	return []station{{far.ns, p.name, p.mac}}
}

// onBridge lists who is behind the ports of a bridge but one.
func (g ground) onBridge(ns, bridge, but string) []station {
	var list []station
	for _, name := range g.portsOf(ns, bridge) {
		if name != but {
			list = append(list, g.stations(ns, name)...)
		}
	}
	return list
}

// portsOf lists the ports of a bridge.
func (g ground) portsOf(ns, bridge string) []string {
	var ports []string
	for dev, p := range g.at(ns).ports {
		if p.Bridge == bridge {
			ports = append(ports, dev)
		}
	}
	slices.Sort(ports)
	return ports
}

// whoHas returns the MAC that answers for an address on the wire behind an
// interface, as ARP and neighbour discovery find it.
func (g ground) whoHas(ns, dev string, ip netip.Addr) (labs.MAC, bool) {
	if mac, ok := g.at(ns).neighs[hostOn{dev, ip}]; ok {
		return mac, true
	}
	for _, s := range g.stations(ns, dev) {
		l := g.at(s.ns)
		if l.local(ip) {
			return s.mac, true
		}
		// By proxy, for what is reached through another interface.
		if ip.Is4() && l.on("net.ipv4.conf."+s.dev+".proxy_arp") {
			for _, a := range l.lookup(Lookup{NS: s.ns, Dst: ip}) {
				if a.Err == "" && !a.Local && a.Dev != s.dev {
					return s.mac, true
				}
			}
		}
	}
	return labs.MAC{}, false
}

// portTo returns the port of a bridge behind which a MAC is.
func (g ground) portTo(ns, bridge string, mac labs.MAC) (string, bool) {
	for _, port := range g.portsOf(ns, bridge) {
		if _, ok := g.at(ns).fdb[macOn{port, mac}]; ok {
			return port, true
		}
	}
	for _, port := range g.portsOf(ns, bridge) {
		if slices.ContainsFunc(g.stations(ns, port), func(s station) bool { return s.mac == mac }) {
			return port, true
		}
	}
	return "", false
}
