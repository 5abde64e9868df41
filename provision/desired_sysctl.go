package provision

import (
	"net/netip"
	"strings"

	"netlab/labs"
)

func (d *desired) sysctl(ns, name, value string) {
	// The kernel separates several numbers by tabs, people by whatever.
	d.add(Sysctl{NS: ns, Name: name, Dev: sysctlDevice(name), Value: strings.Join(strings.Fields(value), " ")})
}

// sysctlDevice returns the interface that a parameter belongs to, or "":
// net.ipv4.conf.DEV.forwarding, net.ipv6.neigh.DEV.proxy_delay.
func sysctlDevice(name string) string {
	parts := strings.Split(name, ".")
	if len(parts) < 5 || parts[0] != "net" || (parts[2] != "conf" && parts[2] != "neigh") {
		return ""
	}
	dev := strings.Join(parts[3:len(parts)-1], ".")
	if dev == "all" || dev == "default" {
		return ""
	}
	return dev
}

// addr adds an address. A device on which IPv6 was switched off loses all its
// addresses and takes none, so that it is on belongs to one of IPv6.
func (d *desired) addr(ns, dev string, p netip.Prefix) {
	if p.Addr().Is6() {
		d.sysctl(ns, "net.ipv6.conf."+dev+".disable_ipv6", "0")
	}
	d.add(Addr{NS: ns, Dev: dev, Prefix: p})
}

// hush keeps a namespace of a lab without IPv6 from sending anything by
// itself: no link-local address, so no neighbour discovery, router
// solicitation or multicast report in a capture. It must stand before links
// appear. With IPv6, addresses are used at once instead of being probed first.
func (d *desired) hush(ns string) {
	if !d.ipv6 {
		d.sysctl(ns, "net.ipv6.conf.default.addr_gen_mode", "1")
		return
	}
	d.sysctl(ns, "net.ipv6.conf.all.disable_ipv6", "0")
	d.sysctl(ns, "net.ipv6.conf.default.addr_gen_mode", "0") // a lab that had no IPv6 before
	d.sysctl(ns, "net.ipv6.conf.default.accept_dad", "0")
	d.sysctl(ns, "net.ipv6.conf.default.accept_ra", "0")
}

// nodeSysctls sets what a node depends on, always and explicitly: a namespace
// inherits IPv4 settings from the host, and hosts differ.
func (d *desired) nodeSysctls(n *labs.Node) {
	values := map[string]string{
		"net.ipv4.ip_forward":             bit(n.Forwards()),
		"net.ipv4.conf.all.rp_filter":     "0",
		"net.ipv4.conf.default.rp_filter": "0",
	}
	if d.ipv6 {
		values["net.ipv6.conf.all.forwarding"] = bit(n.Forwards())
	}
	if n.Cluster {
		// Without it a reply between two pods of one bridge never meets the
		// conntrack entry that has to translate it back.
		values["net.bridge.bridge-nf-call-iptables"] = "1"
		// kube-proxy sets it for NodePorts on localhost.
		values["net.ipv4.conf.all.route_localnet"] = "1"
		if d.ipv6 {
			values["net.bridge.bridge-nf-call-ip6tables"] = "1"
		}
	}
	for _, s := range n.Sysctls {
		values[s.Name] = s.Value
	}
	d.hush(n.NS)
	for name, value := range values {
		d.sysctl(n.NS, name, value)
	}
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
