package probe

import (
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// likeTunnels are all entries of packets of tunnels in the namespace of the calling
// thread, whose source ports follow from what is in them. One that is still of use
// is made again with the next packet.
func likeTunnels(port uint16) []alike {
	all := []alike{{unix.AF_INET, unix.IPPROTO_UDP, 0, port, byDestinationPort}}
	if slices.ContainsFunc(addresses(), func(a netip.Addr) bool { return a.Is6() && !a.IsLinkLocalUnicast() && !a.IsLoopback() }) {
		all = append(all, alike{unix.AF_INET6, unix.IPPROTO_UDP, 0, port, byDestinationPort})
	}
	return all
}

// forgetTunnels deletes these entries one by one. All there are must be read for
// that, which takes a node 15 ms.
func forgetTunnels(port uint16) error {
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
		if f.proto == unix.IPPROTO_UDP && f.to.Port() == port && straight {
			there.add(f)
		}
	}
	return nil
}

func ended(ip net.IP, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), port)
}
