package labs

import (
	"net/netip"
	"slices"
	"strings"
)

// explicitClusterIPs claims the cluster addresses the author wrote.
func (r *resolver) explicitClusterIPs(s *service, ss *services) {
	spec := s.spec
	ips := spec.ClusterIPs.Items
	s.bad = spec.ClusterIP.Bad || spec.ClusterIPs.Bad
	if spec.ClusterIP.Written() {
		if spec.ClusterIPs.Written() {
			r.errorf(spec.ClusterIPs.Place, "keep one of them", "a service has clusterIP or clusterIPs, not both")
		}
		ips = []At[string]{spec.ClusterIP}
	}
	if len(ips) == 1 && ips[0].Value == headless {
		s.Headless = true
		if s.Type == NodePort {
			r.errorf(ips[0].Place, "", "a service of type NodePort cannot be headless")
		}
		return
	}
	for _, ip := range ips {
		if strings.EqualFold(ip.Value, headless) {
			s.bad = true
			r.errorf(ip.Place, "write clusterIP: None", "%s is not an address", quote(ip.Value))
			continue
		}
		if !r.explicitClusterIP(s, ip, ss) {
			s.bad = true
		}
	}
}

// explicitClusterIP claims one cluster address.
func (r *resolver) explicitClusterIP(s *service, ip At[string], ss *services) bool {
	a, ok := r.address(ip)
	if !ok || ss.subnet == nil || ss.subnet.bad {
		return false
	}
	i := slices.IndexFunc(ss.subnet.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
	if i < 0 {
		r.errorf(ip.Place, "", "%s is not in subnet %s, which is %s", a, quote(servicesName), ss.subnet.cidr())
		return false
	}
	if slices.ContainsFunc(s.ClusterIPs, func(b netip.Addr) bool { return a.Is4() == b.Is4() }) {
		r.errorf(ip.Place, "a list holds one for each address family", "%s is the second %s address of the service", a, familyName(a))
		return false
	}
	if what := edge(ss.subnet.Prefixes[i], a); what != "" {
		r.errorf(ip.Place, "", "%s is %s of subnet %s", a, what, quote(servicesName))
		return false
	}
	o := owner{"service " + quote(s.Name), ip.Pos}
	if before, ok := ss.pools[i].claim(a, o); !ok && (before.pos.Line > 0 || r.lab.DNS) {
		r.errorf(ip.Place, "", "%s is already the address of %s", a, before)
		return false
	}
	ss.pools[i].taken[a] = o
	s.ClusterIPs = append(s.ClusterIPs, a)
	return true
}

// automaticClusterIPs gives a service a free address of each family that the
// author did not write one of.
func (r *resolver) automaticClusterIPs(s *service, ss *services) {
	if s.Headless || s.bad || s.spec == nil || ss.subnet == nil {
		return
	}
	for i, p := range ss.subnet.Prefixes {
		if slices.ContainsFunc(s.ClusterIPs, func(a netip.Addr) bool { return p.Addr().Is4() == a.Is4() }) {
			continue
		}
		pl := ss.pools[i]
		o := owner{"service " + quote(s.Name), s.Pos}
		a, ok := pl.take(o)
		if !ok {
			a, ok = takeLow(pl, o)
		}
		if !ok {
			if !pl.full {
				r.errorf(s.spec.Place, "give subnet services a shorter prefix", "subnet %s is full: no address of %s is left", quote(servicesName), p)
			}
			pl.full = true
			continue
		}
		s.ClusterIPs = append(s.ClusterIPs, a)
	}
	slices.SortFunc(s.ClusterIPs, func(a, b netip.Addr) int { return family(a) - family(b) })
}

// takeLow hands out one of the addresses below the DNS server's, which a small
// subnet needs in the end. The first is Kubernetes' own.
func takeLow(pl *pool, o owner) (netip.Addr, bool) {
	for n := 2; n < dnsHost; n++ {
		a := nth(pl.prefix, n)
		if !pl.prefix.Contains(a) || edge(pl.prefix, a) != "" {
			continue
		}
		if _, ok := pl.claim(a, o); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// externalIPs reads the further addresses of a service.
func (r *resolver) externalIPs(s *service, ss *services) {
	for _, ip := range s.spec.ExternalIPs.Items {
		a, ok := r.address(ip)
		if !ok {
			continue
		}
		if slices.Contains(s.ExternalIPs, a) {
			r.errorf(ip.Place, "", "%s is listed twice", a)
			continue
		}
		inside := ""
		for _, name := range []string{podsName, servicesName} {
			if sn := r.subnet(name); sn != nil && slices.ContainsFunc(sn.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) }) {
				inside = name
			}
		}
		if inside != "" {
			r.errorf(ip.Place, "", "%s is in subnet %s; an external address is outside the cluster", a, quote(inside))
			continue
		}
		for _, p := range s.Ports {
			k := netip.AddrPortFrom(a, p.Port)
			if before, taken := ss.external[k][p.Protocol]; taken {
				r.errorf(ip.Place, "", "%s port %d of %s is already taken by %s", p.Protocol, p.Port, a, before)
				continue
			}
			if ss.external[k] == nil {
				ss.external[k] = map[Protocol]owner{}
			}
			ss.external[k][p.Protocol] = owner{"service " + quote(s.Name), ip.Pos}
		}
		s.ExternalIPs = append(s.ExternalIPs, a)
	}
}
