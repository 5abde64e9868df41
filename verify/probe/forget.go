package probe

import (
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// mostPings is how many pings of a machine are forgotten. Where there are more
// their entries age away, within half a minute.
const mostPings = 20000

// forgetTraces deletes what machines remember of the pings of the run, and nodes
// of the packets of tunnels. The kernel walks through its table for one caller at
// a time, so that one machine comes after the other. A kernel that cannot tell
// entries from others is told one by one which to delete.
func (r *run) forgetTraces() {
	machines := r.machines(func(*verify.End) bool { return true })
	nodes := r.machines(func(e *verify.End) bool { return e.Kind == labs.RefNode })
	pings := r.pings()
	id := r.identifier()
	can := true
	for name := range machines {
		tunnels := r.tunnelPort != 0 && nodes[name] != nil
		_ = r.in(name, func() error { // what cannot be deleted ages away by itself
			all := likePings(pings[name], id)
			if tunnels {
				all = append(all, likeTunnels(r.tunnelPort)...)
			}
			can = sweep(all...) == nil
			return nil
		})
		if !can {
			break
		}
	}
	if can {
		return
	}
	own := r.ownAddresses(machines)
	r.each(machines, func(s *space) {
		_ = r.in(s.name, func() error {
			forgetPings(pings[s.name], id, own)
			if r.tunnelPort != 0 && nodes[s.name] != nil {
				return forgetTunnels(r.tunnelPort)
			}
			return nil
		})
	})
}

// pings returns the checks whose pings machines have seen, by their namespaces, of
// those that have not seen too many.
func (r *run) pings() map[string][]*verify.Check {
	seen := map[string][]*verify.Check{}
	for i := range r.checks {
		c := &r.checks[i]
		if c.Kind != verify.ICMP && c.Kind != verify.Neigh && c.Kind != verify.Expire && c.Kind != verify.Size {
			continue
		}
		from := machine(c.From)
		seen[from] = append(seen[from], c)
		if c.To != nil {
			if to := machine(c.To); to != from {
				seen[to] = append(seen[to], c)
			}
		}
	}
	maps.DeleteFunc(seen, func(_ string, list []*verify.Check) bool { return len(list) > mostPings })
	return seen
}

// likePings are all entries of pings with an identifier, of the families that some
// pings were of.
func likePings(pings []*verify.Check, id uint16) []alike {
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
	return all
}

// forgetPings deletes, one by one, what the machine of the calling thread's
// namespace remembers of pings. own are the addresses of each machine.
func forgetPings(pings []*verify.Check, id uint16, own map[string][]netip.Addr) {
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
