package probe

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vishvananda/netlink/nl"

	"netlab/verify"
)

// mostPings is how many entries of pings are deleted one by one. Where there
// are more they age away, within half a minute.
const mostPings = 20000

// forgetPings deletes what the machine of the calling thread's namespace
// remembers of the pings of the run, which all have the number 0.
// own are the addresses of each machine.
func (r *run) forgetPings(name string, own map[string][]netip.Addr) {
	var pings []*verify.Check
	for i := range r.checks {
		c := &r.checks[i]
		if (c.Kind == verify.ICMP || c.Kind == verify.Neigh || c.Kind == verify.Expire || c.Kind == verify.Size) && (machine(c.From) == name || c.To != nil && machine(c.To) == name) {
			pings = append(pings, c)
		}
	}
	if len(pings) == 0 || len(pings) > mostPings {
		return
	}
	socket, err := nl.Subscribe(unix.NETLINK_NETFILTER)
	if err != nil {
		return // what cannot be deleted ages away by itself
	}
	defer socket.Close()
	done := map[flow]bool{}
	forget := func(from *verify.End, dst netip.Addr) {
		sources := from.Addrs
		if from.Host == nil {
			sources = own[from.NS]
		}
		if dst.IsLoopback() {
			sources = []netip.Addr{dst}
		}
		for _, src := range sources {
			proto := uint8(unix.IPPROTO_ICMP)
			if dst.Is6() {
				proto = unix.IPPROTO_ICMPV6
			}
			f := flow{proto, netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)}
			if src.Is4() == dst.Is4() && !done[f] {
				done[f] = true
				_, _ = ask(socket, nl.IPCTNL_MSG_CT_DELETE, f) // most of them are not there
			}
		}
	}
	for _, c := range pings {
		if c.Kind != verify.Neigh {
			forget(c.From, c.Addr)
			continue
		}
		for _, e := range c.More.Stir {
			for _, a := range e.Addrs {
				forget(c.From, a)
			}
		}
	}
}

// addresses lists the addresses of the calling thread's namespace.
func addresses() []netip.Addr {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var addrs []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				addrs = append(addrs, ip.Unmap())
			}
		}
	}
	return addrs
}
