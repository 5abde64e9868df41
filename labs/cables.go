package labs

import (
	"net/netip"
	"slices"
)

// cableAddrs gives the interface at an end of a cable the addresses the author
// wrote.
func (r *resolver) cableAddrs(i *iface, taken map[netip.Addr]owner) {
	for k, p := range i.want {
		at := i.wantAt[k]
		if what := edge(p, p.Addr()); what != "" && p.Bits() < p.Addr().BitLen()-1 {
			r.errorf(at, "", "%s is %s of %s", p.Addr(), what, p.Masked())
			i.spec.IP.Bad = true
			continue
		}
		if before, twice := taken[p.Addr()]; twice {
			r.errorf(at, "", "%s is already the address of %s", p.Addr(), before)
			i.spec.IP.Bad = true
			continue
		}
		taken[p.Addr()] = owner{i.String(), at.Pos}
		far, both := ofFamily(i.peer.want, p.Addr())
		if both && far.Masked() != p.Masked() && (!p.IsSingleIP() || !far.IsSingleIP()) {
			if i.peer.wantAt[0].Pos.before(at.Pos) {
				r.errorf(at, "", "%s is not in the range of the far end %s, which has %s%s", p, i.peer, far, lineOf(i.peer.wantAt[0].Pos))
			}
			i.spec.IP.Bad = true
			continue
		}
		i.Addrs = append(i.Addrs, p)
	}
}

// followsFromFarEnd gives i the other address of a range that has but two.
func (r *resolver) followsFromFarEnd(i *iface, taken map[netip.Addr]owner) {
	if i.spec != nil && (i.spec.IP.Bad || i.spec.mayHave("ip")) || i.peer.spec != nil && i.peer.spec.IP.Bad {
		return
	}
	for k, far := range i.peer.want {
		if _, has := ofFamily(i.want, far.Addr()); has {
			continue
		}
		other, ok := otherEnd(far)
		if !ok {
			at := i.place
			if i.spec == nil {
				at = i.peer.wantAt[k]
			}
			r.errorf(at, "write ip at both ends", "the address of %s does not follow from %s of %s", i, far, i.peer)
			continue
		}
		if before, twice := taken[other.Addr()]; twice {
			r.errorf(i.peer.wantAt[k], "", "%s, which would be the address of %s, is already that of %s", other.Addr(), i, before)
			continue
		}
		taken[other.Addr()] = owner{i.String(), i.place.Pos}
		i.Addrs = append(i.Addrs, other)
	}
	slices.SortFunc(i.Addrs, func(a, b netip.Prefix) int { return family(a.Addr()) - family(b.Addr()) })
}

// otherEnd returns the second of the two addresses that a point-to-point range
// has for interfaces.
func otherEnd(p netip.Prefix) (netip.Prefix, bool) {
	base := p.Masked().Addr()
	free := p.Addr().BitLen() - p.Bits()
	first := base
	switch free {
	case 1:
	case 2:
		first = base.Next() // .1 and .2 of a /30, ::1 and ::2 of a /126
	default:
		return netip.Prefix{}, false
	}
	switch p.Addr() {
	case first:
		return netip.PrefixFrom(first.Next(), p.Bits()), true
	case first.Next():
		return netip.PrefixFrom(first, p.Bits()), true
	}
	return netip.Prefix{}, false
}

// cableSpans lists the ranges that cables use. A cable with single addresses
// uses no range.
func (r *resolver) cableSpans() []span {
	var spans []span
	done := map[*iface]bool{}
	for _, n := range r.nodes {
		for _, i := range n.ifaces {
			if i.peer == nil || i.spec != nil && i.spec.IP.Bad {
				continue
			}
			done[i] = true
			for k, p := range i.want {
				far, both := ofFamily(i.peer.want, p.Addr())
				if p.IsSingleIP() || both && done[i.peer] && far.Masked() == p.Masked() {
					continue
				}
				spans = append(spans, span{p.Masked(), owner{"the cable of " + i.String(), i.wantAt[k].Pos}, i.wantAt[k]})
			}
		}
	}
	return spans
}
