package labs

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// resolveAddresses gives every interface its addresses: first those that are
// written, then the free ones in the order of the list.
func (r *resolver) resolveAddresses() {
	r.eachIface((*resolver).readIP)
	cables := map[netip.Addr]owner{}
	r.eachIface(func(r *resolver, i *iface) {
		switch {
		case i.bridge != nil && i.bridge.subnet != nil:
			r.explicit(i)
		case i.peer != nil:
			r.cableAddrs(i, cables)
		}
	})
	r.eachIface(func(r *resolver, i *iface) {
		switch {
		case i.bridge != nil && i.bridge.subnet != nil:
			r.automatic(i)
		case i.peer != nil:
			r.followsFromFarEnd(i, cables)
		}
	})
	r.resolveGateways()
	for _, n := range r.nodes {
		for _, i := range n.ifaces {
			n.Interfaces = append(n.Interfaces, i.Interface)
		}
	}
}

func (r *resolver) eachIface(do func(*resolver, *iface)) {
	for _, n := range r.nodes {
		for _, i := range n.ifaces {
			do(r, i)
		}
	}
}

// readIP reads the addresses that the author wrote for i.
func (r *resolver) readIP(i *iface) {
	if i.spec == nil {
		return
	}
	for _, ip := range i.spec.IP.Items {
		p, ok := r.ifaceAddress(ip)
		if !ok {
			i.spec.IP.Bad = true
			continue
		}
		if _, twice := ofFamily(i.want, p.Addr()); twice {
			r.errorf(ip.Place, "a list holds one for each address family", "%s is the second %s address of %s", quote(ip.Value), familyName(p.Addr()), i)
			i.spec.IP.Bad = true
			continue
		}
		if i.peer != nil && !strings.Contains(ip.Value, "/") {
			r.errorf(ip.Place, "for instance "+ip.Value+lengthOf(p.Addr()), "%s needs its length on a cable", quote(ip.Value))
			i.spec.IP.Bad = true
			continue
		}
		i.want = append(i.want, p)
		i.wantAt = append(i.wantAt, ip.Place)
	}
}

func lengthOf(a netip.Addr) string {
	if a.Is4() {
		return "/30"
	}
	return "/126"
}

// ifaceAddress parses an address with or without a length; without, it gets
// that of a single address.
func (r *resolver) ifaceAddress(ip At[string]) (netip.Prefix, bool) {
	if !ip.OK() {
		return netip.Prefix{}, false
	}
	text, _, has := strings.Cut(ip.Value, "/")
	if !has {
		a, ok := r.address(ip)
		return netip.PrefixFrom(a, a.BitLen()), ok
	}
	p, err := netip.ParsePrefix(ip.Value)
	if err != nil || strings.Contains(text, "%") {
		r.errorf(ip.Place, "write it as 10.0.0.1/24 or fd00::1/64", "%s is not an address with a length", quote(ip.Value))
		return p, false
	}
	return p, r.usable(ip.Place, p.Addr())
}

// explicit claims the addresses the author wrote for an interface on a bridge.
func (r *resolver) explicit(i *iface) {
	s := i.bridge.subnet
	for k, p := range i.want {
		at := i.wantAt[k]
		f := slices.IndexFunc(s.Prefixes, func(sp netip.Prefix) bool { return sp.Addr().Is4() == p.Addr().Is4() })
		if f < 0 || !s.Prefixes[f].Contains(p.Addr()) {
			if !s.bad {
				r.errorf(at, "", "%s is not in subnet %s, which is %s", p.Addr(), quote(s.Name), s.cidr())
			}
			continue
		}
		sp := s.Prefixes[f]
		written := i.spec.IP.Items[slices.IndexFunc(i.spec.IP.Items, func(a At[string]) bool { return a.Pos == at.Pos })]
		if strings.Contains(written.Value, "/") && p.Bits() != sp.Bits() {
			r.errorf(at, "leave the length out, or write /"+strconv.Itoa(sp.Bits()), "%s has another length than subnet %s, which is %s", quote(written.Value), quote(s.Name), sp)
			continue
		}
		if what := edge(sp, p.Addr()); what != "" {
			r.errorf(at, "", "%s is %s of subnet %s", p.Addr(), what, quote(s.Name))
			continue
		}
		if p.Addr() == firstHost(sp) && !r.mayBeGateway(i, at) {
			continue
		}
		if before, ok := s.pools[f].claim(p.Addr(), owner{i.String(), at.Pos}); !ok {
			r.errorf(at, "", "%s is already the address of %s", p.Addr(), before)
			continue
		}
		s.claimed[f] = s.claimed[f] || p.Addr() == firstHost(sp)
		i.Addrs = append(i.Addrs, netip.PrefixFrom(p.Addr(), sp.Bits()))
	}
}

// mayBeGateway reports an interface that claims the gateway's address and is
// none of a router.
func (r *resolver) mayBeGateway(i *iface, at Place) bool {
	s := i.bridge.subnet
	switch {
	case i.bridge.Uplink:
		r.errorf(at, "", "this is the gateway of subnet %s, which bridge %s holds because of its uplink", quote(s.Name), quote(i.bridge.Name))
	case len(i.node.ifaces) < 2:
		r.errorf(at, "only a router, a node with several interfaces, can be the gateway", "this is the gateway of subnet %s", quote(s.Name))
	default:
		return true
	}
	return false
}

// automatic gives an interface on a bridge a free address of each family of
// the subnet that the author did not write one of.
func (r *resolver) automatic(i *iface) {
	if i.spec != nil && i.spec.IP.Written() && (i.spec.IP.Bad || len(i.Addrs) < len(i.want)) {
		return
	}
	s := i.bridge.subnet
	for f, p := range s.Prefixes {
		if _, has := ofFamily(i.Addrs, p.Addr()); has {
			continue
		}
		a, ok := s.pools[f].take(owner{i.String(), i.place.Pos})
		if !ok {
			if !s.pools[f].full {
				r.errorf(i.place, "give the subnet a shorter prefix", "subnet %s is full: %s has room for %s beside the gateway", quote(s.Name), p, counted(hosts(p), "interface"))
			}
			s.pools[f].full = true
			continue
		}
		i.Addrs = append(i.Addrs, netip.PrefixFrom(a, p.Bits()))
	}
	slices.SortFunc(i.Addrs, func(a, b netip.Prefix) int { return family(a.Addr()) - family(b.Addr()) })
}

// resolveGateways decides which bridges hold the gateway's address.
func (r *resolver) resolveGateways() {
	for _, b := range r.bridges {
		if b.subnet == nil {
			continue
		}
		for f, p := range b.subnet.Prefixes {
			if b.Uplink || b.cluster && !b.subnet.claimed[f] {
				b.Gateways = append(b.Gateways, netip.PrefixFrom(firstHost(p), p.Bits()))
			}
		}
	}
}
