package provision

import (
	"net/netip"
	"strconv"

	"netlab/labs"
)

// End is one end of a veth cable.
type End struct {
	NS   string
	Name string
	MAC  labs.MAC
	MTU  int // bytes
	Up   bool

	Extra string // what people changed about it, in the words of ip link
}

// Veth is a cable: a pair of connected Ethernet devices. It is keyed by its A
// end and claims the names of both.
type Veth struct {
	A, B  End
	Alias string // interface alias of B if that is on the host: what makes it ours there
}

// Key implements [Object].
func (v Veth) Key() Key { return linkKey(v.A.NS, v.A.Name) }

// Needs implements [Object].
func (v Veth) Needs() []Key { return inside(v.A.NS, inside(v.B.NS)...) }

// Claims implements [Object].
func (v Veth) Claims() []Key { return []Key{v.Key(), linkKey(v.B.NS, v.B.Name)} }

// Attrs implements [Object].
func (v Veth) Attrs() []Attr {
	return []Attr{
		{"type", "veth"}, {"peer", place(v.B.NS) + "/" + v.B.Name},
		{"mac", v.A.MAC.String()}, {"peer-mac", v.B.MAC.String()},
		{"mtu", strconv.Itoa(v.A.MTU)}, {"peer-mtu", strconv.Itoa(v.B.MTU)},
		{"state", upDown(v.A.Up)}, {"peer-state", upDown(v.B.Up)},
		{"extra", v.A.Extra}, {"peer-extra", v.B.Extra},
		{"peer-alias", v.Alias},
	}
}

func (v Veth) recreate(old Object) string {
	o, ok := old.(Veth)
	switch {
	case !ok:
		return "it is no cable of this lab"
	case o.B.NS != v.B.NS:
		return "its other end is elsewhere"
	}
	return ""
}

// Bridge is a software switch.
type Bridge struct {
	NS       string
	Name     string
	MAC      labs.MAC
	MTU      int // bytes
	Up       bool
	STP      bool
	Snooping bool // IGMP and MLD snooping, a source of stray packets

	Extra string // what people changed about it, in the words of ip link
}

// Key implements [Object].
func (b Bridge) Key() Key { return linkKey(b.NS, b.Name) }

// Needs implements [Object].
func (b Bridge) Needs() []Key { return []Key{nsKey(b.NS)} }

// Claims implements [Object].
func (b Bridge) Claims() []Key { return []Key{b.Key()} }

// Attrs implements [Object].
func (b Bridge) Attrs() []Attr {
	return []Attr{
		{"type", "bridge"}, {"mac", b.MAC.String()}, {"mtu", strconv.Itoa(b.MTU)},
		{"state", upDown(b.Up)}, {"stp", onOff(b.STP)}, {"snooping", onOff(b.Snooping)},
		{"extra", b.Extra},
	}
}

func (b Bridge) recreate(old Object) string {
	if _, ok := old.(Bridge); !ok {
		return "it is no bridge"
	}
	return ""
}

// VXLAN is a VXLAN tunnel endpoint (VTEP).
type VXLAN struct {
	NS       string
	Name     string
	MAC      labs.MAC
	MTU      int // bytes
	Up       bool
	VNI      uint32     // 24 bits
	Port     uint16     // UDP
	Local    netip.Addr // source of the outer packets
	Dev      string     // underlay interface
	Learning bool

	Extra string // what people changed about it, in the words of ip link
}

// Key implements [Object].
func (x VXLAN) Key() Key { return linkKey(x.NS, x.Name) }

// Needs implements [Object]. The kernel removes a VXLAN device together with
// its underlay interface (drivers/net/vxlan/vxlan_core.c,
// vxlan_handle_lowerdev_unregister).
func (x VXLAN) Needs() []Key { return []Key{nsKey(x.NS), linkKey(x.NS, x.Dev)} }

// Claims implements [Object].
func (x VXLAN) Claims() []Key { return []Key{x.Key()} }

// Attrs implements [Object].
func (x VXLAN) Attrs() []Attr {
	return []Attr{
		{"type", "vxlan"}, {"id", strconv.Itoa(int(x.VNI))}, {"local", addrText(x.Local)},
		{"dev", x.Dev}, {"dstport", strconv.Itoa(int(x.Port))}, {"learning", onOff(x.Learning)},
		{"mac", x.MAC.String()}, {"mtu", strconv.Itoa(x.MTU)}, {"state", upDown(x.Up)},
		{"extra", x.Extra},
	}
}

func (x VXLAN) recreate(old Object) string {
	o, ok := old.(VXLAN)
	switch {
	case !ok:
		return "it is no VXLAN device"
	case o.VNI != x.VNI:
		return "VNI cannot change"
	case o.Port != x.Port:
		return "port cannot change"
	case o.Local.Is4() != x.Local.Is4():
		return "address family cannot change"
	case o.Dev != x.Dev:
		return "underlay interface cannot change"
	}
	return ""
}

// Link is a device that no lab asks for: something that people added, or half
// of a cable whose other end is not where it should be. It is only observed.
type Link struct {
	NS   string
	Name string
	Type string // as ip -d link prints it, such as veth or dummy
}

// Key implements [Object].
func (l Link) Key() Key { return linkKey(l.NS, l.Name) }

// Needs implements [Object].
func (l Link) Needs() []Key { return inside(l.NS) }

// Claims implements [Object].
func (l Link) Claims() []Key { return []Key{l.Key()} }

// Attrs implements [Object].
func (l Link) Attrs() []Attr { return []Attr{{"type", l.Type}} }

func (l Link) recreate(Object) string { return "" }

// Port makes a link a port of a bridge in the same namespace.
type Port struct {
	NS      string
	Dev     string
	Bridge  string
	Hairpin bool // frames may leave through the port they came in by

	Extra string // what people changed about it, in the words of bridge link
}

// Key implements [Object].
func (p Port) Key() Key { return Key{KindPort, p.NS, p.Dev} }

// Needs implements [Object].
func (p Port) Needs() []Key {
	return []Key{nsKey(p.NS), linkKey(p.NS, p.Dev), linkKey(p.NS, p.Bridge)}
}

// Claims implements [Object].
func (p Port) Claims() []Key { return []Key{p.Key()} }

// Attrs implements [Object].
func (p Port) Attrs() []Attr {
	return []Attr{{"master", p.Bridge}, {"hairpin", onOff(p.Hairpin)}, {"extra", p.Extra}}
}

func (p Port) recreate(Object) string { return "" }

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return "any"
	}
	return a.String()
}
