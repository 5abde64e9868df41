package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// mostSingles is how many checks with a socket of their own run at a time.
const mostSingles = 64

// isSingle reports whether a check is made with a socket of its own.
func isSingle(c *verify.Check) bool {
	return c.Kind == verify.Expire || c.Kind == verify.Size || c.Kind == verify.Ask
}

// singles makes checks that are few, some at a time.
func (r *run) singles(checks []int, done reporter) {
	slots := make(chan struct{}, mostSingles)
	var wg sync.WaitGroup
	for _, t := range r.tasks(checks) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			o, err := r.single(t.check)
			done(t, o, err)
		})
	}
	wg.Wait()
}

func (r *run) single(c *verify.Check) (verify.Observation, error) {
	switch c.Kind {
	case verify.Expire:
		return r.expire(c)
	case verify.Size:
		return r.sizes(c)
	case verify.Ask:
		return r.askAround(c)
	}
	return verify.Observation{}, fmt.Errorf("nobody knows how to make a check of kind %q", c.Kind)
}

// pinger pings one address, one ping at a time.
type pinger struct {
	r      *run
	s      *raw
	to     netip.Addr
	mark   echoMark
	token  uint32
	heard  chan message
	closer func()
}

// newPinger opens a socket in the namespace that a check starts from.
func (r *run) newPinger(c *verify.Check) (*pinger, error) {
	ns := c.From.NS
	if err := r.spaces[ns].err; err != nil {
		return nil, err
	}
	p := &pinger{r: r, to: c.Addr, mark: r.newMark(), heard: make(chan message, 64)}
	family := unix.AF_INET
	if c.Addr.Is6() {
		family = unix.AF_INET6
	}
	err := r.in(ns, func() (err error) {
		p.s, err = newRaw(family)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a raw socket in %s: %w", ns, err)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		p.s.read(func(m message) {
			if string(m.nonce) != string(p.mark.nonce[:]) {
				return // to somebody else in this namespace
			}
			m.nonce = nil // it is part of a buffer
			select {
			case p.heard <- m:
			default: // nobody waits for so many
			}
		})
	})
	p.closer = func() {
		p.s.file.Close()
		reader.Wait()
	}
	return p, nil
}

func (p *pinger) close() { p.closer() }

// option sets an integer option of the socket.
func (p *pinger) option(level, name, value int) error {
	var failed error
	if err := p.s.conn.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, name, value) }); err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", failed)
}

// errNoAnswer says that nothing came back.
var errNoAnswer = errors.New("no answer")

// once pings with a packet of so many bytes, 0 for a short one, again and again
// until something comes back or the time is over. What comes back late, to a
// ping that was given up, is not taken for an answer to this one.
func (p *pinger) once(size int, patience time.Duration) (message, error) {
	header := 20
	if p.to.Is6() {
		header = 40
	}
	p.token++
	packet := newEchoOf(p.to.Is6(), p.token, p.mark, size-header)
	deadline := time.Now().Add(patience)
	for gap := 100 * time.Millisecond; p.r.ctx.Err() == nil; gap *= 2 {
		if err := p.s.send(packet, p.to); err != nil && !temporary(err) {
			return message{}, err
		}
		next := time.Now().Add(gap)
		if next.After(deadline) {
			next = deadline
		}
		if m, ok := p.await(next); ok {
			return m, nil
		}
		if !next.Before(deadline) {
			break
		}
	}
	return message{}, errNoAnswer
}

// await waits for what comes back to the last ping.
func (p *pinger) await(until time.Time) (message, bool) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for {
		select {
		case m := <-p.heard:
			if m.token == p.token {
				return m, true
			}
		case <-timer.C:
			return message{}, false
		case <-p.r.ctx.Done():
			return message{}, false
		}
	}
}

// observe turns what became of a ping into an outcome.
func observe(m message, err error, to netip.Addr) (o verify.Observation, trouble error) {
	switch {
	case errors.Is(err, errNoAnswer):
		o.Outcome = labs.Timeout
	case err != nil:
		o.Outcome, o.Detail, trouble = meaning(err)
	case m.wrong != "":
		o.Outcome, o.Detail = m.means, fmt.Sprintf("icmp: %s from %s", m.wrong, m.from)
	case m.from != to:
		o.Outcome, o.Detail = labs.Unreachable, fmt.Sprintf("%s answered in its place", m.from)
	default:
		o.Outcome, o.TTL = labs.Reachable, m.ttl
	}
	return o, trouble
}

// mostTrail is how many routers are looked for at most.
const mostTrail = 16

// waitRouter is how long a router may take to say that a packet ends there,
// where packets come through: the kernel sends an ICMP error to one destination
// only once a second, after the first six.
const waitRouter = 3500 * time.Millisecond

// expire sends pings with one hop more each time and notes who says that it
// was not enough. Whether an unshortened one comes through is found out first:
// if it does not, what routers say is no verdict and not worth much waiting.
func (r *run) expire(c *verify.Check) (verify.Observation, error) {
	p, err := r.newPinger(c)
	if err != nil {
		return verify.Observation{}, err
	}
	defer p.close()
	level, name := unix.IPPROTO_IP, unix.IP_TTL
	if c.Addr.Is6() {
		level, name = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	if err := p.option(level, name, fullTTL); err != nil {
		return verify.Observation{}, err
	}
	whole, lost := p.once(0, c.Wait)
	patience := waitRouter
	if lost != nil {
		patience = waitLarge
	}
	var trail []netip.Addr
	for ttl := 1; ttl <= mostTrail; ttl++ {
		if err := p.option(level, name, ttl); err != nil {
			return verify.Observation{}, err
		}
		m, err := p.once(0, patience)
		if err == nil && m.expired {
			trail = append(trail, m.from)
			continue
		}
		if errors.Is(err, errNoAnswer) && len(trail) < len(c.More.Routers) {
			// A router that says nothing, or nobody: the whole TTL has told.
			if m, err = whole, lost; err == nil {
				trail = append(trail, netip.Addr{})
			}
		}
		o, trouble := observe(m, err, p.to)
		o.Trail = trail
		return o, trouble
	}
	return verify.Observation{Outcome: labs.Unreachable, Trail: trail, Detail: fmt.Sprintf("not within %d routers", mostTrail)}, nil
}

// fullTTL is what packets start with.
const fullTTL = 64

// How long to wait for packets that should not come through, and what is
// looked for at most.
const (
	waitLarge = 300 * time.Millisecond
	largestIP = 65535
)

// sizes finds the largest packet that gets through unfragmented, and whether
// larger ones do in pieces.
func (r *run) sizes(c *verify.Check) (o verify.Observation, err error) {
	p, err := r.newPinger(c)
	if err != nil {
		return o, err
	}
	defer p.close()
	if err := p.whole(true); err != nil {
		return o, err
	}
	want := c.More.Size
	fits := func(size int, patience time.Duration) bool {
		m, err := p.once(size, patience)
		one, _ := observe(m, err, p.to)
		if one.Outcome != labs.Reachable && size <= want {
			o.Detail = one.Detail
		}
		return one.Outcome == labs.Reachable
	}
	m, err := p.once(0, c.Wait)
	if one, trouble := observe(m, err, p.to); one.Outcome != labs.Reachable {
		return one, trouble // whatever its size
	}
	switch {
	case !fits(want, c.Wait):
		detail := o.Detail
		o.Sizes.Largest = largestBetween(leastIP(c.Addr), want, func(size int) bool { return fits(size, waitLarge) })
		o.Detail = detail
	case fits(want+1, waitLarge):
		o.Sizes.Largest = largestBetween(want+1, largestIP, func(size int) bool { return fits(size, waitLarge) })
	default:
		o.Sizes.Largest = want
	}
	o.Outcome, o.Sizes.Tried = labs.Reachable, 2*want+100
	if err := p.whole(false); err != nil {
		return o, err
	}
	m, err = p.once(o.Sizes.Tried, c.Wait)
	one, trouble := observe(m, err, p.to)
	o.Sizes.Pieces = one.Outcome == labs.Reachable
	if !o.Sizes.Pieces {
		o.Detail = one.Detail
	}
	return o, trouble
}

// leastIP is the length of a packet that is known to get through.
func leastIP(a netip.Addr) int {
	if a.Is6() {
		return 40 + echoSize
	}
	return 20 + echoSize
}

// largestBetween returns the largest size that fits, of those from one that
// does up to one.
func largestBetween(fit, most int, fits func(int) bool) int {
	for fit < most {
		middle := fit + (most-fit+1)/2
		if fits(middle) {
			fit = middle
		} else {
			most = middle - 1
		}
	}
	return fit
}

// whole forbids fragments, whatever is remembered of the way, or allows them.
func (p *pinger) whole(on bool) error {
	if p.to.Is6() {
		discover, whole := unix.IPV6_PMTUDISC_DONT, 0
		if on {
			discover, whole = unix.IPV6_PMTUDISC_PROBE, 1
		}
		return errors.Join(
			p.option(unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, discover),
			p.option(unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, whole))
	}
	discover := unix.IP_PMTUDISC_DONT
	if on {
		discover = unix.IP_PMTUDISC_PROBE
	}
	return p.option(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover)
}
