package labs

import (
	"net/netip"
	"strings"
)

// address parses an address as an author writes it.
func (r *resolver) address(a At[string]) (netip.Addr, bool) {
	if !a.OK() {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(a.Value)
	if err != nil || addr.Zone() != "" {
		hint := "write it as 10.0.0.1 or fd00::1"
		if strings.Contains(a.Value, "/") {
			hint = "leave the length out"
		}
		r.errorf(a.Place, hint, "%s is not an address", quote(a.Value))
		return netip.Addr{}, false
	}
	return addr, r.usable(a.Place, addr)
}

// usable reports an address that no interface of a lab can have.
func (r *resolver) usable(at Place, addr netip.Addr) bool {
	why := ""
	for _, s := range special() {
		if s.prefix.Contains(addr) {
			why = s.use
		}
	}
	if addr.Is4In6() {
		why = "IPv4 addresses written as IPv6"
	}
	if why != "" {
		r.errorf(at, "", "%s lies in a range that is kept for %s", quote(addr.String()), why)
	}
	return why == ""
}

// prefix parses a range of addresses in its masked form.
func (r *resolver) prefix(a At[string]) (netip.Prefix, bool) {
	if !a.OK() {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(a.Value)
	if err != nil || p.Addr().Is4In6() {
		r.errorf(a.Place, "write it as 10.0.0.0/24 or fd00::/64", "%s is not a range of addresses", quote(a.Value))
		return netip.Prefix{}, false
	}
	if p != p.Masked() {
		r.errorf(a.Place, "write "+p.Masked().String(), "%s has bits set behind its length", quote(a.Value))
		return netip.Prefix{}, false
	}
	return p, true
}

// prefixOrAddress parses a range of addresses or a single one.
func (r *resolver) prefixOrAddress(a At[string]) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(a.Value); a.OK() && err == nil && addr.Zone() == "" && !addr.Is4In6() {
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	return r.prefix(a)
}

// family counts the address families: 0 for IPv4, 1 for IPv6.
func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// familyName names an address family.
func familyName(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// ofFamily returns the prefix of the same family as a.
func ofFamily(ps []netip.Prefix, a netip.Addr) (netip.Prefix, bool) {
	for _, p := range ps {
		if p.Addr().Is4() == a.Is4() {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// firstHost returns the address after the network's own, which is the gateway.
func firstHost(p netip.Prefix) netip.Addr { return p.Addr().Next() }

// nth returns the address n after the network's own.
func nth(p netip.Prefix, n int) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := len(b) - 1; i >= 0 && n > 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// lastAddr returns the last address of p: the broadcast address in IPv4.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// lastHost returns the last address of p that an interface can have.
func lastHost(p netip.Prefix) netip.Addr {
	if p.Addr().Is4() {
		return lastAddr(p).Prev()
	}
	return lastAddr(p)
}

// edge says which special address of p a is, or "".
func edge(p netip.Prefix, a netip.Addr) string {
	switch {
	case a == p.Masked().Addr():
		return "the network's own address"
	case a.Is4() && a == lastAddr(p):
		return "the broadcast address"
	}
	return ""
}

// specialRange is a range with a meaning of its own, kept for some use.
type specialRange struct {
	prefix netip.Prefix
	use    string
}

func special() []specialRange {
	return []specialRange{
		{netip.MustParsePrefix("0.0.0.0/8"), "this host"},
		{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
		{netip.MustParsePrefix("169.254.0.0/16"), "link-local addresses"},
		{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
		{netip.MustParsePrefix("240.0.0.0/4"), "the future"},
		{netip.MustParsePrefix("::/127"), "loopback"},
		{netip.MustParsePrefix("::ffff:0.0.0.0/96"), "IPv4 addresses written as IPv6"},
		{netip.MustParsePrefix("fe80::/10"), "link-local addresses"},
		{netip.MustParsePrefix("ff00::/8"), "multicast"},
	}
}
