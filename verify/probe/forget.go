package probe

import (
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vishvananda/netlink/nl"

	"netlab/verify"
)

// mostPings is how many entries of pings are deleted one by one. Where there
// are more they age away, within half a minute.
const mostPings = 20000

// forgetPings deletes what the machine of the calling thread's namespace
// remembers of the pings of the run.
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
	id := r.newMark().id
	if sweepPings(pings, id) == nil {
		return
	}
	var there deletions
	defer there.flush()
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
			f := flow{proto, netip.AddrPortFrom(src, id), netip.AddrPortFrom(dst, 0)}
			if src.Is4() == dst.Is4() && !done[f] {
				done[f] = true
				there.add(f) // most of them are not there
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

// sweepPings deletes all entries of pings with an identifier, of the families that
// some pings were of. The error says that this kernel cannot.
func sweepPings(pings []*verify.Check, id uint16) error {
	var all []alike
	has := func(six bool) bool {
		return slices.ContainsFunc(pings, func(c *verify.Check) bool { return c.Kind == verify.Neigh || c.Addr.Is6() == six })
	}
	if has(false) {
		all = append(all, alike{unix.AF_INET, unix.IPPROTO_ICMP, id, 0, byIdentifier})
	}
	if has(true) {
		all = append(all, alike{unix.AF_INET6, unix.IPPROTO_ICMPV6, id, 0, byIdentifier6})
	}
	return sweep(all...)
}

// deletions are entries of connection tracking to be deleted in the namespace of
// the calling thread, many with one call: whether they are there does not matter,
// and what cannot be deleted ages away by itself. The zero value is ready.
type deletions struct {
	messages []byte
}

// mostBytes is how much is given to the kernel at a time.
const mostBytes = 1 << 15

func (d *deletions) add(f flow) {
	d.messages = append(d.messages, request(nl.IPCTNL_MSG_CT_DELETE, 0, f).Serialize()...)
	if len(d.messages) > mostBytes {
		d.flush()
	}
}

// flush deletes what was added.
func (d *deletions) flush() {
	if len(d.messages) == 0 {
		return
	}
	defer func() { d.messages = d.messages[:0] }()
	// What the kernel says about those that are not there nobody reads.
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = unix.Sendto(fd, d.messages, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
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
