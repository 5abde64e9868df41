package kernel

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
)

// defaultMetric6 is what the kernel makes of metric 0 on an IPv6 route.
const defaultMetric6 = 1024

// routeEntry is what the kernel says about a route, and how it said it.
type routeEntry struct {
	route provision.Route // without NS and Twin
	raw   []byte
}

// routes lists the routes of c's namespace that are not the kernel's own, in
// the kernel's order. names translates indexes of links.
func routes(c *conn, names map[int]string) ([]routeEntry, error) {
	header := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_UNSPEC}}
	return dump(c, unix.RTM_GETROUTE, header, func(m []byte) (routeEntry, bool) {
		r, ok := decodeRoute(m, names)
		if !ok {
			return routeEntry{}, false
		}
		return routeEntry{r, slices.Clone(m)}, true
	})
}

// observedRoutes names the namespace and numbers routes of one key.
func observedRoutes(ns string, entries []routeEntry) []provision.Route {
	twins := map[provision.Key]int{}
	found := make([]provision.Route, len(entries))
	for i, e := range entries {
		r := e.route
		r.NS = ns
		key := r.Key()
		r.Twin = twins[key]
		twins[key]++
		found[i] = r
	}
	return found
}

func decodeRoute(m []byte, names map[int]string) (provision.Route, bool) {
	if len(m) < unix.SizeofRtMsg {
		return provision.Route{}, false
	}
	fam, bits, table, proto, kind := m[0], int(m[1]), int(m[4]), m[5], m[7]
	flags := u32(m[8:])
	if (fam != unix.AF_INET && fam != unix.AF_INET6) || flags&unix.RTM_F_CLONED != 0 {
		return provision.Route{}, false
	}
	switch proto {
	case unix.RTPROT_KERNEL, unix.RTPROT_RA, unix.RTPROT_REDIRECT:
		return provision.Route{}, false
	}
	to := netip.IPv4Unspecified()
	if fam == unix.AF_INET6 {
		to = netip.IPv6Unspecified()
	}
	r := provision.Route{Type: routeType(kind)}
	hop := provision.Hop{OnLink: flags&unix.RTNH_F_ONLINK != 0}
	var hops []provision.Hop
	for kind, v := range attributes(m[unix.SizeofRtMsg:]) {
		switch kind {
		case unix.RTA_DST:
			to, _ = netip.AddrFromSlice(v)
		case unix.RTA_TABLE:
			table = int(u32(v))
		case unix.RTA_PRIORITY:
			r.Metric = int(u32(v))
		case unix.RTA_PREFSRC:
			r.Src, _ = netip.AddrFromSlice(v)
		case unix.RTA_OIF:
			hop.Dev = names[int(u32(v))]
		case unix.RTA_GATEWAY, unix.RTA_VIA:
			hop.Via = gateway(kind, v)
		case unix.RTA_MULTIPATH:
			hops = decodeHops(v, names)
		}
	}
	if table == unix.RT_TABLE_LOCAL {
		return provision.Route{}, false
	}
	r.Table, r.To = table, netip.PrefixFrom(to, bits)
	if fam == unix.AF_INET6 && r.Metric == defaultMetric6 {
		r.Metric = 0
	}
	switch {
	case len(hops) > 1:
		r.Hops = provision.JoinHops(hops)
	case len(hops) == 1:
		r.Hop = hops[0]
	case r.Type == provision.Unicast:
		r.Hop = hop
	}
	return r, true
}

func decodeHops(b []byte, names map[int]string) []provision.Hop {
	var hops []provision.Hop
	for len(b) >= unix.SizeofRtNexthop {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtNexthop || n > len(b) {
			break
		}
		hop := provision.Hop{Dev: names[int(u32(b[4:]))], OnLink: b[2]&unix.RTNH_F_ONLINK != 0}
		for kind, v := range attributes(b[unix.SizeofRtNexthop:n]) {
			if kind == unix.RTA_GATEWAY || kind == unix.RTA_VIA {
				hop.Via = gateway(kind, v)
			}
		}
		hops = append(hops, hop)
		b = b[min(align(n), len(b)):]
	}
	return hops
}

// gateway reads a next hop's address, which RTA_VIA precedes by its family.
func gateway(kind uint16, v []byte) netip.Addr {
	if kind == unix.RTA_VIA && len(v) > 2 {
		v = v[2:]
	}
	a, _ := netip.AddrFromSlice(v)
	return a
}

func gatewayAttr(to, via netip.Addr) *nl.RtAttr {
	if to.Is4() == via.Is4() {
		return nl.NewRtAttr(unix.RTA_GATEWAY, via.AsSlice())
	}
	return nl.NewRtAttr(unix.RTA_VIA, append(nl.Uint16Attr(uint16(family(via))), via.AsSlice()...))
}

// routeTypes are the kernel's names for what becomes of a packet.
var routeTypes = [...]provision.RouteType{
	unix.RTN_UNSPEC: "unspec", unix.RTN_UNICAST: provision.Unicast, unix.RTN_LOCAL: "local",
	unix.RTN_BROADCAST: "broadcast", unix.RTN_ANYCAST: "anycast", unix.RTN_MULTICAST: "multicast",
	unix.RTN_BLACKHOLE: provision.Blackhole, unix.RTN_UNREACHABLE: "unreachable",
	unix.RTN_PROHIBIT: "prohibit", unix.RTN_THROW: "throw", unix.RTN_NAT: "nat", unix.RTN_XRESOLVE: "xresolve",
}

func routeType(kind uint8) provision.RouteType {
	if int(kind) < len(routeTypes) {
		return routeTypes[kind]
	}
	return provision.RouteType("type " + strconv.Itoa(int(kind)))
}

func doRoute(sp *space, op provision.Op, r provision.Route) error {
	if op == provision.Delete {
		return deleteRoute(sp, r)
	}
	return sp.withIndexes(r.AllHops(), func(indexes map[string]int) error {
		req := routeRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, r)
		addHops(req, r, indexes)
		if r.Src.IsValid() {
			req.AddData(nl.NewRtAttr(unix.RTA_PREFSRC, r.Src.AsSlice()))
		}
		return sp.conn.do(req, nil)
	})
}

// withIndexes calls fn with the indexes of the devices of hops. Should they be
// out of date they are read again, once.
func (sp *space) withIndexes(hops []provision.Hop, fn func(indexes map[string]int) error) error {
	for attempt := 0; ; attempt++ {
		indexes := make(map[string]int, len(hops))
		fromMemory := false
		for _, h := range hops {
			if h.Dev == "" {
				continue
			}
			index, remembered, err := sp.index(h.Dev)
			if err != nil {
				return err
			}
			indexes[h.Dev] = index
			fromMemory = fromMemory || remembered
		}
		err := fn(indexes)
		if attempt > 0 || !fromMemory || !errors.Is(err, unix.ENODEV) {
			return err
		}
		for dev := range indexes {
			sp.lose(dev)
		}
	}
}

// routeRequest says which route is meant: all of its key.
func routeRequest(kind, flags int, r provision.Route) *nl.NetlinkRequest {
	h := &nl.RtMsg{RtMsg: unix.RtMsg{
		Family:   uint8(family(r.To.Addr())),
		Dst_len:  uint8(r.To.Bits()),
		Table:    unix.RT_TABLE_UNSPEC,
		Protocol: unix.RTPROT_STATIC,
		Scope:    unix.RT_SCOPE_UNIVERSE,
		Type:     uint8(max(0, slices.Index(routeTypes[:], r.Type))),
	}}
	if kind == unix.RTM_DELROUTE {
		h.Protocol, h.Scope = unix.RTPROT_UNSPEC, unix.RT_SCOPE_NOWHERE // any
	} else if r.To.Addr().Is4() && r.Type == provision.Unicast && r.Hops == "" && !r.Hop.Via.IsValid() {
		h.Scope = unix.RT_SCOPE_LINK
	}
	req := request(kind, flags, h, nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(uint32(r.Table))))
	if r.To.Bits() > 0 {
		req.AddData(nl.NewRtAttr(unix.RTA_DST, r.To.Addr().AsSlice()))
	}
	if r.Metric > 0 {
		req.AddData(nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(uint32(r.Metric))))
	} else if r.To.Addr().Is6() && kind == unix.RTM_DELROUTE {
		req.AddData(nl.NewRtAttr(unix.RTA_PRIORITY, nl.Uint32Attr(defaultMetric6)))
	}
	return req
}

// addHops says where the route leads.
func addHops(req *nl.NetlinkRequest, r provision.Route, indexes map[string]int) {
	if r.Hops == "" {
		if r.Hop.Via.IsValid() {
			req.AddData(gatewayAttr(r.To.Addr(), r.Hop.Via))
		}
		if r.Hop.Dev != "" {
			req.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(indexes[r.Hop.Dev]))))
		}
		if r.Hop.OnLink {
			req.Data[0].(*nl.RtMsg).Flags |= unix.RTNH_F_ONLINK
		}
		return
	}
	var all []byte
	for _, hop := range r.Hops.List() {
		nh := &nl.RtNexthop{RtNexthop: unix.RtNexthop{Ifindex: int32(indexes[hop.Dev])}}
		if hop.OnLink {
			nh.Flags = unix.RTNH_F_ONLINK
		}
		if hop.Via.IsValid() {
			nh.Children = []nl.NetlinkRequestData{gatewayAttr(r.To.Addr(), hop.Via)}
		}
		all = append(all, nh.Serialize()...)
	}
	req.AddData(nl.NewRtAttr(unix.RTA_MULTIPATH, all))
}

// deleteRoute removes exactly r. What tells it from others of its key may be
// something that provision does not know, such as a TOS, so that it is read and
// the kernel is given its own words back.
func deleteRoute(sp *space, r provision.Route) error {
	links, err := devices(sp.conn)
	if err != nil {
		return err
	}
	names := make(map[int]string, len(links))
	for _, l := range links {
		names[l.index] = l.name
	}
	entries, err := routes(sp.conn, names)
	if err != nil {
		return err
	}
	for i, found := range observedRoutes(r.NS, entries) {
		if found == r {
			return goneIs(unix.ESRCH, sp.conn.do(repeated(unix.RTM_DELROUTE, entries[i].raw), nil))
		}
	}
	return nil
}

// repeated returns a request that says what the kernel said.
func repeated(kind int, raw []byte) *nl.NetlinkRequest {
	return &nl.NetlinkRequest{
		NlMsghdr: unix.NlMsghdr{Type: uint16(kind), Flags: unix.NLM_F_REQUEST},
		RawData:  raw,
	}
}
