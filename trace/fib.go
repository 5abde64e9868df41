package trace

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"netlab/provision"
)

const localTable = 255

// sort puts rules into the order in which they are asked.
func (l *land) sort() {
	slices.SortStableFunc(l.rules, func(a, b provision.Rule) int { return cmp.Compare(a.Priority, b.Priority) })
	slices.SortFunc(l.routes, func(a, b provision.Route) int { return cmp.Compare(a.Key().Name, b.Key().Name) })
	slices.SortFunc(l.addrs, func(a, b provision.Addr) int { return cmp.Compare(a.Key().Name, b.Key().Name) })
}

// lookup returns what the routing tables say about a packet, once for every
// next hop that it may take. The Err of an answer says why there is no way.
func (l *land) lookup(q Lookup) []Answer {
	if l.local(q.Dst) {
		return []Answer{{Local: true, Dev: "lo", Src: q.Dst, Route: Route{Table: localTable, To: netip.PrefixFrom(q.Dst, q.Dst.BitLen()), Type: "local"}}}
	}
	for _, r := range l.rules {
		switch {
		case r.Other != "" || r.IPv6 != q.Dst.Is6():
		case r.To.IsValid() && !r.To.Contains(q.Dst):
		case r.From.IsValid() && r.From.Bits() > 0 && (!q.Src.IsValid() || !r.From.Contains(q.Src)):
		case r.Iif != "" && r.Iif != cmp.Or(q.Iif, "lo"):
		default:
			if list := l.best(r.Table, q.Dst); list != nil {
				return list
			}
		}
	}
	if list := l.best(provision.MainTable, q.Dst); list != nil && !strings.Contains(l.lacks, "lookup main") {
		return list
	}
	return []Answer{{Err: "network is unreachable"}}
}

// best returns the next hops of the most specific route of a table, nil if
// none fits.
func (l *land) best(table int, dst netip.Addr) []Answer {
	var won *provision.Route
	for i := range l.routes {
		r := &l.routes[i]
		if r.Table != table || !r.To.Contains(dst) || r.Type == provision.Unicast && !l.usable(r) {
			continue
		}
		if won == nil || r.To.Bits() > won.To.Bits() || r.To.Bits() == won.To.Bits() && r.Metric < won.Metric {
			won = r
		}
	}
	if table == provision.MainTable {
		if a, ok := l.connected(dst); ok && (won == nil || a.Route.To.Bits() >= won.To.Bits()) {
			return []Answer{a}
		}
	}
	switch {
	case won == nil:
		return nil
	case won.Type != provision.Unicast:
		return []Answer{{Err: "a " + string(won.Type) + " route", Route: shown(won, provision.Hop{})}}
	}
	var list []Answer
	for _, h := range won.AllHops() {
		a := Answer{Via: h.Via, Dev: h.Dev, Src: won.Src, Route: shown(won, h)}
		if !a.Src.IsValid() {
			a.Src = l.source(h.Dev, cmp.Or(h.Via, dst))
		}
		list = append(list, a)
	}
	return list
}

func shown(r *provision.Route, h provision.Hop) Route {
	return Route{Table: r.Table, To: r.To, Type: string(r.Type), Via: h.Via, Dev: h.Dev, Src: r.Src, OnLink: h.OnLink, Hops: string(r.Hops)}
}

// usable reports whether the interfaces of a route are up: the kernel takes
// routes away with them.
func (l *land) usable(r *provision.Route) bool {
	return slices.ContainsFunc(r.AllHops(), func(h provision.Hop) bool { return h.Dev == "" || l.links[h.Dev] != nil && l.links[h.Dev].up })
}

// connected returns the way to an address in the subnet of an interface.
func (l *land) connected(dst netip.Addr) (Answer, bool) {
	var won *provision.Addr
	for i := range l.addrs {
		a := &l.addrs[i]
		if a.Prefix.IsSingleIP() || !a.Prefix.Contains(dst) || unrouted(a) || l.links[a.Dev] == nil || !l.links[a.Dev].up {
			continue
		}
		if won == nil || a.Prefix.Bits() > won.Prefix.Bits() {
			won = a
		}
	}
	if won == nil {
		return Answer{}, false
	}
	return Answer{Dev: won.Dev, Src: won.Prefix.Addr(), Route: Route{Table: provision.MainTable, To: won.Prefix.Masked(), Type: "unicast", Dev: won.Dev, Src: won.Prefix.Addr()}}, true
}

// unrouted reports whether the kernel has no route to the subnet of an address.
func unrouted(a *provision.Addr) bool {
	return strings.Contains(a.Extra, "noprefixroute") || strings.Contains(a.Extra, "peer ") || a.Route != "" && strings.Contains(a.Route, a.Prefix.Masked().String())
}

// source returns the address that packets get which leave by dev: one of dev,
// preferably in the subnet of the next hop, otherwise any other.
func (l *land) source(dev string, hop netip.Addr) netip.Addr {
	var onDev, other netip.Addr
	for _, a := range l.addrs {
		addr := a.Prefix.Addr()
		switch {
		case addr.Is4() != hop.Is4() || a.Dev == "lo":
		case a.Dev == dev && a.Prefix.Contains(hop):
			return addr
		case a.Dev == dev && !onDev.IsValid():
			onDev = addr
		case !other.IsValid() && !addr.IsLinkLocalUnicast():
			other = addr
		}
	}
	return cmp.Or(onDev, other)
}
