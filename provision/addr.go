package provision

import "net/netip"

// Addr is an address of an interface.
type Addr struct {
	NS     string
	Dev    string
	Prefix netip.Prefix // address and length, not masked
}

// Key implements [Object].
func (a Addr) Key() Key { return Key{KindAddr, a.NS, a.Dev + " " + a.Prefix.String()} }

// Needs implements [Object].
func (a Addr) Needs() []Key { return []Key{nsKey(a.NS), linkKey(a.NS, a.Dev)} }

// Claims implements [Object].
func (a Addr) Claims() []Key { return []Key{a.Key()} }

// Attrs implements [Object].
func (a Addr) Attrs() []Attr { return nil }

func (a Addr) recreate(Object) string { return "" }
