package provision

import (
	"cmp"
	"net/netip"
	"strings"
)

// Addr is an address of an interface.
type Addr struct {
	NS     string
	Dev    string
	Prefix netip.Prefix // address and length, not masked

	// Route is "" if the routes are there that the kernel makes for the address,
	// otherwise which are not.
	Route string

	// Extra is what people changed about the address, in the words of ip addr.
	Extra string
}

// Key implements [Object].
func (a Addr) Key() Key { return Key{KindAddr, a.NS, a.Dev + " " + a.Prefix.String()} }

// Needs implements [Object].
func (a Addr) Needs() []Key { return inside(a.NS, linkKey(a.NS, a.Dev)) }

// Claims implements [Object].
func (a Addr) Claims() []Key { return []Key{a.Key()} }

// Attrs implements [Object].
func (a Addr) Attrs() []Attr {
	return []Attr{{"route", cmp.Or(a.Route, "present")}, {"extra", a.Extra}}
}

func (a Addr) recreate(old Object) string {
	switch o := old.(Addr); {
	case strings.Contains(o.Extra, "peer"), strings.Contains(o.Extra, "scope"),
		strings.Contains(o.Extra, "noprefixroute"), strings.Contains(o.Extra, "dadfailed"):
		return o.Extra + " cannot change"
	case o.Route != "" && a.Prefix.Addr().Is6():
		return "its route is missing"
	}
	return ""
}
