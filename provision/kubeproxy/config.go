package kubeproxy

import (
	"net/netip"
	"slices"
)

// Config is how kube-proxy is set up, for one address family. The zero Config
// is IPv4 without a way to tell pods from others.
type Config struct {
	IPv6               bool
	ClusterCIDR        netip.Prefix // where pods have addresses; zero: unknown
	NodeIP             netip.Addr   // of the node, for the source ranges of load balancers
	MasqueradeAll      bool         // --masquerade-all
	LocalhostNodePorts bool         // --iptables-localhost-nodeports, kube-proxy's default; IPv4 only
	NodePortAddresses  []netip.Addr // of the node, those that serve NodePorts; empty: all
	ConntrackLiberal   bool         // the kernel accepts packets out of window: nf_conntrack_tcp_be_liberal
}

// localhost reports whether NodePorts are served on loopback addresses.
func (c *Config) localhost() bool {
	return c.LocalhostNodePorts && !c.IPv6 &&
		(len(c.NodePortAddresses) == 0 || slices.ContainsFunc(c.NodePortAddresses, netip.Addr.IsLoopback))
}
