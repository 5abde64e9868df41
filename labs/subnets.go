package labs

import (
	"net/netip"
	"slices"
	"strings"
)

// Names of the subnets that have a meaning of their own.
const (
	underlayName = "underlay"
	podsName     = "pods"
	servicesName = "services"
)

// subnet is a subnet being resolved.
type subnet struct {
	Subnet
	place   Place // where it is written; zero for a default
	bad     bool  // something about it has been reported
	used    bool
	bridge  *bridge
	pools   []*pool // one for each prefix, once it is in use
	claimed []bool  // by prefix: a router has the gateway's address
}

// defaultSubnets are those of a lab that does not write its own.
func defaultSubnets() []Subnet {
	return []Subnet{
		{underlayName, []netip.Prefix{netip.MustParsePrefix("172.30.0.0/24")}},
		{podsName, []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}},
		{servicesName, []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")}},
	}
}

// resolveSubnets reads the subnets and adds the defaults that are not replaced.
// Whether they overlap is decided when it is known which are used.
func (r *resolver) resolveSubnets() {
	first := map[string]Pos{}
	var written []*subnet
	for i := range r.spec.Subnets.Items {
		spec := &r.spec.Subnets.Items[i]
		sn := &subnet{place: spec.Place}
		sn.Name = r.label(spec.Name, spec.Place, "name", maxLabel)
		if before, twice := first[sn.Name]; twice && spec.Name.OK() {
			r.errorf(spec.Name.Place, "", "there is already a subnet %s%s", quote(sn.Name), lineOf(before))
			continue
		}
		first[sn.Name] = spec.Name.Pos
		sn.Prefixes = r.cidrs(spec)
		sn.bad = len(sn.Prefixes) == 0 || !spec.CIDR.OK() || len(sn.Prefixes) < len(spec.CIDR.Items)
		written = append(written, sn)
	}
	for _, d := range defaultSubnets() {
		if _, replaced := first[d.Name]; !replaced {
			r.subnets = append(r.subnets, &subnet{Subnet: d})
		}
	}
	r.subnets = append(r.subnets, written...)
	slices.SortStableFunc(r.subnets, func(a, b *subnet) int { return rank(a.Name) - rank(b.Name) })
}

// rank puts the subnets with a meaning first, so that a lab lists them in one
// order whether or not they are written.
func rank(name string) int {
	if i := slices.Index([]string{underlayName, podsName, servicesName}, name); i >= 0 {
		return i
	}
	return 3
}

// cidrs reads the prefixes of a subnet, one for each family, IPv4 first.
func (r *resolver) cidrs(spec *SubnetSpec) []netip.Prefix {
	if !spec.CIDR.Written() {
		r.missing(spec.Place, "cidr")
		return nil
	}
	var ps []netip.Prefix
	for _, c := range spec.CIDR.Items {
		p, ok := r.prefix(c)
		if !ok {
			continue
		}
		if other, twice := ofFamily(ps, p.Addr()); twice {
			r.errorf(c.Place, "a list holds one for each address family",
				"%s is the second %s range, after %s", quote(c.Value), familyName(p.Addr()), other)
			continue
		}
		if p.Bits() > p.Addr().BitLen()-2 {
			r.errorf(c.Place, "", "%s is too small for a subnet", quote(c.Value))
			continue
		}
		if r.ordinary(c, p) {
			ps = append(ps, p)
		}
	}
	slices.SortFunc(ps, func(a, b netip.Prefix) int { return family(a.Addr()) - family(b.Addr()) })
	return ps
}

// ordinary reports a range that overlaps one with a meaning of its own.
func (r *resolver) ordinary(c At[string], p netip.Prefix) bool {
	for _, s := range special() {
		if s.prefix.Overlaps(p) {
			r.errorf(c.Place, "", "%s overlaps %s, which is kept for %s", quote(c.Value), s.prefix, s.use)
			return false
		}
	}
	return true
}

// subnet returns the subnet of that name, or nil.
func (r *resolver) subnet(name string) *subnet {
	i := slices.IndexFunc(r.subnets, func(s *subnet) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return r.subnets[i]
}

// use marks s as used and makes its pools.
func (s *subnet) use() {
	if s.used {
		return
	}
	s.used = true
	s.claimed = make([]bool, len(s.Prefixes))
	for _, p := range s.Prefixes {
		s.pools = append(s.pools, newPool(p, firstHost(p).Next()))
	}
}

// cidr writes the prefixes of s.
func (s *subnet) cidr() string {
	var b strings.Builder
	for i, p := range s.Prefixes {
		if i > 0 {
			b.WriteString(" and ")
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// span is a range of addresses in use, to find those that overlap.
type span struct {
	prefix netip.Prefix
	what   owner
	place  Place // where to complain about it
}

// overlaps reports every span that overlaps one before it.
func (r *resolver) overlaps(spans []span) {
	slices.SortStableFunc(spans, func(a, b span) int {
		if c := a.prefix.Addr().Compare(b.prefix.Addr()); c != 0 {
			return c
		}
		return a.prefix.Bits() - b.prefix.Bits()
	})
	// Prefixes nest or are apart, so in this order a span overlaps an earlier
	// one exactly if it overlaps the widest that is still open.
	var wide span
	for _, s := range spans {
		if !wide.prefix.IsValid() || !wide.prefix.Overlaps(s.prefix) {
			wide = s
			continue
		}
		a, b := wide, s
		if !b.place.Written() || a.place.Written() && a.place.Pos.Line > b.place.Pos.Line {
			a, b = b, a
		}
		hint := ""
		if !a.place.Written() {
			hint = "write " + a.what.what + " into subnets with another cidr"
		}
		r.errorf(b.place, hint, "%s overlaps %s of %s", b.prefix, a.prefix, a.what)
	}
}

// finishSubnets warns of subnets that nothing uses, completes the lab's list, and
// reports those in use that overlap.
func (r *resolver) finishSubnets() {
	var spans []span
	for _, s := range r.subnets {
		if s.place.Written() && !s.used && !s.bad && !r.found.HasErrors() {
			r.warnf(s.place, "", "nothing uses subnet %s", quote(s.Name))
		}
		if !s.used && !s.place.Written() {
			continue
		}
		r.lab.Subnets = append(r.lab.Subnets, s.Subnet)
		for _, p := range s.Prefixes {
			spans = append(spans, span{p, owner{"subnet " + quote(s.Name), s.place.Pos}, s.place})
		}
	}
	r.overlaps(append(spans, r.cableSpans()...))
}
