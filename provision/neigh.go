package provision

import (
	"net/netip"

	"netlab/labs"
)

// Neigh is a permanent entry of the neighbour table.
type Neigh struct {
	NS   string
	Dev  string
	Addr netip.Addr
	MAC  labs.MAC
}

// Key implements [Object].
func (n Neigh) Key() Key { return Key{KindNeigh, n.NS, n.Addr.String() + " dev " + n.Dev} }

// Needs implements [Object].
func (n Neigh) Needs() []Key { return []Key{nsKey(n.NS), linkKey(n.NS, n.Dev)} }

// Claims implements [Object].
func (n Neigh) Claims() []Key { return []Key{n.Key()} }

// Attrs implements [Object].
func (n Neigh) Attrs() []Attr { return []Attr{{"lladdr", n.MAC.String()}} }

func (n Neigh) recreate(Object) string { return "" }

// FDB is a permanent entry of a forwarding database: on a VXLAN device the
// VTEP behind which a MAC lives, on a bridge a MAC that was nailed to a port.
type FDB struct {
	NS  string
	Dev string
	MAC labs.MAC
	Dst netip.Addr // VTEP; the zero Addr for an entry of a bridge

	// Extra is what else somebody said about the VTEP, in the words of bridge
	// fdb.
	Extra string
}

// Key implements [Object].
func (f FDB) Key() Key { return Key{KindFDB, f.NS, f.MAC.String() + " dev " + f.Dev} }

// Needs implements [Object].
func (f FDB) Needs() []Key { return []Key{nsKey(f.NS), linkKey(f.NS, f.Dev)} }

// Claims implements [Object].
func (f FDB) Claims() []Key { return []Key{f.Key()} }

// Attrs implements [Object].
func (f FDB) Attrs() []Attr { return []Attr{{"dst", addrOrNone(f.Dst)}, {"extra", f.Extra}} }

func (f FDB) recreate(old Object) string {
	if o := old.(FDB); o.Extra != "" {
		return o.Extra + " cannot change"
	}
	return ""
}
