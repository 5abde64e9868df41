package probe

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// forgetTunnels deletes what nodes remember of the packets of tunnels, whose
// source ports follow from what is in them. An entry that is still of use is made
// again with the next packet. To read all entries takes a node 15 ms.
func (r *run) forgetTunnels() {
	if r.tunnelPort == 0 {
		return
	}
	nodes := r.machines(func(e *verify.End) bool { return e.Kind == labs.RefNode })
	r.each(nodes, func(s *space) {
		_ = r.in(s.name, func() error { // what cannot be read ages away by itself
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
