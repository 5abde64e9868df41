package kernel

import (
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/vishvananda/netlink/nl"
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
	values, ok := n.asked[where.key]
	if !ok {
		values = askNetconf(c, where.key)
		if n.asked == nil {
			n.asked = map[netconfKey]map[uint16]int32{}
		}
		n.asked[where.key] = values
	}
	v, ok := values[where.attr]
	return strconv.Itoa(int(v)), ok
}

// netconfHeader is struct netconfmsg.
type netconfHeader struct{ family uint8 }

// Len implements [nl.NetlinkRequestData].
func (netconfHeader) Len() int { return unix.NLMSG_ALIGNTO }

// Serialize implements [nl.NetlinkRequestData].
func (h netconfHeader) Serialize() []byte { return []byte{h.family, 0, 0, 0} }

// askNetconf returns nothing where the kernel does not know the question.
func askNetconf(c *conn, key netconfKey) map[uint16]int32 {
	values := map[uint16]int32{}
	err := c.do(request(unix.RTM_GETNETCONF, 0, netconfHeader{key.family},
		nl.NewRtAttr(netconfIndex, nl.Uint32Attr(uint32(key.index)))), func(m []byte) {
		for kind, v := range attributes(m[min(unix.NLMSG_ALIGNTO, len(m)):]) {
			if len(v) >= 4 {
				values[kind] = int32(binary.NativeEndian.Uint32(v))
			}
		}
	})
	if err != nil {
		return nil
	}
	return values
}
