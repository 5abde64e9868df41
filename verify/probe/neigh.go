package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// known is an entry of a neighbour table.
type known struct {
	ns   string
	link int
	ip   netip.Addr
}

// tables are the neighbour entries of some namespaces.
type tables struct {
	entries map[known]bool
	exempt  map[int]int // entries by family that do not count against the limit
}

const (
	lasting  = netlink.NUD_PERMANENT
	harmless = netlink.NUD_PERMANENT | netlink.NUD_NOARP
)

// neighbours reads the neighbour tables of some namespaces.
func (r *run) neighbours(spaces map[string]*space) tables {
	t := tables{entries: map[known]bool{}, exempt: map[int]int{}}
	var mu sync.Mutex
	r.each(spaces, func(s *space) {
		list, err := s.neighbours()
		if err != nil {
			return // what cannot be read is not changed either
		}
		mu.Lock()
		defer mu.Unlock()
		for _, n := range list {
			t.entries[known{s.name, n.LinkIndex, ipOf(n)}] = true
			if n.State&lasting != 0 {
				t.exempt[n.Family]++
			}
		}
	})
	return t
}

// neighbours lists all entries of a namespace.
func (s *space) neighbours() ([]netlink.Neigh, error) {
	if s.err != nil {
		return nil, s.err
	}
	var all []netlink.Neigh
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := retry(func() ([]netlink.Neigh, error) { return s.nl.NeighList(0, family) })
		if err != nil {
			return nil, fmt.Errorf("list neighbours of %s: %w", s.name, err)
		}
		all = append(all, list...)
	}
	return all, nil
}

func ipOf(n netlink.Neigh) netip.Addr {
	a, _ := netip.AddrFromSlice(n.IP)
	return a.Unmap()
}

// forget deletes the entries of some namespaces that were not there before.
func (r *run) forget(spaces map[string]*space, before tables) {
	r.each(spaces, func(s *space) {
		list, err := s.neighbours()
		if err != nil {
			return
		}
		for _, n := range list {
			if n.State&harmless != 0 || before.entries[known{s.name, n.LinkIndex, ipOf(n)}] {
				continue
			}
			// Gone already is as good; anything else ages away by itself.
			_ = s.nl.NeighDel(&netlink.Neigh{LinkIndex: n.LinkIndex, Family: n.Family, IP: n.IP})
		}
	})
}

// patience is how long an ordinary search for a neighbour takes at most, in
// hundredths of a second. One that takes longer has been repeated.
const patience = 50

// searching reports whether a namespace between the ends of a check asks for a
// neighbour and has no answer yet. Neighbours in lost are searched for by other
// checks.
func (r *run) searching(c *verify.Check, lost map[netip.Addr]bool) bool {
	watch := []string{c.From.NS}
	if c.More != nil {
		watch = append(watch, c.More.Watch...)
	}
	for _, name := range watch {
		s := r.spaces[name]
		if s == nil || s.err != nil {
			continue
		}
		list, err := s.neighbours()
		if err != nil {
			continue
		}
		for _, n := range list {
			if ip := ipOf(n); n.State&netlink.NUD_INCOMPLETE != 0 && n.Updated >= patience && (ip == c.Addr || !lost[ip]) {
				return true
			}
		}
	}
	return false
}

// stir makes checks of neighbour tables: it pings, so that there are entries,
// and reads the tables. If brief it returns those of which a ping was not
// answered soon, and does not report them.
func (r *run) stir(e *echoes, tasks []task, brief bool, done reporter) (late []task) {
	var list []*echo
	of := make([][]*echo, len(tasks))
	for k, t := range tasks {
		for _, peer := range t.check.More.Stir {
			for _, a := range peer.Addrs {
				p := &echo{task: t, from: r.spaces[t.check.From.NS], to: a, wait: t.check.Wait}
				list, of[k] = append(list, p), append(of[k], p)
			}
		}
	}
	r.sendAll(e, list, brief, func() {})
	for k, t := range tasks {
		if brief && e.open(of[k]) {
			late = append(late, t)
			continue
		}
		o, err := readNeighbours(r.spaces[t.check.From.NS])
		for _, p := range of[k] {
			err = errors.Join(err, p.err())
		}
		if e.open(of[k]) || e.lost(of[k]) {
			o.Outcome = labs.Timeout // somebody did not answer: what the table lacks may be for want of room
		}
		done(t, o, err)
	}
	return late
}

// open reports whether any of some pings is not done.
func (e *echoes) open(some []*echo) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(some, func(p *echo) bool { return !p.done })
}

// lost reports whether any of some pings got no answer.
func (e *echoes) lost(some []*echo) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(some, func(p *echo) bool { return p.o.Outcome == labs.Timeout })
}

// readNeighbours returns what a namespace has learned.
func readNeighbours(s *space) (o verify.Observation, err error) {
	list, err := s.neighbours()
	for _, n := range list {
		if n.State&netlink.NUD_NOARP == 0 {
			o.Entries = append(o.Entries, verify.Entry{IP: ipOf(n), MAC: macOf(n.HardwareAddr)})
		}
	}
	return o, err
}
