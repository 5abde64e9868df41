package kernel

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// netconf is what rtnetlink tells of the parameters of a namespace: some that
// netlab sets, at a fraction of what it costs to open their files. The zero
// netconf knows nothing; it asks when it is asked.
type netconf struct {
	ipv4, ipv6 *netconfSets // nil: not asked yet
}

// netconfSets are what one family has for all interfaces and for new ones.
type netconfSets struct{ all, fresh netconfSet }

// netconfSet has values by their attributes.
type netconfSet [netconfProxyARP + 1]struct {
	value int32
	known bool
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
	sets := &n.ipv4
	if where.key.family == unix.AF_INET6 {
		sets = &n.ipv6
	}
	if *sets == nil {
		*sets = askNetconf(c, where.key.family)
	}
	set := &(*sets).all
	if where.key.index == netconfDefault {
		set = &(*sets).fresh
	}
	return strconv.Itoa(int(set[where.attr].value)), set[where.attr].known
}

// netconfHeader is struct netconfmsg.
type netconfHeader struct{ family uint8 }

// Len implements [nl.NetlinkRequestData].
func (netconfHeader) Len() int { return unix.NLMSG_ALIGNTO }

// Serialize implements [nl.NetlinkRequestData].
func (h netconfHeader) Serialize() []byte { return []byte{h.family, 0, 0, 0} }

// askNetconf asks for what c's namespace has for all interfaces and for new ones:
// with one question, and nothing where the kernel does not know that.
func askNetconf(c *conn, family uint8) *netconfSets {
	var told netconfSets
	_, err := dump(c, unix.RTM_GETNETCONF, netconfHeader{family}, func(m []byte) (struct{}, bool) {
		var set *netconfSet // none where it is an interface's
		for kind, v := range attributes(m[min(unix.NLMSG_ALIGNTO, len(m)):]) {
			switch {
			case len(v) < 4:
			case kind == netconfIndex: // it comes first
				switch int32(u32(v)) {
				case netconfAll:
					set = &told.all
				case netconfDefault:
					set = &told.fresh
				}
			case set != nil && int(kind) < len(set):
				set[kind].value, set[kind].known = int32(u32(v)), true
			}
		}
		return struct{}{}, false
	})
	if err != nil {
		return &netconfSets{}
	}
	return &told
}
