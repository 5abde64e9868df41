package kernel

import (
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"
)

// netconf is what rtnetlink tells of the parameters of a namespace: some that
// netlab sets, at a fraction of what it costs to open their files. The zero
// netconf knows nothing; it asks when it is asked.
type netconf struct {
	asked map[netconfKey]map[uint16]int32
}

// netconfKey is what a set of parameters is about.
type netconfKey struct {
	family uint8
	index  int32 // of an interface, or one of the following
}

// What unix does not name.
const (
	netconfAll     = -1 // NETCONFA_IFINDEX_ALL
	netconfDefault = -2 // NETCONFA_IFINDEX_DEFAULT

	netconfIndex      = 1 // NETCONFA_IFINDEX
	netconfForwarding = 2 // NETCONFA_FORWARDING
	netconfRPFilter   = 3 // NETCONFA_RP_FILTER
	netconfProxyARP   = 5 // NETCONFA_PROXY_NEIGH
)

// netconfOf says where a parameter is found.
var netconfOf = map[string]struct {
	key  netconfKey
	attr uint16
}{
	"net.ipv4.ip_forward":              {netconfKey{unix.AF_INET, netconfAll}, netconfForwarding},
	"net.ipv4.conf.all.forwarding":     {netconfKey{unix.AF_INET, netconfAll}, netconfForwarding},
	"net.ipv4.conf.default.forwarding": {netconfKey{unix.AF_INET, netconfDefault}, netconfForwarding},
	"net.ipv4.conf.all.rp_filter":      {netconfKey{unix.AF_INET, netconfAll}, netconfRPFilter},
	"net.ipv4.conf.default.rp_filter":  {netconfKey{unix.AF_INET, netconfDefault}, netconfRPFilter},
	"net.ipv4.conf.all.proxy_arp":      {netconfKey{unix.AF_INET, netconfAll}, netconfProxyARP},
	"net.ipv4.conf.default.proxy_arp":  {netconfKey{unix.AF_INET, netconfDefault}, netconfProxyARP},
	"net.ipv6.conf.all.forwarding":     {netconfKey{unix.AF_INET6, netconfAll}, netconfForwarding},
	"net.ipv6.conf.default.forwarding": {netconfKey{unix.AF_INET6, netconfDefault}, netconfForwarding},
}

// value returns what a parameter is in c's namespace, if rtnetlink tells.
func (n *netconf) value(c *conn, name string) (string, bool) {
	where, ok := netconfOf[name]
	if !ok {
		return "", false
	}
	if n.asked == nil {
		n.asked = map[netconfKey]map[uint16]int32{}
	}
	if _, ok := n.asked[where.key]; !ok {
		n.asked[where.key] = nil
		askNetconf(c, where.key.family, n.asked)
	}
	v, ok := n.asked[where.key][where.attr]
	return strconv.Itoa(int(v)), ok
}

// netconfHeader is struct netconfmsg.
type netconfHeader struct{ family uint8 }

// Len implements [nl.NetlinkRequestData].
func (netconfHeader) Len() int { return unix.NLMSG_ALIGNTO }

// Serialize implements [nl.NetlinkRequestData].
func (h netconfHeader) Serialize() []byte { return []byte{h.family, 0, 0, 0} }

// askNetconf puts into told what c's namespace has for all interfaces and for new
// ones: with one question, and nothing where the kernel does not know that.
func askNetconf(c *conn, family uint8, told map[netconfKey]map[uint16]int32) {
	type set struct {
		index  int32
		values map[uint16]int32
	}
	sets, err := dump(c, unix.RTM_GETNETCONF, netconfHeader{family}, func(m []byte) (set, bool) {
		s := set{values: map[uint16]int32{}}
		for kind, v := range attributes(m[min(unix.NLMSG_ALIGNTO, len(m)):]) {
			if len(v) < 4 {
				continue
			}
			value := int32(binary.NativeEndian.Uint32(v))
			if kind != netconfIndex {
				s.values[kind] = value
			} else if s.index = value; value >= 0 {
				return s, false // an interface's; the index comes first
			}
		}
		return s, true
	})
	if err != nil {
		return
	}
	for _, s := range sets {
		told[netconfKey{family, s.index}] = s.values
	}
}
