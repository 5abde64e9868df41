package trace

import (
	"fmt"
	"net/netip"

	"netlab/labs"
)

// Ends are the two ends of an exchange.
type Ends struct {
	NS    string // namespace that the packet is sent in
	Name  string // of its owner
	Dst   netip.AddrPort
	Proto Proto
}

// EndsOf finds what from and to stand for. Where both ends have addresses of
// both families, IPv4 is taken unless ipv6 is set.
func EndsOf(lab *labs.Lab, from labs.Ref, to labs.Target, ipv6 bool) (Ends, error) {
	e := Ends{Name: from.String()}
	var mine []netip.Addr
	switch from.Kind {
	case labs.RefPod:
		p := lab.Pod(from.Namespace, from.Name)
		e.NS, mine = p.NS, addrsOf(p.Addrs)
	case labs.RefNode:
		n := lab.Node(from.Name)
		e.NS = n.NS
		for _, i := range n.Interfaces {
			mine = append(mine, addrsOf(i.Addrs)...)
		}
	case labs.RefBridge:
		b := lab.Bridge(from.Name)
		e.NS, mine = b.NS, addrsOf(b.Gateways)
	case labs.RefAddr:
		owner, ok := ownerOf(lab, from.Addr)
		if !ok {
			return e, fmt.Errorf("nothing in the lab has the address %s", from.Addr)
		}
		return EndsOf(lab, owner, to, from.Addr.Is6())
	default:
		return e, fmt.Errorf("%s is no place that packets come from: name a pod, a node or a bridge", from)
	}
	dst, err := destination(lab, to, mine, ipv6)
	if err != nil {
		return e, err
	}
	e.Dst = netip.AddrPortFrom(dst, to.Port)
	switch {
	case to.Port != 0 && to.Protocol == labs.UDP:
		e.Proto = ProtoUDP
	case to.Port != 0:
		e.Proto = ProtoTCP
	case dst.Is6():
		e.Proto = ProtoICMP6
	default:
		e.Proto = ProtoICMP
	}
	return e, nil
}

// destination chooses the address of a target.
func destination(lab *labs.Lab, to labs.Target, mine []netip.Addr, ipv6 bool) (netip.Addr, error) {
	var theirs []netip.Addr
	switch to.Ref.Kind {
	case labs.RefAddr:
		return to.Ref.Addr, nil
	case labs.RefPod:
		theirs = addrsOf(lab.Pod(to.Ref.Namespace, to.Ref.Name).Addrs)
	case labs.RefNode:
		theirs = lab.Node(to.Ref.Name).Addrs()
	case labs.RefBridge:
		theirs = addrsOf(lab.Bridge(to.Ref.Name).Gateways)
	case labs.RefService:
		s := lab.Service(to.Ref.Namespace, to.Ref.Name)
		theirs = s.ClusterIPs
		if s.Headless { // its name stands for its endpoints
			for _, p := range s.Ports {
				for _, e := range p.Endpoints {
					theirs = append(theirs, e.Addr)
				}
			}
		}
	}
	var found netip.Addr
	for _, a := range theirs {
		if !found.IsValid() || a.Is6() == ipv6 && found.Is6() != ipv6 {
			if len(mine) == 0 || hasFamily(mine, a) {
				found = a
			}
		}
	}
	if !found.IsValid() {
		return found, fmt.Errorf("%s has no address that packets could be sent to", to.Ref)
	}
	return found, nil
}

func hasFamily(list []netip.Addr, like netip.Addr) bool {
	for _, a := range list {
		if a.Is6() == like.Is6() {
			return true
		}
	}
	return false
}

func addrsOf(list []netip.Prefix) []netip.Addr {
	addrs := make([]netip.Addr, len(list))
	for i, p := range list {
		addrs[i] = p.Addr()
	}
	return addrs
}

// ownerOf returns the pod, node or bridge that has an address.
func ownerOf(lab *labs.Lab, a netip.Addr) (labs.Ref, bool) {
	for i := range lab.Pods {
		for _, x := range lab.Pods[i].Addrs {
			if x.Addr() == a {
				return labs.Ref{Kind: labs.RefPod, Namespace: lab.Pods[i].Namespace, Name: lab.Pods[i].Name}, true
			}
		}
	}
	for i := range lab.Nodes {
		n := &lab.Nodes[i]
		for _, f := range n.Interfaces {
			for _, x := range f.Addrs {
				if x.Addr() == a {
					return labs.Ref{Kind: labs.RefNode, Name: n.Name}, true
				}
			}
		}
		for _, g := range n.PodGateways {
			if g == a {
				return labs.Ref{Kind: labs.RefNode, Name: n.Name}, true
			}
		}
	}
	for _, b := range lab.Bridges {
		for _, x := range b.Gateways {
			if x.Addr() == a {
				return labs.Ref{Kind: labs.RefBridge, Name: b.Name}, true
			}
		}
	}
	return labs.Ref{}, false
}
