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
	last := r.lastIdentifier()
	if sweepPings(pings, last) == nil {
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
			for id := range last + 1 {
				f := flow{proto, netip.AddrPortFrom(src, uint16(id)), netip.AddrPortFrom(dst, 0)}
				if src.Is4() == dst.Is4() && !done[f] {
					done[f] = true
					there.add(f) // most of them are not there
				}
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

// sweepPings deletes all entries of pings with an identifier up to last, of the
// families that some pings were of. What of others goes along, the next packet
// makes again. The error says that this kernel cannot.
func sweepPings(pings []*verify.Check, last uint32) error {
	var all []alike
	has := func(six bool) bool {
		return slices.ContainsFunc(pings, func(c *verify.Check) bool { return c.Kind == verify.Neigh || c.Addr.Is6() == six })
	}
	for id := range last + 1 {
		if has(false) {
			all = append(all, alike{unix.AF_INET, unix.IPPROTO_ICMP, uint16(id), 0, byIdentifier})
		}
		if has(true) {
			all = append(all, alike{unix.AF_INET6, unix.IPPROTO_ICMPV6, uint16(id), 0, byIdentifier6})
		}
	}
	return sweep(all...)
}

// lastIdentifier returns the largest identifier that a ping of the run had: they
// begin with 0, and many pings share one.
func (r *run) lastIdentifier() uint32 {
	last := uint32(0)
	for i := range r.lanes {
		e := &r.lanes[i]
		e.mu.Lock()
		last = max(last, (e.first+uint32(len(e.list)))<<attemptBits>>16)
		e.mu.Unlock()
	}
	return last
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
