package provision

import (
	"net/netip"

	"netlab/labs"
	"netlab/provision/kubeproxy"
	"netlab/provision/netfilter"
)

// rulesets adds the netfilter rules of a node: the services' in kube-proxy's
// words, the network's masquerade, and the author's.
func (d *desired) rulesets(n *labs.Node) {
	for _, ipv6 := range []bool{false, true} {
		if ipv6 && !d.ipv6 {
			continue
		}
		b := netfilter.NewBuilder(ipv6)
		var udp kubeproxy.UDPBackends
		if n.Cluster {
			ports := kubeproxy.Ports(d.lab, n, ipv6)
			d.proxy.Write(b, kubeproxy.ConfigOf(d.lab, n, ipv6), ports)
			udp = kubeproxy.UDPBackendsOf(ports)
			d.networkRules(b, n, ipv6)
		}
		masquerade(b, n.Masquerade, ipv6)
		if text := b.Build(); text != "" {
			d.add(Ruleset{NS: n.NS, IPv6: ipv6, Text: text, UDP: udp})
		}
	}
}

// networkRules lets pods leave the cluster under their node's address.
func (d *desired) networkRules(b *netfilter.Builder, n *labs.Node, ipv6 bool) {
	cluster := prefixOf(d.lab.Network.PodCIDRs, ipv6)
	local := prefixOf(n.PodSubnets, ipv6)
	if !cluster.IsValid() || !local.IsValid() {
		return
	}
	switch d.lab.Network.Mode {
	case labs.ModeVXLAN, labs.ModeFlat:
		flannelRules(b, cluster.String(), local.String(), ipv6)
	case labs.ModeRouted:
		calicoRules(b, cluster.String())
	}
}

// flannelRules are those of flannel-io/flannel pkg/trafficmngr/iptables.
func flannelRules(b *netfilter.Builder, cluster, local string, ipv6 bool) {
	multicast := "224.0.0.0/4"
	if ipv6 {
		multicast = "ff00::/8"
	}
	const masq = ` -m comment --comment "flanneld masq"`
	b.Rule("nat", `-A POSTROUTING`+masq+` -j FLANNEL-POSTRTG`)
	for _, rule := range []string{
		`-m mark --mark 0x4000/0x4000` + masq + ` -j RETURN`,
		`-s ` + local + ` -d ` + cluster + masq + ` -j RETURN`,
		`-s ` + cluster + ` -d ` + local + masq + ` -j RETURN`,
		`! -s ` + cluster + ` -d ` + local + masq + ` -j RETURN`,
		`-s ` + cluster + ` ! -d ` + multicast + masq + ` -j MASQUERADE --random-fully`,
		`! -s ` + cluster + ` -d ` + cluster + masq + ` -j MASQUERADE --random-fully`,
	} {
		b.Rule("nat", `-A FLANNEL-POSTRTG `+rule)
	}
	const forward = ` -m comment --comment "flanneld forward"`
	b.Rule("filter", `-A FORWARD`+forward+` -j FLANNEL-FWD`)
	b.Rule("filter", `-A FLANNEL-FWD -s `+cluster+forward+` -j ACCEPT`)
	b.Rule("filter", `-A FLANNEL-FWD -d `+cluster+forward+` -j ACCEPT`)
}

// calicoRules masquerade as an IP pool with natOutgoing does: what comes from
// the pool and goes anywhere else (projectcalico/calico felix/rules/nat.go,
// where sets stand for the two prefixes).
func calicoRules(b *netfilter.Builder, pool string) {
	b.Rule("nat", `-A POSTROUTING -j cali-POSTROUTING`)
	b.Rule("nat", `-A cali-POSTROUTING -j cali-nat-outgoing`)
	b.Rule("nat", `-A cali-nat-outgoing -s `+pool+` ! -d `+pool+` -j MASQUERADE --random-fully`)
}

func masquerade(b *netfilter.Builder, list []labs.Masquerade, ipv6 bool) {
	const note = ` -m comment --comment "netlab masquerade"`
	jump := false
	for _, m := range list {
		if m.From.Addr().Is6() != ipv6 {
			continue
		}
		if !jump {
			b.Rule("nat", `-A POSTROUTING`+note+` -j NETLAB-MASQUERADE`)
			jump = true
		}
		b.Rule("nat", `-A NETLAB-MASQUERADE -s `+m.From.String()+` -o `+m.Out+` -j MASQUERADE`)
	}
}

func prefixOf(prefixes []netip.Prefix, ipv6 bool) netip.Prefix {
	for _, p := range prefixes {
		if p.Addr().Is6() == ipv6 {
			return p
		}
	}
	return netip.Prefix{}
}
