package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
)

// defaultMetric6 is what the kernel makes of metric 0 on an IPv6 route.
const defaultMetric6 = 1024

// routeEntry is what the kernel says about a route, and how it said it.
type routeEntry struct {
	route provision.Route // without NS and Twin
	link  int             // of its only hop
	proto uint8           // who made it
	raw   []byte
}

type routeEntries []routeEntry

// routes lists the routes of c's namespace, in the kernel's order. names
// translates indexes of links.
func routes(c *conn, names map[int]string) (routeEntries, error) {
	header := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_UNSPEC}}
	var raw copies
	return dump(c, unix.RTM_GETROUTE, header, func(m []byte) (routeEntry, bool) {
		r, link, ok := decodeRoute(m, names)
		if !ok {
			return routeEntry{}, false
		}
		return routeEntry{r, link, m[5], raw.of(m)}, true
	})
}

// observedRoutes names the namespace and numbers routes of one key, those last
// that no lab can ask for.
func observedRoutes(ns string, entries routeEntries) []provision.Route {
	twins := map[provision.Key]int{}
	found := make([]provision.Route, len(entries))
	for _, odd := range []bool{false, true} {
		for i, e := range entries {
			if r := e.route; (r.Extra != "") == odd {
				r.NS = ns
				key := r.Key()
				r.Twin = twins[key]
				twins[key]++
				found[i] = r
			}
		}
	}
	return found
}

func decodeRoute(m []byte, names map[int]string) (r provision.Route, link int, ok bool) {
	if len(m) < unix.SizeofRtMsg {
		return r, 0, false
	}
	fam, bits, table, kind := m[0], int(m[1]), int(m[4]), m[7]
	flags := u32(m[8:])
	if (fam != unix.AF_INET && fam != unix.AF_INET6) || flags&unix.RTM_F_CLONED != 0 {
		return r, 0, false
	}
	to := netip.IPv4Unspecified()
	if fam == unix.AF_INET6 {
		to = netip.IPv6Unspecified()
	}
	r.Type = routeType(kind)
	extra := routeExtra{}
	extra.header(m)
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
			link = int(u32(v))
			hop.Dev = names[link]
		case unix.RTA_GATEWAY, unix.RTA_VIA:
			hop.Via = gateway(kind, v)
		case unix.RTA_MULTIPATH:
			hops = decodeHops(v, names)
		default:
			extra.attribute(kind, v)
		}
	}
	r.Extra = strings.Join(extra, ", ")
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
	return r, link, true
}

func decodeHops(b []byte, names map[int]string) []provision.Hop {
	var hops []provision.Hop
	for len(b) >= unix.SizeofRtNexthop {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtNexthop || n > len(b) {
			break
		}
		hop := provision.Hop{Dev: names[int(u32(b[4:]))], OnLink: b[2]&unix.RTNH_F_ONLINK != 0}
		if b[3] != 0 {
			hop.Weight = int(b[3]) + 1
		}
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

// routeExtra is what a route says that no lab can ask for, in the words of ip
// route.
type routeExtra []string

func (x *routeExtra) say(format string, args ...any) { *x = append(*x, fmt.Sprintf(format, args...)) }

func (x *routeExtra) header(m []byte) {
	if src := m[2]; src != 0 {
		x.say("from a /%d", src)
	}
	if tos := m[3]; tos != 0 {
		x.say("tos %#x", tos)
	}
}

// What unix does not name.
const rtaNexthopID = 30 // RTA_NH_ID

func (x *routeExtra) attribute(kind uint16, v []byte) {
	switch kind {
	case unix.RTA_METRICS:
		for kind, v := range attributes(v) {
			if int(kind) < len(routeMetrics) && routeMetrics[kind] != "" {
				x.say("%s %d", routeMetrics[kind], u32(v))
			}
		}
	case unix.RTA_FLOW:
		x.say("realms %d", u32(v))
	case unix.RTA_ENCAP:
		x.say("encap")
	case rtaNexthopID:
		x.say("nhid %d", u32(v))
	}
}

// routeMetrics are the kernel's names for what a route says about the way.
var routeMetrics = [...]string{
	unix.RTAX_LOCK: "lock", unix.RTAX_MTU: "mtu", unix.RTAX_WINDOW: "window", unix.RTAX_RTT: "rtt",
	unix.RTAX_RTTVAR: "rttvar", unix.RTAX_SSTHRESH: "ssthresh", unix.RTAX_CWND: "cwnd", unix.RTAX_ADVMSS: "advmss",
	unix.RTAX_REORDERING: "reordering", unix.RTAX_HOPLIMIT: "hoplimit", unix.RTAX_INITCWND: "initcwnd",
	unix.RTAX_FEATURES: "features", unix.RTAX_RTO_MIN: "rto_min", unix.RTAX_INITRWND: "initrwnd", unix.RTAX_QUICKACK: "quickack",
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
		return sp.conn.do(newRoute(r, indexes), nil)
	})
}

// newRoute asks for a route, given the indexes of its devices.
func newRoute(r provision.Route, indexes map[string]int) *nl.NetlinkRequest {
	req := routeRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, r)
	addHops(req, r, indexes)
	if r.Src.IsValid() {
		req.AddData(nl.NewRtAttr(unix.RTA_PREFSRC, r.Src.AsSlice()))
	}
	return req
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
		if hop.Weight > 1 {
			nh.Hops = uint8(hop.Weight - 1)
		}
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
	addrs, err := addresses(sp.conn)
	if err != nil {
		return err
	}
	_, entries = entries.split(addrs)
	for i, found := range observedRoutes(r.NS, entries) {
		if found == r {
			return goneIs(unix.ESRCH, sp.conn.do(repeated(unix.RTM_DELROUTE, withoutHops(entries[i].raw)), nil))
		}
	}
	return nil
}

// withoutHops returns what the kernel said about a route without the hops that
// it read in a nexthop object for us: a request may name the object or the hops,
// and not both.
func withoutHops(raw []byte) []byte {
	byID, rest := false, slices.Clone(raw[:unix.SizeofRtMsg])
	for kind, v := range attributes(raw[unix.SizeofRtMsg:]) {
		switch kind {
		case rtaNexthopID:
			byID = true
		case unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_VIA, unix.RTA_MULTIPATH:
			continue
		}
		rest = append(rest, nl.NewRtAttr(int(kind), v).Serialize()...)
	}
	if !byID {
		return raw
	}
	return rest
}

// repeated returns a request that says what the kernel said.
func repeated(kind int, raw []byte) *nl.NetlinkRequest {
	return &nl.NetlinkRequest{
		NlMsghdr: unix.NlMsghdr{Type: uint16(kind), Flags: unix.NLM_F_REQUEST},
		RawData:  raw,
	}
}
