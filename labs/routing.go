package labs

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	mainTable     = 254
	localTable    = 255
	maxTable      = 1<<31 - 1
	firstPriority = 1000 // of rules that do not write theirs
)

var sysctlName = newPattern(`^net(\.[A-Za-z0-9_-]+)+$`)

// resolveRouting resolves what a node does with packets beyond its interfaces.
func (r *resolver) resolveRouting() {
	for _, n := range r.nodes {
		r.routes(n)
		r.rules(n)
		r.sysctls(n)
		r.masquerade(n)
	}
}

// routes resolves the static routes of n.
func (r *resolver) routes(n *node) {
	type key struct {
		to            netip.Prefix
		metric, table int
	}
	first := map[key]Pos{}
	for i := range n.spec.Routes.Items {
		spec := &n.spec.Routes.Items[i]
		rt, ok := r.route(n, spec)
		if !ok {
			continue
		}
		k := key{rt.To, rt.Metric, rt.Table}
		if before, twice := first[k]; twice {
			r.errorf(spec.Place, "several next hops are written as a list in via", "there is already a route to %s%s", rt.To, lineOf(before))
			continue
		}
		first[k] = spec.Pos
		n.Routes = append(n.Routes, rt)
	}
}

// route resolves one route and reports whether it is right.
func (r *resolver) route(n *node, spec *RouteSpec) (Route, bool) {
	rt := Route{OnLink: spec.OnLink.Value, Pos: spec.Pos, Table: r.table(spec.Table)}
	rt.Metric = r.inRange(spec.Metric, 0, 0, 1<<31-1)
	rt.Dev = r.ifaceOf(n, spec.Dev)
	if !spec.To.Written() {
		r.missing(spec.Place, "to")
	}
	if !spec.Via.Written() && !spec.Dev.Written() && !spec.mayHave("via", "dev") {
		r.errorf(spec.Place, "", "a route needs via or dev")
	}
	if rt.OnLink && !spec.Dev.Written() {
		r.errorf(spec.OnLink.Place, "write dev too", "the kernel has to be told on which interface via is")
	}
	var ok bool
	if spec.To.Value == "default" {
		rt.To, ok = r.defaultRoute(n, spec)
	} else {
		rt.To, ok = r.prefixOrAddress(spec.To)
	}
	if !ok {
		return rt, false
	}
	for _, via := range spec.Via.Items {
		ok = r.via(n, &rt, via) && ok
	}
	if spec.Src.OK() {
		rt.Src, _ = r.address(spec.Src)
		switch {
		case !rt.Src.IsValid():
			ok = false
		case rt.Src.Is4() != rt.To.Addr().Is4():
			r.errorf(spec.Src.Place, "", "%s and %s are not of one address family", rt.Src, rt.To)
		case !holds(n, rt.Src) && !n.unsure():
			r.errorf(spec.Src.Place, "", "%s is no address of %s", rt.Src, n.Name)
		}
	}
	return rt, ok && !spec.Via.Bad && !spec.Dev.Bad
}

// defaultRoute returns the destination that "default" stands for, which
// depends on the family of the next hop.
func (r *resolver) defaultRoute(n *node, spec *RouteSpec) (netip.Prefix, bool) {
	all4, all6 := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")
	for _, text := range []At[string]{firstOf(spec.Via), spec.Src} {
		if a, err := netip.ParseAddr(text.Value); err == nil {
			if a.Is4() {
				return all4, true
			}
			return all6, true
		}
	}
	if spec.Via.Written() {
		for _, via := range spec.Via.Items {
			r.address(via) // says why it is none
		}
		return all4, false
	}
	for _, a := range n.Addrs() {
		if a.Is4() {
			return all4, true
		}
	}
	if len(n.Addrs()) > 0 {
		return all6, true
	}
	return all4, true
}

func firstOf(s Several[string]) At[string] {
	if len(s.Items) > 0 {
		return s.Items[0]
	}
	return At[string]{}
}

// via checks one next hop and adds it to the route.
func (r *resolver) via(n *node, rt *Route, via At[string]) bool {
	a, ok := r.address(via)
	switch {
	case !ok:
		return false
	case a.Is4() != rt.To.Addr().Is4():
		r.errorf(via.Place, "", "%s and %s are not of one address family", a, rt.To)
	case slices.Contains(rt.Via, a):
		r.errorf(via.Place, "", "%s is listed twice", a)
	case holds(n, a):
		r.errorf(via.Place, "", "%s is an address of %s itself", a, n.Name)
	case !rt.OnLink && !r.connected(n, rt.Dev, a):
		if n.unsure() {
			return false
		}
		on := "no interface of " + n.Name + " is"
		if rt.Dev != "" {
			on = rt.Dev + " of " + n.Name + " is not"
		}
		r.errorf(via.Place, "", "%s on a subnet with %s", on, a)
	default:
		rt.Via = append(rt.Via, a)
		return true
	}
	return false
}

// unsure reports whether the addresses of n are not known because of a mistake.
func (n *node) unsure() bool {
	return n.spec.mayHave("interfaces") || n.spec.Interfaces.Bad || slices.ContainsFunc(n.ifaces, (*iface).unsure)
}

// unsure reports whether the addresses of i are not known because of a mistake.
func (i *iface) unsure() bool {
	return i.bad || i.spec != nil && (i.spec.mayHave("ip") || i.spec.IP.Bad || len(i.Addrs) < len(i.want)) ||
		i.peer != nil && i.peer.spec != nil && i.peer.spec.IP.Bad ||
		i.bridge != nil && (i.bridge.subnet == nil || i.bridge.subnet.bad)
}

// connected reports whether an interface of n, or the one called dev, is on a
// subnet with a.
func (r *resolver) connected(n *node, dev string, a netip.Addr) bool {
	for _, i := range n.Interfaces {
		for _, p := range i.Addrs {
			if (dev == "" || i.Name == dev) && p.Masked().Contains(a) {
				return true
			}
		}
	}
	return false
}

// holds reports whether a is an address of n.
func holds(n *node, a netip.Addr) bool {
	for _, i := range n.Interfaces {
		for _, p := range i.Addrs {
			if p.Addr() == a {
				return true
			}
		}
	}
	return false
}

// ifaceOf returns the name of an interface of n, or reports that there is none.
func (r *resolver) ifaceOf(n *node, a At[string]) string {
	if !a.OK() {
		return ""
	}
	if slices.ContainsFunc(n.ifaces, func(i *iface) bool { return i.Name == a.Value }) {
		return a.Value
	}
	if !n.spec.Interfaces.Bad && !n.spec.mayHave("interfaces") {
		var names []string
		for _, i := range n.ifaces {
			if !r.guessed() {
				names = append(names, i.Name)
			}
		}
		r.errorf(a.Place, r.guess(a.Value, names), "node %s has no interface %s", quote(n.Name), quote(a.Value))
	}
	return a.Value
}

// table reads a routing table: a number, or the name of the main one.
func (r *resolver) table(a At[string]) int {
	if !a.OK() || a.Value == "main" {
		return mainTable
	}
	t, err := strconv.ParseUint(a.Value, 10, 64)
	switch {
	case a.Value == "local" || err == nil && t == localTable:
		r.errorf(a.Place, "", "table local belongs to the kernel")
	case err != nil || t < 1 || t > maxTable:
		r.errorf(a.Place, "", "%s should be main or a number from 1 to %d", quote(a.Value), maxTable)
	default:
		return int(t)
	}
	return mainTable
}

// sysctls resolves the kernel parameters of n. Only the network's are allowed:
// those, and nothing else, belong to the namespace and not to the host.
func (r *resolver) sysctls(n *node) {
	for _, e := range n.spec.Sysctls.Entries {
		name := e.Key.Value
		switch {
		case !strings.HasPrefix(name, "net."):
			r.errorf(e.Key.Place, "", "%s does not start with net.: other parameters belong to the host, not to the node", quote(name))
		case !sysctlName.MatchString(name):
			r.errorf(e.Key.Place, "write it with dots, such as net.ipv4.ip_forward", "%s is not the name of a kernel parameter", quote(name))
		case strings.ContainsAny(string(e.Value.Value), "\n\x00") || len(e.Value.Value) > 256:
			r.errorf(e.Value.Place, "", "%s is not a value for a kernel parameter", quote(e.Value.Value))
		default:
			n.Sysctls = append(n.Sysctls, Sysctl{Name: name, Value: string(e.Value.Value), Pos: e.Key.Pos})
		}
	}
}

// masquerade resolves whose source addresses n rewrites.
func (r *resolver) masquerade(n *node) {
	first := map[Masquerade]Pos{}
	for i := range n.spec.Masquerade.Items {
		spec := &n.spec.Masquerade.Items[i]
		for _, k := range []struct {
			at   At[string]
			name string
		}{{spec.From, "from"}, {spec.Out, "out"}} {
			if !k.at.Written() {
				r.missing(spec.Place, k.name)
			}
		}
		from, ok := r.prefixOrAddress(spec.From)
		m := Masquerade{From: from, Out: r.ifaceOf(n, spec.Out)}
		if before, twice := first[m]; twice && ok {
			r.errorf(spec.Place, "", "this is already on line %d", before.Line)
			continue
		}
		first[m] = spec.Pos
		m.Pos = spec.Pos
		n.Masquerade = append(n.Masquerade, m)
	}
}
