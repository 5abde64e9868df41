package kernel

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
)

// ownRoute is a route that the kernel makes by itself for an address.
type ownRoute struct {
	link  int
	table int
	to    netip.Prefix
	kind  provision.RouteType
}

// What the routes of an address are called that lead to nobody else.
const (
	localRoute     provision.RouteType = "local"
	broadcastRoute provision.RouteType = "broadcast"
)

// ownRoutes are those that are there.
type ownRoutes map[ownRoute]bool

// connected returns the route to the neighbours of an address, and whether the
// kernel makes one: IPv6 has it for an address without neighbours, too.
func (a address) connected() (ownRoute, bool) {
	return ownRoute{a.link, unix.RT_TABLE_MAIN, a.prefix.Masked(), provision.Unicast}, a.prefix.Addr().Is6() || !a.prefix.IsSingleIP()
}

// itself returns the route that makes an address one of this namespace.
func (a address) itself() ownRoute {
	return ownRoute{a.link, unix.RT_TABLE_LOCAL, single(a.prefix.Addr()), localRoute}
}

// broadcast returns the route to the last address of an address's network, and
// whether the kernel makes one.
func (a address) broadcast() (ownRoute, bool) {
	p := a.prefix
	if !p.Addr().Is4() || p.Bits() > 30 || a.flags&unix.IFA_F_SECONDARY != 0 {
		return ownRoute{}, false
	}
	return ownRoute{a.link, unix.RT_TABLE_LOCAL, single(lastAddr(p)), broadcastRoute}, true
}

// lastAddr returns the last address of an IPv4 prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|(1<<(32-p.Bits())-1))
	return netip.AddrFrom4(b)
}

// lowerUp is the flag of a device whose cable is connected (IFF_LOWER_UP): the
// kernel makes no routes of IPv6 before.
const lowerUp = 1 << 16

// missing says which of its routes the address a lacks. They come and go with
// the state of the device: while it is down, nothing is missing.
func (r ownRoutes) missing(a address, d device) string {
	if !d.up() || a.flags&unix.IFA_F_NOPREFIXROUTE != 0 {
		return ""
	}
	var lacks []string
	if c, ok := a.connected(); ok && !r[c] && !a.prefix.Addr().IsLoopback() && d.index != loIndex {
		lacks = append(lacks, c.to.String())
	}
	if a.prefix.Addr().Is4() && !r[a.itself()] {
		lacks = append(lacks, "local "+a.prefix.Addr().String())
	}
	if a.prefix.Addr().Is6() && a.flags&unix.IFA_F_TENTATIVE == 0 && d.flags&lowerUp != 0 && !r[a.itself()] {
		lacks = append(lacks, "local "+a.prefix.Addr().String())
	}
	if b, ok := a.broadcast(); ok && !r[b] {
		lacks = append(lacks, "broadcast "+b.to.Addr().String())
	}
	if len(lacks) == 0 {
		return ""
	}
	return "without " + strings.Join(lacks, ", ")
}

// addOwnRoutes makes the IPv4 routes of an address as the kernel does, so that
// they go with it.
func (sp *space) addOwnRoutes(index int, p netip.Prefix) error {
	add := func(to netip.Prefix, table int, scope, kind uint8) error {
		h := &nl.RtMsg{RtMsg: unix.RtMsg{
			Family: unix.AF_INET, Dst_len: uint8(to.Bits()), Protocol: unix.RTPROT_KERNEL, Scope: scope, Type: kind,
		}}
		return sp.conn.do(request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, h,
			nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(uint32(table))),
			nl.NewRtAttr(unix.RTA_DST, to.Addr().AsSlice()),
			nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))),
			nl.NewRtAttr(unix.RTA_PREFSRC, p.Addr().AsSlice())), nil)
	}
	if !p.Addr().Is4() {
		return nil
	}
	if err := add(single(p.Addr()), unix.RT_TABLE_LOCAL, unix.RT_SCOPE_HOST, unix.RTN_LOCAL); err != nil {
		return err
	}
	if p.IsSingleIP() {
		return nil
	}
	if p.Bits() <= 30 {
		if err := add(single(lastAddr(p)), unix.RT_TABLE_LOCAL, unix.RT_SCOPE_LINK, unix.RTN_BROADCAST); err != nil {
			return err
		}
	}
	if p.Addr().IsLoopback() {
		return add(p.Masked(), unix.RT_TABLE_LOCAL, unix.RT_SCOPE_HOST, unix.RTN_LOCAL)
	}
	return add(p.Masked(), unix.RT_TABLE_MAIN, unix.RT_SCOPE_LINK, unix.RTN_UNICAST)
}

// split separates the kernel's own routes from those of people and netlab.
// Whatever says that the kernel made it and belongs to no address is people's,
// and so is what says more than the kernel does.
func (e routeEntries) split(addrs []address) (own ownRoutes, others routeEntries) {
	own = ownRoutes{}
	connected, sources := map[ownRoute]bool{}, map[source]bool{}
	for _, a := range addrs {
		sources[source{a.link, a.prefix.Addr()}] = true
		if c, ok := a.connected(); ok {
			connected[c] = true
			if a.prefix.Addr().IsLoopback() {
				c.table, c.kind = unix.RT_TABLE_LOCAL, localRoute
				connected[c] = true
			}
		}
	}
	for _, r := range e {
		here := ownRoute{r.link, r.route.Table, r.route.To, r.route.Type}
		plain := r.plain(sources)
		own[here] = own[here] || plain
		if !plain && r.proto == unix.RTPROT_KERNEL || !r.kernels(connected[here]) {
			others = append(others, r)
		}
	}
	return own, others
}

// kernels reports whether the kernel made r by itself. connected says that r is
// the way to the neighbours of an address.
func (r routeEntry) kernels(connected bool) bool {
	ip6 := r.route.To.Addr().Is6()
	switch {
	case r.proto == unix.RTPROT_RA || r.proto == unix.RTPROT_REDIRECT:
		return ip6 || r.proto == unix.RTPROT_REDIRECT
	case r.route.Table == unix.RT_TABLE_LOCAL:
		return r.proto == unix.RTPROT_KERNEL || ip6 && r.route.To.Addr().IsMulticast()
	case r.proto != unix.RTPROT_KERNEL:
		return false
	case ip6:
		return connected || r.route.Type != provision.Unicast ||
			r.route.To.Addr().IsLinkLocalUnicast() || r.route.To.Addr().IsMulticast() || r.route.To.Addr().IsLoopback()
	}
	return connected && !r.route.Hop.Via.IsValid()
}

// source is an address of a link, with which packets start.
type source struct {
	link int
	addr netip.Addr
}

// plain reports whether r says no more than the kernel does of the routes that it
// makes for addresses.
func (r routeEntry) plain(sources map[source]bool) bool {
	src := r.route.Src
	return !r.route.Hop.Via.IsValid() && r.route.Hops == "" && r.route.Extra == "" && (!src.IsValid() || sources[source{r.link, src}])
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
