package kubeproxy

import (
	"net/netip"
	"time"
)

// ServicePort is one port of a service, as kube-proxy knows it for one address
// family.
type ServicePort struct {
	Namespace string
	Service   string
	Name      string // of the port, may be empty
	Protocol  string // tcp, udp or sctp

	ClusterIP           netip.Addr
	Port                uint16
	NodePort            uint16 // 0: none
	HealthCheckNodePort uint16 // 0: none
	ExternalIPs         []netip.Addr
	LoadBalancerIPs     []netip.Addr
	SourceRanges        []netip.Prefix // allowed to use LoadBalancerIPs; empty: all

	InternalLocal bool          // internalTrafficPolicy: Local
	ExternalLocal bool          // externalTrafficPolicy: Local
	Affinity      time.Duration // of a client to its endpoint; 0: none

	Endpoints []Endpoint // in the order of their text
}

// Endpoint is one address behind a service port that serves.
type Endpoint struct {
	Addr        netip.AddrPort
	Local       bool // on the node the rules are for
	Terminating bool // serves still, but is going away
}

// String returns NAMESPACE/SERVICE, with :NAME where the port has a name.
func (p *ServicePort) String() string {
	s := p.Namespace + "/" + p.Service
	if p.Name != "" {
		s += ":" + p.Name
	}
	return s
}

// external reports whether p can be reached by other than its cluster address.
func (p *ServicePort) external() bool {
	return p.NodePort != 0 || len(p.ExternalIPs) > 0 || len(p.LoadBalancerIPs) > 0
}

// usesCluster reports whether any traffic goes to the endpoints of the whole
// cluster. Traffic from pods and from the node itself to an external address
// does even where externalTrafficPolicy is Local.
func (p *ServicePort) usesCluster() bool { return !p.InternalLocal || p.external() }

// usesLocal reports whether any traffic goes to endpoints of this node only.
func (p *ServicePort) usesLocal() bool {
	return p.InternalLocal || p.ExternalLocal && p.external()
}

// usable returns the endpoints for each traffic policy, all that can be
// reached from this node, and whether there are any in the cluster. Endpoints
// that are going away are used where there are no others, which is judged for
// each policy on its own.
func (p *ServicePort) usable() (cluster, local, reachable []Endpoint, served bool) {
	if p.usesCluster() {
		cluster = steady(p.Endpoints)
	}
	if p.usesLocal() {
		var here []Endpoint
		for _, e := range p.Endpoints {
			if e.Local {
				here = append(here, e)
			}
		}
		local = steady(here)
	}
	in := map[netip.AddrPort]bool{}
	for _, e := range append(cluster[:len(cluster):len(cluster)], local...) {
		in[e.Addr] = true
	}
	for _, e := range p.Endpoints {
		if in[e.Addr] {
			reachable = append(reachable, e)
		}
	}
	return cluster, local, reachable, len(p.Endpoints) > 0
}

// steady returns the endpoints that stay, or all if none does.
func steady(endpoints []Endpoint) []Endpoint {
	var staying []Endpoint
	for _, e := range endpoints {
		if !e.Terminating {
			staying = append(staying, e)
		}
	}
	if len(staying) == 0 {
		return endpoints
	}
	return staying
}
