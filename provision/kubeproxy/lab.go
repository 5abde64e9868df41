package kubeproxy

import (
	"net/netip"
	"strings"

	"netlab/labs"
	"netlab/provision/netfilter"
)

// Rules adds the rules that kube-proxy with default options writes on a node
// of the lab, for one address family.
func Rules(b *netfilter.Builder, lab *labs.Lab, node *labs.Node, ipv6 bool) {
	Write(b, ConfigOf(lab, node, ipv6), Ports(lab, node, ipv6))
}

// ConfigOf returns how kube-proxy is set up on a node of the lab.
func ConfigOf(lab *labs.Lab, node *labs.Node, ipv6 bool) Config {
	c := Config{IPv6: ipv6, LocalhostNodePorts: !ipv6}
	for _, p := range lab.Network.PodCIDRs {
		if p.Addr().Is6() == ipv6 {
			c.ClusterCIDR = p
		}
	}
	for _, a := range node.Addrs() {
		if a.Is6() == ipv6 {
			c.NodeIP = a
		}
	}
	return c
}

// Ports returns the ports of the lab's services as kube-proxy on a node sees
// them, in the order of the lab file. Headless services have no rules, and
// services without a cluster address of the family have none in it.
func Ports(lab *labs.Lab, node *labs.Node, ipv6 bool) []ServicePort {
	var ports []ServicePort
	for i := range lab.Services {
		s := &lab.Services[i]
		ip := ofFamily(s.ClusterIPs, ipv6)
		if s.Headless || len(ip) == 0 {
			continue
		}
		for _, port := range s.Ports {
			p := ServicePort{
				Namespace:     s.Namespace,
				Service:       s.Name,
				Name:          port.Name,
				Protocol:      strings.ToLower(string(port.Protocol)),
				ClusterIP:     ip[0],
				Port:          port.Port,
				NodePort:      port.NodePort,
				ExternalIPs:   ofFamily(s.ExternalIPs, ipv6),
				InternalLocal: s.InternalLocal,
				ExternalLocal: s.ExternalLocal,
			}
			if s.Affinity {
				p.Affinity = s.AffinityFor
			}
			for _, e := range port.Endpoints {
				if e.Addr.Is6() == ipv6 {
					p.Endpoints = append(p.Endpoints, Endpoint{
						Addr:  netip.AddrPortFrom(e.Addr, e.Port),
						Local: e.Node == node.Name,
					})
				}
			}
			ports = append(ports, p)
		}
	}
	return ports
}

func ofFamily(addrs []netip.Addr, ipv6 bool) []netip.Addr {
	var some []netip.Addr
	for _, a := range addrs {
		if a.Is6() == ipv6 {
			some = append(some, a)
		}
	}
	return some
}
