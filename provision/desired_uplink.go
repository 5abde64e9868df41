package provision

import (
	"net/netip"
	"slices"

	"netlab/labs"
	"netlab/provision/netfilter"
)

// linkLocal is never forwarded (RFC 3927, section 7). Clouds keep things there
// that are the host's and not the lab's, credentials among them.
var linkLocal = netip.MustParsePrefix("169.254.0.0/16")

// uplinked reports whether b is joined to the host. An uplink is IPv4 only:
// forwarding IPv6 would take the host its own router, which it no longer
// listens to when it forwards.
func uplinked(b *labs.Bridge) bool {
	return b.Uplink && slices.ContainsFunc(b.Gateways, func(p netip.Prefix) bool { return p.Addr().Is4() })
}

// uplink joins a bridge to the host. Its namespace is the router between the
// two: it hides the lab behind the one address that the host sees, and keeps
// back what belongs to the lab and is lost, which must not find its way to
// something of the host's with the same address.
func (d *desired) uplink(b *labs.Bridge) {
	u := uplink{lab: d.lab.Name, bridge: b.Name, ns: b.NS}
	d.uplinks = append(d.uplinks, u)
	d.sysctl(b.NS, "net.ipv4.conf.all.rp_filter", "1") // what has no way back does not go out
	for _, p := range d.kept(b) {
		d.add(Route{NS: b.NS, Table: MainTable, To: p, Type: Blackhole})
	}
	rules := netfilter.NewBuilder(false)
	rules.Rule("nat", `-A POSTROUTING -m comment --comment "netlab uplink" -j NETLAB-UPLINK`)
	rules.Rule("nat", `-A NETLAB-UPLINK -o `+UplinkIface+` -j MASQUERADE`)
	d.add(u.veth(d.lab.Network.MTU), HostForwarding{d.lab.Name, "1"}, Ruleset{NS: b.NS, Text: rules.Build()})
	d.add(u.forwards()...)
	d.add(u.at(u.preferred())...)
}

// kept lists the IPv4 ranges that must not leave through the uplink of b: all
// that the lab uses elsewhere.
func (d *desired) kept(b *labs.Bridge) []netip.Prefix {
	all := []netip.Prefix{linkLocal}
	for _, s := range d.lab.Subnets {
		if s.Name != b.Subnet {
			all = append(all, s.Prefixes...)
		}
	}
	for _, n := range d.lab.Nodes {
		for _, i := range n.Interfaces {
			for _, a := range i.Addrs {
				if i.Bridge == "" {
					all = append(all, a.Masked())
				}
			}
		}
	}
	return slices.DeleteFunc(all, func(p netip.Prefix) bool { return !p.Addr().Is4() })
}
