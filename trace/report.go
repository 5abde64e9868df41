package trace

import (
	"net/netip"
	"slices"

	"netlab/labs"
	"netlab/provision"
)

// Report is everything there is to say about an exchange.
type Report struct {
	Lab       string
	From, To  string // as people call them
	Trace     Trace
	Expected  []Way // from the lab file; several where rules draw lots
	Names     Names
	VXLANPort uint16
	Silence   string // why nothing answers a packet that arrived, "" if something does
	Parting   string // where the way that was seen leaves the expected one, "" if nowhere

	// Suspect is the object of the lab that is not as its file says and is to
	// blame for that; the zero Key if none is, or before [Report.Diagnose].
	Suspect provision.Key
}

// Names are what people call things of a lab.
type Names struct {
	spaces map[string]string // by namespace
	addrs  map[netip.Addr]string
	kinds  map[string]string // "pod", "node" or "bridge", by namespace
	homes  map[string]string // node of a pod, by namespace
}

// NamesOf returns the names of a lab.
func NamesOf(lab *labs.Lab) Names {
	n := Names{spaces: map[string]string{}, addrs: map[netip.Addr]string{}, kinds: map[string]string{}, homes: map[string]string{}}
	for _, b := range lab.Bridges {
		n.spaces[b.NS], n.kinds[b.NS] = b.Name, "bridge"
		for _, g := range b.Gateways {
			n.addrs[g.Addr()] = b.Name
		}
	}
	for i := range lab.Nodes {
		node := &lab.Nodes[i]
		n.spaces[node.NS], n.kinds[node.NS] = node.Name, "node"
		for _, f := range node.Interfaces {
			for _, a := range f.Addrs {
				n.addrs[a.Addr()] = node.Name
			}
		}
		for _, a := range node.PodGateways {
			n.addrs[a] = node.Name
		}
		for _, p := range node.PodSubnets {
			if _, ok := n.addrs[p.Addr()]; !ok && lab.Network.Mode == labs.ModeVXLAN {
				n.addrs[p.Addr()] = node.Name
			}
		}
	}
	for i := range lab.Pods {
		p := &lab.Pods[i]
		name := p.Name
		if p.Namespace != "default" {
			name = p.ID()
		}
		n.spaces[p.NS], n.kinds[p.NS] = name, "pod"
		if node := lab.Node(p.Node); node != nil {
			n.homes[p.NS] = node.Name
		}
		for _, a := range p.Addrs {
			n.addrs[a.Addr()] = name
		}
	}
	for _, s := range lab.Services {
		name := s.Name
		if s.Namespace != "default" {
			name = s.ID()
		}
		for _, a := range slices.Concat(s.ClusterIPs, s.ExternalIPs) {
			n.addrs[a] = name
		}
	}
	return n
}

// Space returns the name of a namespace's owner.
func (n Names) Space(ns string) string {
	if name, ok := n.spaces[ns]; ok {
		return name
	}
	return ns
}

// Addr returns the name of what has an address, or "".
func (n Names) Addr(a netip.Addr) string { return n.addrs[a] }
