package probe

import (
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// forgetTunnels deletes what nodes remember of the packets of tunnels, whose
// source ports follow from what is in them. An entry that is still of use is made
// again with the next packet. Where the kernel cannot tell them from others, all
// entries are read, which takes a node 15 ms.
func (r *run) forgetTunnels() {
	if r.tunnelPort == 0 {
		return
	}
	nodes := r.machines(func(e *verify.End) bool { return e.Kind == labs.RefNode })
	r.each(nodes, func(s *space) {
		_ = r.in(s.name, func() error { // what cannot be read ages away by itself
			tunnels := []alike{{unix.AF_INET, unix.IPPROTO_UDP, 0, r.tunnelPort, byDestinationPort}}
			if slices.ContainsFunc(addresses(), func(a netip.Addr) bool { return a.Is6() && !a.IsLinkLocalUnicast() && !a.IsLoopback() }) {
				tunnels = append(tunnels, alike{unix.AF_INET6, unix.IPPROTO_UDP, 0, r.tunnelPort, byDestinationPort})
			}
			if sweep(tunnels...) == nil {
				return nil
			}
			list, err := retry(func() ([]*netlink.ConntrackFlow, error) {
				return netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_UNSPEC)
			})
			if err != nil {
				return err
			}
			var there deletions
			defer there.flush()
			for _, c := range list {
				f := flow{c.Forward.Protocol, ended(c.Forward.SrcIP, c.Forward.SrcPort), ended(c.Forward.DstIP, c.Forward.DstPort)}
				straight := f.from == ended(c.Reverse.DstIP, c.Reverse.DstPort) && f.to == ended(c.Reverse.SrcIP, c.Reverse.SrcPort)
				if f.proto == unix.IPPROTO_UDP && f.to.Port() == r.tunnelPort && straight {
					there.add(f)
				}
			}
			return nil
		})
	})
}

func ended(ip net.IP, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), port)
}
