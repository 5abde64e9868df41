package kernel

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision"
)

// loIndex is the index of lo in every namespace.
const loIndex = 1

// device is what the kernel says about a link.
type device struct {
	index   int
	name    string
	kind    string // "veth", "bridge", ...; "" for lo and hardware
	alias   string
	mac     labs.MAC
	mtu     int
	flags   uint32
	master  int // index of the bridge it is a port of, or 0
	hairpin bool

	link   int // index of the other end, or of the underlay interface
	linkNS int // id of the namespace of link, or -1 if it is the same

	stp, snooping bool // of a bridge
	vxlan         vxlanData

	qdisc  string
	extra  []string // what people changed of the device itself
	asPort []string // and of it as a port of a bridge
	oper   uint8    // operational state
	conf   deviceConf
}

type vxlanData struct {
	vni      uint32
	port     uint16
	local    netip.Addr
	dev      int
	learning bool
}

func (d device) up() bool { return d.flags&unix.IFF_UP != 0 }

// devices lists the links of c's namespace.
func devices(c *conn) ([]device, error) {
	return dump(c, unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_UNSPEC), decodeDevice, skipStats())
}

// skipStats in a question about links leaves counters out of the answer.
func skipStats() *nl.RtAttr {
	const filter = 1 << 3 // RTEXT_FILTER_SKIP_STATS
	return nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(filter))
}

// deviceNamed looks one link up. The error is ENODEV if there is none.
func deviceNamed(c *conn, name string) (device, error) {
	var d device
	err := c.do(request(unix.RTM_GETLINK, 0, nl.NewIfInfomsg(unix.AF_UNSPEC),
		nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name))),
		func(m []byte) { d, _ = decodeDevice(m) })
	return d, err
}

func decodeDevice(m []byte) (device, bool) {
	if len(m) < unix.SizeofIfInfomsg {
		return device{}, false
	}
	d := device{
		index:  int(int32(u32(m[4:]))),
		flags:  u32(m[8:]),
		linkNS: -1,
	}
	for kind, v := range attributes(m[unix.SizeofIfInfomsg:]) {
		switch kind {
		case unix.IFLA_IFNAME:
			d.name = text(v)
		case unix.IFLA_IFALIAS:
			d.alias = text(v)
		case unix.IFLA_ADDRESS:
			if len(v) == len(d.mac) {
				d.mac = labs.MAC(v)
			}
		case unix.IFLA_MTU:
			d.mtu = int(u32(v))
		case unix.IFLA_MASTER:
			d.master = int(u32(v))
		case unix.IFLA_LINK:
			d.link = int(u32(v))
		case unix.IFLA_LINK_NETNSID:
			d.linkNS = int(int32(u32(v)))
		case unix.IFLA_LINKINFO:
			d.decodeInfo(v)
		case unix.IFLA_AF_SPEC:
			d.conf.decode(v)
		case unix.IFLA_OPERSTATE:
			d.oper = v[0]
		default:
			d.decodeExtra(kind, v)
		}
	}
	if d.flags&unix.IFF_NOARP != 0 {
		d.say("arp off")
	}
	if d.flags&unix.IFF_MULTICAST == 0 && d.name != "lo" {
		d.say("multicast off")
	}
	if d.alias != "" {
		d.say("alias " + d.alias)
	}
	return d, true
}

func (d *device) decodeInfo(b []byte) {
	for kind, v := range attributes(b) {
		switch kind {
		case nl.IFLA_INFO_KIND:
			d.kind = text(v)
		case nl.IFLA_INFO_DATA:
			switch d.kind {
			case "bridge":
				d.decodeBridge(v)
			case "vxlan":
				d.decodeVXLAN(v)
			}
		case nl.IFLA_INFO_SLAVE_DATA:
			for kind, v := range attributes(v) {
				d.decodePort(kind, v)
			}
		}
	}
}

func (d *device) decodeBridge(b []byte) {
	for kind, v := range attributes(b) {
		switch kind {
		case nl.IFLA_BR_STP_STATE:
			d.stp = u32(v) != 0
		case nl.IFLA_BR_MCAST_SNOOPING:
			d.snooping = len(v) > 0 && v[0] != 0
		default:
			d.sayIfChanged(&bridgeAttrs, kind, v)
		}
	}
	if d.stp { // which needs a delay
		d.extra = slices.DeleteFunc(d.extra, func(s string) bool { return strings.HasPrefix(s, "forward_delay") })
	}
}

func (d *device) decodeVXLAN(b []byte) {
	x := &d.vxlan
	for kind, v := range attributes(b) {
		switch kind {
		case nl.IFLA_VXLAN_ID:
			x.vni = u32(v)
		case nl.IFLA_VXLAN_LINK:
			x.dev = int(u32(v))
		case nl.IFLA_VXLAN_LOCAL, nl.IFLA_VXLAN_LOCAL6:
			x.local, _ = netip.AddrFromSlice(v)
		case nl.IFLA_VXLAN_LEARNING:
			x.learning = len(v) > 0 && v[0] != 0
		case nl.IFLA_VXLAN_PORT:
			if len(v) >= 2 {
				x.port = binary.BigEndian.Uint16(v)
			}
		case nl.IFLA_VXLAN_GROUP, nl.IFLA_VXLAN_GROUP6:
			if a, ok := netip.AddrFromSlice(v); ok && !a.IsUnspecified() {
				d.say("remote " + a.String())
			}
		default:
			d.sayIfChanged(&vxlanAttrs, kind, v)
		}
	}
}

// fallback reports whether the kernel itself made d, as it does in every
// namespace where a tunnel module is loaded.
func (d device) fallback() bool {
	switch d.name {
	case "lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0":
		return true
	}
	return false
}

// typeName is what ip -d link calls d's type.
func (d device) typeName() string {
	if d.kind == "" {
		return "device"
	}
	return d.kind
}

// end describes d as one end of a cable.
func (d device) end(ns string) provision.End {
	return provision.End{NS: ns, Name: d.name, MAC: d.mac, MTU: d.mtu, Up: d.up(), Extra: d.extras()}
}

// ifinfo is the header of a message about the link with an index, 0 for one
// that is not there yet. state says whether it is to be up or down.
func ifinfo(index int, up bool) *nl.IfInfomsg {
	h := nl.NewIfInfomsg(unix.AF_UNSPEC)
	h.Index = int32(index)
	h.Change = unix.IFF_UP
	if up {
		h.Flags = unix.IFF_UP
	}
	return h
}

func macAttr(m labs.MAC) *nl.RtAttr { return nl.NewRtAttr(unix.IFLA_ADDRESS, m[:]) }

func mtuAttr(mtu int) *nl.RtAttr { return nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(mtu))) }

func nameAttr(name string) *nl.RtAttr {
	return nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name))
}

func boolAttr(b bool) []byte {
	if b {
		return []byte{1}
	}
	return []byte{0}
}
