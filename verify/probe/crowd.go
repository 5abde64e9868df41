package probe

import (
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// The neighbour entries of all namespaces of a host share one table. When
// others fill it, packets are dropped wherever on their way an entry would be
// needed, and silently unless that is at the sender. What got no answer then
// proves nothing.

// collectable is how long after its last use the kernel may remove an entry to
// make room for another (net/core/neighbour.c, neigh_forced_gc), with some
// reserve.
const collectable = 5500 * time.Millisecond

// crowd knows whether the neighbour table of the host was seen full.
type crowd struct {
	seen  atomic.Bool // an error said so
	fulls int64       // how often it was full when the run began

	mu       sync.Mutex
	doubtful []int // checks that got no answer meanwhile
}

func newCrowd() *crowd { return &crowd{fulls: tableFulls()} }

// note takes notice of an error of a system call.
func (c *crowd) note(err error) {
	if errors.Is(err, unix.ENOBUFS) {
		c.seen.Store(true)
	}
}

// full reports whether the table was full since the run or the last call of
// [crowd.again] began, or is now, as seen from a namespace.
func (c *crowd) full(s *space) bool {
	if c.seen.Load() {
		return true
	}
	if tableFulls() > c.fulls || s.noRoom() {
		c.seen.Store(true)
	}
	return c.seen.Load()
}

// unused is an address that nobody has (RFC 7600).
var unused = net.IPv4(192, 0, 0, 8)

// noRoom reports whether the kernel refuses an entry for want of room. Whoever
// sends packets is mostly not told.
func (s *space) noRoom() bool {
	if s == nil || s.err != nil {
		return false
	}
	_, _ = s.link(0) // reads the names
	for index, name := range s.linkNames {
		if name == "lo" {
			continue
		}
		n := netlink.Neigh{LinkIndex: index, Family: unix.AF_INET, IP: unused, State: netlink.NUD_STALE, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}
		err := s.nl.NeighAdd(&n)
		if err == nil {
			_ = s.nl.NeighDel(&n)
		}
		return errors.Is(err, unix.ENOBUFS)
	}
	return false
}

// again forgets that the table was full.
func (c *crowd) again() {
	c.fulls = tableFulls()
	c.seen.Store(false)
}

// tableFulls returns how often an entry found no room, or 0 where only the host's
// own namespace is told.
func tableFulls() int64 {
	return statSum("/proc/net/stat/arp_cache", "table_fulls") + statSum("/proc/net/stat/ndisc_cache", "table_fulls")
}

// trusting returns a reporter that passes on what is certain and keeps what may
// have been lost for want of room.
func (r *run) trusting(done reporter) reporter {
	return func(t task, o verify.Observation, err error) {
		lost := err == nil && (o.Outcome == labs.Timeout || o.Outcome == labs.Unreachable) && o.Outcome != t.check.Want
		if (lost || errors.Is(err, errTableFull)) && r.crowd.full(r.spaces[t.check.From.NS]) {
			r.crowd.mu.Lock()
			defer r.crowd.mu.Unlock()
			r.crowd.doubtful = append(r.crowd.doubtful, t.index)
			return
		}
		done(t, o, err)
	}
}

// doubtRounds is how often checks are made again that got no answer while the
// table was full.
const doubtRounds = 3

// settleDoubts makes checks again that got no answer while the table was full,
// when the kernel can make room and a few at a time. Where it is full still, the
// checks could not be made.
func (r *run) settleDoubts() {
	for round := range doubtRounds {
		doubtful := r.crowd.doubtful
		r.crowd.doubtful = nil
		if len(doubtful) == 0 {
			return
		}
		timer := time.NewTimer(collectable)
		select {
		case <-timer.C:
		case <-r.ctx.Done():
		}
		timer.Stop()
		before := r.neighbours(r.spaceNames(doubtful))
		done := r.trusting(r.done)
		if round == doubtRounds-1 {
			done = r.givingUp
		}
		few := map[int]int{unix.AF_INET: leastBudget, unix.AF_INET6: leastBudget}
		for _, block := range schedule(r.checks, doubtful, few) {
			if r.ctx.Err() != nil {
				return
			}
			r.crowd.again()
			alone := slices.DeleteFunc(slices.Clone(block), func(i int) bool { return !isSingle(&r.checks[i]) })
			rest := slices.DeleteFunc(slices.Clone(block), func(i int) bool { return isSingle(&r.checks[i]) })
			pings, dials, stirs := split(r.tasks(rest))
			r.singles(alone, done)
			r.stir(&r.lanes[0], stirs, false, done)
			r.ping(&r.lanes[0], pings, false, func() {}, done)
			r.dial(dials, done)
			r.forget(r.spaceNames(block), before)
		}
	}
}

// givingUp reports what is still without an answer as impossible to say.
func (r *run) givingUp(t task, o verify.Observation, err error) {
	if err == nil && o.Outcome != labs.Reachable && o.Outcome != t.check.Want && r.crowd.full(r.spaces[t.check.From.NS]) {
		err = errTableFull
	}
	r.done(t, o, err)
}

// watch looks from one of some checks whether the table is full.
func (r *run) watch(block []int) {
	if len(block) > 0 {
		r.crowd.full(r.spaces[r.checks[block[0]].From.NS])
	}
}
