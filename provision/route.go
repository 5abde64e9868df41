package provision

import (
	"net/netip"
	"strconv"
	"strings"
)

// MainTable is the number of the routing table main.
const MainTable = 254

// RouteType says what the kernel does with a packet that a route matches.
type RouteType string

// The route types that matter here. Others are observed as the kernel names
// them.
const (
	Unicast   RouteType = "unicast"
	Blackhole RouteType = "blackhole"
)

// Route is an entry of a routing table that is not the kernel's own.
type Route struct {
	NS     string
	Table  int
	To     netip.Prefix // masked; zero length for default
	Metric int
	Twin   int // 0, or the number of further routes with equal table, destination and metric

	Type RouteType
	Hop  Hop        // the zero Hop for a blackhole and for several hops
	Hops Hops       // several next hops (ECMP), otherwise empty
	Src  netip.Addr // preferred source, or the zero Addr

	// Extra is what else an observed route says, in the words of ip route.
	Extra string
}

// Hop is where a route leads. The zero Via means directly connected.
type Hop struct {
	Via    netip.Addr
	Dev    string
	OnLink bool // Via need not lie in a connected subnet
	Weight int  // of one hop among several; 0 if they are equal
}

// String writes h as ip route does.
func (h Hop) String() string {
	var words []string
	if h.Via.IsValid() {
		words = append(words, "via "+h.Via.String())
	}
	if h.Dev != "" {
		words = append(words, "dev "+h.Dev)
	}
	if h.OnLink {
		words = append(words, "onlink")
	}
	if h.Weight != 0 {
		words = append(words, "weight "+strconv.Itoa(h.Weight))
	}
	return strings.Join(words, " ")
}

// Hops are several next hops, in order. It is a string inside
// so that routes stay comparable.
type Hops string

// JoinHops makes one value of several hops.
func JoinHops(hops []Hop) Hops {
	parts := make([]string, len(hops))
	for i, h := range hops {
		parts[i] = h.String()
	}
	return Hops(strings.Join(parts, ", "))
}

// List returns the hops that were joined.
func (h Hops) List() []Hop {
	if h == "" {
		return nil
	}
	parts := strings.Split(string(h), ", ")
	hops := make([]Hop, len(parts))
	for i, part := range parts {
		words := strings.Fields(part)
		for k := 0; k < len(words); k++ {
			switch words[k] {
			case "via":
				k++
				hops[i].Via = netip.MustParseAddr(words[k])
			case "dev":
				k++
				hops[i].Dev = words[k]
			case "onlink":
				hops[i].OnLink = true
			case "weight":
				k++
				hops[i].Weight, _ = strconv.Atoi(words[k])
			}
		}
	}
	return hops
}

// AllHops returns the next hops of r, however many.
func (r Route) AllHops() []Hop {
	switch {
	case r.Hops != "":
		return r.Hops.List()
	case r.Hop != Hop{}:
		return []Hop{r.Hop}
	}
	return nil
}

// uses reports whether r leads through dev.
func (r Route) uses(dev string) bool {
	if r.Hops == "" {
		return r.Hop.Dev == dev
	}
	for _, h := range r.Hops.List() {
		if h.Dev == dev {
			return true
		}
	}
	return false
}

// Key implements [Object].
func (r Route) Key() Key {
	name := PrefixText(r.To)
	if r.Table != MainTable {
		name += " table " + strconv.Itoa(r.Table)
	}
	if r.Metric != 0 {
		name += " metric " + strconv.Itoa(r.Metric)
	}
	if r.Twin != 0 {
		name += " twin " + strconv.Itoa(r.Twin)
	}
	return Key{KindRoute, r.NS, name}
}

// Needs implements [Object].
func (r Route) Needs() []Key {
	needs := []Key{nsKey(r.NS)}
	for _, h := range r.AllHops() {
		if h.Dev != "" {
			needs = append(needs, linkKey(r.NS, h.Dev))
		}
	}
	return needs
}

// Claims implements [Object].
func (r Route) Claims() []Key { return []Key{r.Key()} }

// Attrs implements [Object].
func (r Route) Attrs() []Attr {
	a := []Attr{{"type", string(r.Type)}}
	if r.Hops != "" {
		a = append(a, Attr{"nexthops", string(r.Hops)})
	} else {
		a = append(a, Attr{"via", addrOrNone(r.Hop.Via)}, Attr{"dev", r.Hop.Dev}, Attr{"onlink", onOff(r.Hop.OnLink)})
	}
	return append(a, Attr{"src", addrOrNone(r.Src)}, Attr{"extra", r.Extra})
}

func (r Route) recreate(old Object) string {
	if o := old.(Route); o.Extra != "" {
		return o.Extra + " cannot change"
	}
	if !r.To.Addr().Is6() {
		return ""
	}
	// To the kernel several next hops are several routes, and it looks for a
	// gateway that is on link through the route that is to be replaced
	// (net/ipv6/route.c, ip6_route_check_nh_onlink).
	switch o := old.(Route); {
	case r.Hops != "" || o.Hops != "":
		return "IPv6 next hops cannot be replaced"
	case r.Hop.OnLink && r.Hop.Dev != o.Hop.Dev:
		return "an IPv6 gateway on another link cannot replace this one"
	}
	return ""
}

// PrefixText writes p as ip route does: default instead of a zero length, no
// length for a single address.
func PrefixText(p netip.Prefix) string {
	switch {
	case p.Bits() == 0 && p.Addr().Is6():
		return "default(v6)"
	case p.Bits() == 0:
		return "default"
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}

func addrOrNone(a netip.Addr) string {
	if !a.IsValid() {
		return "none"
	}
	return a.String()
}
