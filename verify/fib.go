package verify

import (
	"cmp"
	"net/netip"
	"slices"

	"netlab/labs"
)

// Routing tables that every namespace has.
const (
	localTable = 255
	mainTable  = 254
)

// fib is what one node knows about ways: tables and the rules that choose one.
type fib struct {
	rules  []labs.Rule // by priority
	routes []way
}

// way is a route of a table.
type way struct {
	table  int
	to     netip.Prefix
	metric int
	hops   []Hop // several: ECMP; none: a blackhole
	local  bool  // the node itself
}

// packet is what a lookup depends on. The zero src and an empty iif are a
// packet that the node itself is about to send.
type packet struct {
	src, dst netip.Addr
	iif      string
}

// lookup returns the route that the kernel takes for p.
func (f *fib) lookup(p packet) (way, bool) {
	if w, ok := f.best(localTable, p.dst); ok {
		return w, true
	}
	for _, r := range f.rules {
		if r.IPv6 != p.dst.Is6() || r.To.IsValid() && !r.To.Contains(p.dst) {
			continue
		}
		if r.From.IsValid() && r.From.Bits() > 0 && (!p.src.IsValid() || !r.From.Contains(p.src)) {
			continue
		}
		if r.Iif != "" && r.Iif != cmp.Or(p.iif, loopback) {
			continue
		}
		if w, ok := f.best(r.Table, p.dst); ok {
			return w, len(w.hops) > 0
		}
	}
	w, ok := f.best(mainTable, p.dst)
	return w, ok && len(w.hops) > 0
}

// best returns the most specific route of a table, the one with the lowest
// metric among equals.
func (f *fib) best(table int, dst netip.Addr) (way, bool) {
	found := -1
	for i, w := range f.routes {
		if w.table != table || !w.to.Contains(dst) {
			continue
		}
		if found < 0 || w.to.Bits() > f.routes[found].to.Bits() ||
			w.to.Bits() == f.routes[found].to.Bits() && w.metric < f.routes[found].metric {
			found = i
		}
	}
	if found < 0 {
		return way{}, false
	}
	return f.routes[found], true
}

// newFIB returns what the lab gives node n.
func (t *network) newFIB(n *labs.Node) *fib {
	f := &fib{}
	for _, i := range n.Interfaces {
		for _, p := range i.Addrs {
			f.own(p.Addr())
			f.add(p.Masked(), Hop{Dev: i.Name, Src: p.Addr()})
		}
	}
	if n.Cluster {
		t.clusterRoutes(f, n)
	}
	for _, r := range n.Routes {
		w := way{table: r.Table, to: r.To, metric: r.Metric}
		for _, via := range r.Via {
			dev := cmp.Or(r.Dev, connected(n, via))
			w.hops = append(w.hops, Hop{Via: via, Dev: dev, Src: cmp.Or(r.Src, sourceOn(n, dev, via))})
		}
		if len(r.Via) == 0 {
			w.hops = []Hop{{Dev: r.Dev, Src: cmp.Or(r.Src, sourceOn(n, r.Dev, r.To.Addr()))}}
		}
		f.routes = append(f.routes, w)
	}
	f.rules = slices.SortedFunc(slices.Values(n.Rules), func(a, b labs.Rule) int { return cmp.Compare(a.Priority, b.Priority) })
	return f
}

func (f *fib) add(to netip.Prefix, hops ...Hop) {
	f.routes = append(f.routes, way{table: mainTable, to: to, hops: hops})
}

func (f *fib) own(a netip.Addr) {
	f.routes = append(f.routes, way{
		table: localTable, to: netip.PrefixFrom(a, a.BitLen()), local: true, hops: []Hop{{Dev: loopback, Src: a}},
	})
}

// clusterRoutes adds what makes n part of the pod network.
func (t *network) clusterRoutes(f *fib, n *labs.Node) {
	mode := t.lab.Network.Mode
	for i, subnet := range n.PodSubnets {
		if mode == labs.ModeRouted {
			f.add(subnet)
			continue
		}
		f.own(n.PodGateways[i])
		f.add(subnet, Hop{Dev: bridgeIface, Src: n.PodGateways[i]})
		if mode == labs.ModeVXLAN {
			f.own(subnet.Addr())
		}
	}
	if mode == labs.ModeRouted {
		for _, p := range t.lab.Pods {
			for _, a := range p.Addrs {
				if p.Node == n.Name {
					f.add(netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), Hop{Dev: p.HostIface, Src: sameFamily(n.Addrs(), a.Addr())})
				}
			}
		}
	}
	for i := range t.lab.Nodes {
		far := &t.lab.Nodes[i]
		if !far.Cluster || far == n || mode == labs.ModeNone {
			continue
		}
		for _, subnet := range far.PodSubnets {
			if mode == labs.ModeVXLAN {
				f.add(subnet, Hop{Via: subnet.Addr(), Dev: t.lab.Network.VXLANIface, Src: vtep(n, subnet.Addr())})
			} else if via := sameFamily(far.Addrs(), subnet.Addr()); via.IsValid() {
				dev := n.Interfaces[0].Name
				f.add(subnet, Hop{Via: via, Dev: dev, Src: sourceOn(n, dev, via)})
			}
		}
	}
	t.defaultRoutes(f, n)
}

// defaultRoutes adds the default route that a node of the cluster gets unless
// the author gave it one, or routes to what must be routable where there is no
// gateway.
func (t *network) defaultRoutes(f *fib, n *labs.Node) {
	first := n.Interfaces[0]
	for _, a := range first.Addrs {
		if slices.ContainsFunc(n.Routes, func(r labs.Route) bool {
			return r.Table == mainTable && r.To.Bits() == 0 && r.To.Addr().Is4() == a.Addr().Is4()
		}) {
			continue
		}
		if gw := t.gatewayOf(first, a); gw.IsValid() {
			f.add(netip.PrefixFrom(zero(gw), 0), Hop{Via: gw, Dev: first.Name, Src: a.Addr()})
			continue
		}
		for _, to := range t.lab.Network.ServiceCIDRs {
			if to.Addr().Is4() == a.Addr().Is4() {
				f.add(to, Hop{Dev: first.Name, Src: a.Addr()})
			}
		}
	}
}

// gatewayOf returns the gateway of the subnet in which a is: its first address,
// if the bridge or a router on it holds it.
func (t *network) gatewayOf(i labs.Interface, a netip.Prefix) netip.Addr {
	gw := a.Masked().Addr().Next()
	if t.ownerOn(i.Bridge, gw) == "" && !slices.Contains(t.bridgeAddrs[i.Bridge], gw) {
		return netip.Addr{}
	}
	if gw == a.Addr() {
		return netip.Addr{}
	}
	return gw
}

func zero(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// vtep returns the address of the VXLAN device of n.
func vtep(n *labs.Node, like netip.Addr) netip.Addr {
	for _, p := range n.PodSubnets {
		if p.Addr().Is4() == like.Is4() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// connected returns the interface of n in whose subnet a lies.
func connected(n *labs.Node, a netip.Addr) string {
	for _, i := range n.Interfaces {
		if slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return i.Name
		}
	}
	return ""
}

// sourceOn returns the address that packets get which n sends through dev: one
// of dev, preferably in the subnet of the next hop, otherwise any other of n.
func sourceOn(n *labs.Node, dev string, hop netip.Addr) netip.Addr {
	var first netip.Addr
	for _, i := range n.Interfaces {
		for _, p := range i.Addrs {
			switch {
			case i.Name != dev || p.Addr().Is4() != hop.Is4():
			case p.Contains(hop):
				return p.Addr()
			case !first.IsValid():
				first = p.Addr()
			}
		}
	}
	if first.IsValid() {
		return first
	}
	return sameFamily(n.Addrs(), hop)
}
