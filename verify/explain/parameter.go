package explain

import (
	"strconv"

	"netlab/labs"
	"netlab/trace"
	"netlab/verify"
)

// Parameter is a kernel parameter by which packets are lost when it is not what
// it is in a new network namespace.
type Parameter struct {
	Name   string  // with dots; a star stands for an interface
	loses  traffic // what may be lost
	family family
	enough int // from this value on nothing is lost; 0: any other value may lose something
}

// traffic is a set of kinds of packets.
type traffic uint

const (
	pings     traffic = 1 << iota // ICMP that asks and answers
	streams                       // TCP
	datagrams                     // UDP
	refusals                      // ICMP that tells of an error
	fragments                     // of packets that are larger than a link takes

	everything = pings | streams | datagrams
)

// family is that of the packets.
type family int

const (
	both family = iota
	only4
	only6
)

// Parameters are those that are looked at where a packet ended. What the lab sets
// by itself is told before anybody looks here.
var Parameters = []Parameter{
	{"net.ipv4.icmp_echo_ignore_all", pings, only4, 0},
	{"net.ipv6.icmp.echo_ignore_all", pings, only6, 0},
	{"net.ipv4.icmp_ratelimit", pings | refusals, only4, 0},
	{"net.ipv4.icmp_ratemask", pings | refusals, only4, 0},
	{"net.ipv6.icmp.ratelimit", pings | refusals, only6, 0},
	{"net.ipv4.ip_default_ttl", everything, only4, 0},
	{"net.ipv6.conf.*.hop_limit", everything, only6, 0},
	{"net.ipv4.ipfrag_high_thresh", fragments, only4, 0},
	{"net.ipv4.ipfrag_time", fragments, only4, 0},
	{"net.ipv6.ip6frag_high_thresh", fragments, only6, 0},
	{"net.ipv4.conf.*.arp_ignore", everything, only4, 0},
	{"net.ipv4.conf.*.arp_filter", everything, only4, 0},
	{"net.ipv4.conf.*.rp_filter", everything, only4, 0},
	{"net.ipv6.conf.*.disable_ipv6", everything, only6, 0},
	{"net.ipv4.neigh.*.mcast_solicit", everything, only4, 1},
	{"net.ipv6.neigh.*.mcast_solicit", everything, only6, 1},
	{"net.ipv4.neigh.*.app_solicit", everything, only4, 0},
	{"net.ipv6.neigh.*.app_solicit", everything, only6, 0},
	{"net.ipv4.neigh.*.unres_qlen_bytes", everything, only4, 4096},
	{"net.netfilter.nf_conntrack_tcp_timeout_syn_sent", streams, both, 60},
	{"net.netfilter.nf_conntrack_tcp_timeout_syn_recv", streams, both, 60},
	{"net.netfilter.nf_conntrack_tcp_timeout_established", streams, both, 60},
	{"net.netfilter.nf_conntrack_tcp_timeout_max_retrans", streams, both, 60},
	{"net.netfilter.nf_conntrack_tcp_timeout_unacknowledged", streams, both, 60},
	{"net.netfilter.nf_conntrack_tcp_loose", streams, both, 0},
	{"net.netfilter.nf_conntrack_udp_timeout", datagrams, both, 30},
	{"net.netfilter.nf_conntrack_udp_timeout_stream", datagrams, both, 30},
	{"net.netfilter.nf_conntrack_icmp_timeout", pings, only4, 30},
	{"net.netfilter.nf_conntrack_icmpv6_timeout", pings, only6, 30},
	{"net.ipv4.ip_local_reserved_ports", streams | datagrams, both, 0},
	{"net.ipv4.ip_local_port_range", streams | datagrams, both, 0},
	{"net.ipv4.tcp_rmem", streams, both, 0},
	{"net.ipv4.tcp_wmem", streams, both, 0},
	{"net.ipv4.tcp_notsent_lowat", streams, both, 1500},
	{"net.ipv4.tcp_syncookies", streams, both, 0},
	{"net.core.somaxconn", streams, both, 128},
}

// Loses reports whether packets may be lost by a value that is not that of a new
// namespace.
func (p Parameter) Loses(value string) bool {
	n, err := strconv.Atoi(value)
	return p.enough == 0 || err != nil || n < p.enough
}

// trafficOf are the packets of a check.
func trafficOf(c *verify.Check) traffic {
	var t traffic
	switch protoOfKind(c) {
	case trace.ProtoTCP:
		t = streams
	case trace.ProtoUDP:
		t = datagrams
	default:
		t = pings
	}
	if c.Want != labs.Reachable {
		t |= refusals
	}
	if c.Kind == verify.Size {
		t |= fragments
	}
	return t
}

// concerns reports whether packets of a check may be lost by p.
func (p Parameter) concerns(c *verify.Check) bool {
	if p.family == only6 && !c.Addr.Is6() || p.family == only4 && c.Addr.Is6() {
		return false
	}
	return p.loses&trafficOf(c) != 0
}
