package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// setting is something that netlab leaves as the kernel makes it, and that
// people can change to the effect that traffic stops.
type setting struct {
	attr  uint16
	name  string // as ip and bridge call it
	size  int    // bytes
	fresh uint32 // its value on a new device
}

// bridgeSettings are those of a bridge. Without STP netlab makes the forward
// delay zero.
var bridgeSettings = []setting{
	{nl.IFLA_BR_FORWARD_DELAY, "forward_delay", 4, 0},
	{nl.IFLA_BR_AGEING_TIME, "ageing_time", 4, 30000},
	{nl.IFLA_BR_VLAN_FILTERING, "vlan_filtering", 1, 0},
	{nl.IFLA_BR_GROUP_FWD_MASK, "group_fwd_mask", 2, 0},
	{nl.IFLA_BR_MCAST_QUERIER, "mcast_querier", 1, 0},
	{nl.IFLA_BR_NF_CALL_IPTABLES, "nf_call_iptables", 1, 0},
	{nl.IFLA_BR_NF_CALL_IP6TABLES, "nf_call_ip6tables", 1, 0},
	{nl.IFLA_BR_NF_CALL_ARPTABLES, "nf_call_arptables", 1, 0},
}

// vxlanSettings are those of a VXLAN device that can be changed in place.
var vxlanSettings = []setting{
	{nl.IFLA_VXLAN_TTL, "ttl", 1, 0},
	{nl.IFLA_VXLAN_TOS, "tos", 1, 0},
	{nl.IFLA_VXLAN_AGEING, "ageing", 4, 300},
}

// The same by their attributes.
var bridgeAttrs, vxlanAttrs, portAttrs = byAttr(bridgeSettings), byAttr(vxlanSettings), byAttr(portSettings)

// settingsByAttr has settings without a size where there is none.
type settingsByAttr [64]setting

func byAttr(list []setting) settingsByAttr {
	var all settingsByAttr
	for _, s := range list {
		all[s.attr] = s
	}
	return all
}

// portForwarding is the state in which a port of a bridge without STP is while
// both ends of its cable are up.
const portForwarding = 3

// portSettings are those of a port of a bridge, but for hairpin mode.
var portSettings = []setting{
	{nl.IFLA_BRPORT_STATE, "state", 1, portForwarding},
	{nl.IFLA_BRPORT_GUARD, "guard", 1, 0},
	{nl.IFLA_BRPORT_PROTECT, "root_block", 1, 0},
	{nl.IFLA_BRPORT_FAST_LEAVE, "fastleave", 1, 0},
	{nl.IFLA_BRPORT_LEARNING, "learning", 1, 1},
	{nl.IFLA_BRPORT_UNICAST_FLOOD, "flood", 1, 1},
	{nl.IFLA_BRPORT_PROXYARP, "proxy_arp", 1, 0},
	{27, "mcast_flood", 1, 1},
	{29, "vlan_tunnel", 1, 0},
	{30, "bcast_flood", 1, 1},
	{32, "neigh_suppress", 1, 0},
	{33, "isolated", 1, 0},
	{39, "locked", 1, 0},
}

func (s setting) value(v []byte) (uint32, bool) {
	if len(v) < s.size {
		return 0, false
	}
	switch s.size {
	case 1:
		return uint32(v[0]), true
	case 2:
		return uint32(binary.NativeEndian.Uint16(v)), true
	}
	return u32(v), true
}

// attrOf returns what makes s as it is on a new device.
func (s setting) attrOf() (int, []byte) {
	b := binary.NativeEndian.AppendUint32(nil, s.fresh)
	switch s.size {
	case 1:
		b = []byte{byte(s.fresh)}
	case 2:
		b = binary.NativeEndian.AppendUint16(nil, uint16(s.fresh))
	}
	return int(s.attr), b
}

// in reports whether words that changed returned are about s.
func (s setting) in(words string) bool {
	return strings.HasPrefix(words, s.name+" ") || strings.Contains(words, ", "+s.name+" ")
}

// changed returns, in words, that a setting has another value than on a new
// device, or "".
func changed(list *settingsByAttr, kind uint16, v []byte) string {
	if int(kind) >= len(list) || list[kind].size == 0 {
		return ""
	}
	s := list[kind]
	if got, ok := s.value(v); ok && got != s.fresh {
		return fmt.Sprintf("%s %d", s.name, got)
	}
	return ""
}

func (d *device) say(words string) { d.extra = append(d.extra, words) }

func (d *device) sayIfChanged(list *settingsByAttr, kind uint16, v []byte) {
	if words := changed(list, kind, v); words != "" {
		d.say(words)
	}
}

func (d device) extras() string { return strings.Join(d.extra, ", ") }

func (d *device) decodePort(kind uint16, v []byte) {
	if kind == nl.IFLA_BRPORT_MODE && len(v) > 0 {
		d.hairpin = v[0] != 0
		return
	}
	if words := changed(&portAttrs, kind, v); words != "" {
		d.asPort = append(d.asPort, words)
	}
}

// Operational states of a device: nobody keeps it, three in which it has no
// carrier, and its cable is connected (IF_OPER_* in include/uapi/linux/if.h).
const (
	operUnknown        = 0
	operNotPresent     = 1
	operDown           = 2
	operLowerLayerDown = 3
	operUp             = 6
)

// portExtras says what people changed of d as a port of bridge. The state of a
// port is the kernel's while its device or the bridge is down, and STP's where
// there is any.
func (d device) portExtras(bridge device) string {
	said := d.asPort
	if d.oper != operUp || !bridge.up() || bridge.stp {
		said = slices.DeleteFunc(slices.Clone(said), func(s string) bool { return strings.HasPrefix(s, "state ") })
	}
	return strings.Join(said, ", ")
}

// What nl and unix do not name.
const (
	iflaProtoDown  = 39 // IFLA_PROTO_DOWN
	iflaPropList   = 52 // IFLA_PROP_LIST
	iflaAltName    = 53 // IFLA_ALT_IFNAME
	rtmDelLinkProp = 109
)

func (d *device) decodeExtra(kind uint16, v []byte) {
	switch kind {
	case unix.IFLA_QDISC:
		switch d.qdisc = text(v); d.qdisc {
		case "noqueue", "noop":
		default:
			d.say("qdisc " + d.qdisc)
		}
	case iflaProtoDown:
		if len(v) > 0 && v[0] != 0 {
			d.say("protodown on")
		}
	case iflaPropList:
		for kind, v := range attributes(v) {
			if kind == iflaAltName {
				d.say("altname " + text(v))
			}
		}
	case unix.IFLA_XDP:
		const attached = 2 // IFLA_XDP_ATTACHED
		for kind, v := range attributes(v) {
			if kind == attached && len(v) > 0 && v[0] != 0 {
				d.say("xdp")
			}
		}
	}
}

// normalise undoes what people changed of a device, as far as it has nothing
// to do with its type.
func normalise(sp *space, name, extra string) error {
	if extra == "" {
		return nil
	}
	return sp.withIndex(name, func(index int) error {
		h := nl.NewIfInfomsg(unix.AF_UNSPEC)
		h.Index = int32(index)
		h.Change = unix.IFF_NOARP | unix.IFF_MULTICAST
		h.Flags = unix.IFF_MULTICAST
		attrs, err := undo(sp, index, strings.Split(extra, ", "))
		attrs = append(attrs, nl.NewRtAttr(unix.IFLA_IFALIAS, nil))
		change := keepNeighbours(sp, index, func() error { return sp.conn.do(request(unix.RTM_NEWLINK, 0, h, attrs...), nil) })
		return errors.Join(err, change)
	})
}

// undo undoes what the words of device.extra say, and returns what remains to be
// said in a message about the link.
func undo(sp *space, index int, extra []string) ([]*nl.RtAttr, error) {
	var attrs []*nl.RtAttr
	var errs []error
	for _, words := range extra {
		what, value, _ := strings.Cut(words, " ")
		switch what {
		case "protodown":
			attrs = append(attrs, nl.NewRtAttr(iflaProtoDown, boolAttr(false)))
		case "xdp":
			none := nl.NewRtAttr(unix.IFLA_XDP|unix.NLA_F_NESTED, nil)
			none.AddRtAttr(nl.IFLA_XDP_FD, nl.Uint32Attr(^uint32(0)))
			attrs = append(attrs, none)
		case "altname":
			list := nl.NewRtAttr(iflaPropList|unix.NLA_F_NESTED, nil)
			list.AddRtAttr(iflaAltName, nl.ZeroTerminated(value))
			errs = append(errs, sp.conn.do(request(rtmDelLinkProp, 0, ifindex(index), list), nil))
		case "qdisc":
			errs = append(errs, dropQdisc(sp, index, tcRoot))
		case "filters":
			errs = append(errs, dropQdisc(sp, index, tcIngress))
		}
	}
	return attrs, errors.Join(errs...)
}

// ifindex is the header of a message about a link of which no flag changes.
func ifindex(index int) *nl.IfInfomsg {
	h := nl.NewIfInfomsg(unix.AF_UNSPEC)
	h.Index = int32(index)
	return h
}
