package capture

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/trace"
)

// retry repeats a dump that the kernel says was interrupted by a change.
func retry[T any](dump func() (T, error)) (T, error) {
	for {
		v, err := dump()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return v, err
		}
	}
}

// links reads the interfaces of a namespace.
func (s *space) links() error {
	list, err := retry(s.routes.LinkList)
	if err != nil {
		return fmt.Errorf("list interfaces of %s: %w", s.name, err)
	}
	s.names = map[int]string{}
	for _, l := range list {
		s.names[l.Attrs().Index] = l.Attrs().Name
	}
	s.read.Links = s.read.Links[:0]
	for _, l := range list {
		a := l.Attrs()
		link := trace.Link{
			Name: a.Name, Index: a.Index, PeerIndex: a.ParentIndex, Kind: l.Type(), Master: s.names[a.MasterIndex], MAC: macOf(a.HardwareAddr),
			MTU: a.MTU, Up: a.Flags&net.FlagUp != 0, Carrier: a.OperState != netlink.OperLowerLayerDown && a.OperState != netlink.OperDown,
			Hairpin: a.Protinfo != nil && a.Protinfo.Hairpin,
		}
		if v, ok := l.(*netlink.Vxlan); ok {
			link.VNI = uint32(v.VxlanId)
		}
		s.read.Links = append(s.read.Links, link)
	}
	return nil
}

// tables reads addresses, neighbours and forwarding databases.
func (s *space) tables() error {
	addrs, err := retry(func() ([]netlink.Addr, error) { return s.routes.AddrList(nil, unix.AF_UNSPEC) })
	if err != nil {
		return fmt.Errorf("list addresses of %s: %w", s.name, err)
	}
	for _, a := range addrs {
		ip, _ := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		s.read.Addrs = append(s.read.Addrs, trace.Addr{Dev: s.names[a.LinkIndex], Prefix: netip.PrefixFrom(ip.Unmap(), bits)})
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := retry(func() ([]netlink.Neigh, error) { return s.routes.NeighList(0, family) })
		if err != nil {
			return fmt.Errorf("list neighbours of %s: %w", s.name, err)
		}
		for _, n := range list {
			s.read.Neighs = append(s.read.Neighs, trace.Neigh{Dev: s.names[n.LinkIndex], IP: addrOf(n.IP), MAC: macOf(n.HardwareAddr), State: stateOf(n.State)})
		}
	}
	return s.forwarding()
}

// forwarding reads what bridges and VXLAN devices know about MACs.
func (s *space) forwarding() error {
	kinds := map[string]string{}
	for _, l := range s.read.Links {
		kinds[l.Name] = l.Kind
	}
	list, err := retry(func() ([]netlink.Neigh, error) { return s.routes.NeighList(0, unix.AF_BRIDGE) })
	if err != nil {
		return fmt.Errorf("list forwarding databases of %s: %w", s.name, err)
	}
	for _, n := range list {
		dev := s.names[n.LinkIndex]
		// An entry of a device itself counts only where the device forwards by it.
		if n.Flags&netlink.NTF_SELF != 0 && kinds[dev] != "vxlan" && kinds[dev] != "bridge" {
			continue
		}
		s.read.FDB = append(s.read.FDB, trace.Forwarding{
			Dev: dev, MAC: macOf(n.HardwareAddr), Dst: addrOf(n.IP),
			Permanent: n.State&(netlink.NUD_PERMANENT|netlink.NUD_NOARP) != 0,
			Local:     n.State&netlink.NUD_PERMANENT != 0 && !addrOf(n.IP).IsValid(),
		})
	}
	return nil
}

// stateOf writes the state of a neighbour as ip neigh does.
func stateOf(state int) string {
	names := []struct {
		bit  int
		name string
	}{
		{netlink.NUD_PERMANENT, "PERMANENT"}, {netlink.NUD_NOARP, "NOARP"}, {netlink.NUD_REACHABLE, "REACHABLE"},
		{netlink.NUD_STALE, "STALE"}, {netlink.NUD_DELAY, "DELAY"}, {netlink.NUD_PROBE, "PROBE"},
		{netlink.NUD_FAILED, "FAILED"}, {netlink.NUD_INCOMPLETE, "INCOMPLETE"},
	}
	for _, n := range names {
		if state&n.bit != 0 {
			return n.name
		}
	}
	return "NONE"
}

func macOf(b []byte) (m labs.MAC) {
	copy(m[:], b)
	return m
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// lookup asks the kernel for the way of a packet, and which route won.
func (s *space) lookup(q trace.Lookup) (trace.Answer, error) {
	opts := &netlink.RouteGetOptions{Iif: q.Iif, Mark: q.Mark}
	// A source that is not an address of this namespace is refused unless the
	// packet comes in by an interface.
	if q.Src.IsValid() {
		opts.SrcAddr = q.Src.AsSlice()
	}
	found, err := s.routes.RouteGetWithOptions(q.Dst.AsSlice(), opts)
	if err != nil {
		var errno unix.Errno
		if errors.As(err, &errno) {
			return trace.Answer{Err: errno.Error()}, nil
		}
		return trace.Answer{}, fmt.Errorf("look up %s in %s: %w", q.Dst, s.name, err)
	}
	if len(found) == 0 {
		return trace.Answer{}, fmt.Errorf("look up %s in %s: an empty answer", q.Dst, s.name)
	}
	rt := found[0]
	a := trace.Answer{Local: rt.Type == unix.RTN_LOCAL, Via: gateway(rt), Dev: s.names[rt.LinkIndex], Src: addrOf(rt.Src)}
	opts.FIBMatch = true
	if won, err := s.routes.RouteGetWithOptions(q.Dst.AsSlice(), opts); err == nil && len(won) > 0 {
		a.Route = s.route(won[0], q.Dst.Is6())
	}
	return a, nil
}

func gateway(rt netlink.Route) netip.Addr {
	if via, ok := rt.Via.(*netlink.Via); ok {
		return addrOf(via.Addr)
	}
	return addrOf(rt.Gw)
}

// route shows an entry of a routing table.
func (s *space) route(rt netlink.Route, ipv6 bool) trace.Route {
	zero := netip.IPv4Unspecified()
	if ipv6 {
		zero = netip.IPv6Unspecified()
	}
	r := trace.Route{Table: rt.Table, To: netip.PrefixFrom(zero, 0), Type: typeOf(rt.Type), Via: gateway(rt), Dev: s.names[rt.LinkIndex], Src: addrOf(rt.Src), OnLink: rt.Flags&int(netlink.FLAG_ONLINK) != 0}
	if rt.Dst != nil {
		bits, _ := rt.Dst.Mask.Size()
		r.To = netip.PrefixFrom(addrOf(rt.Dst.IP), bits)
	}
	var hops []string
	for _, h := range rt.MultiPath {
		hop := "dev " + s.names[h.LinkIndex]
		if g := addrOf(h.Gw); g.IsValid() {
			hop = "via " + g.String() + " " + hop
		}
		hops = append(hops, hop)
	}
	r.Hops = strings.Join(hops, ", ")
	return r
}

func typeOf(t int) string {
	names := map[int]string{unix.RTN_UNICAST: "unicast", unix.RTN_LOCAL: "local", unix.RTN_BROADCAST: "broadcast", unix.RTN_MULTICAST: "multicast",
		unix.RTN_BLACKHOLE: "blackhole", unix.RTN_UNREACHABLE: "unreachable", unix.RTN_PROHIBIT: "prohibit", unix.RTN_THROW: "throw"}
	if n, ok := names[t]; ok {
		return n
	}
	return fmt.Sprintf("type %d", t)
}
