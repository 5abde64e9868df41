package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// dialing is a TCP or UDP check under way.
type dialing struct {
	task   task
	to     netip.AddrPort
	from   string // namespace
	manner manner
	local  netip.AddrPort // where the last try came from
	tries  int
	once   bool // a lost packet is not made up for by another connection
	pump   bool // throughput is measured
	o      verify.Observation
	err    error
}

// dial makes TCP and UDP checks and returns when all are made.
func (r *run) dial(tasks []task, done reporter) {
	var all sync.WaitGroup
	r.begin(tasks, done, &all)
	all.Wait()
}

// begin makes TCP and UDP checks and returns when all are made or take long;
// these go on and belong to late. A check that may be answered by several is
// tried again until all of them did.
func (r *run) begin(tasks []task, done reporter, late *sync.WaitGroup) {
	var fresh sync.WaitGroup
	for _, t := range tasks {
		d, err := r.newDialing(t, t.check.From.NS)
		if err != nil {
			done(t, verify.Observation{}, err)
			continue
		}
		fresh.Add(1)
		end := r.pace.begin(fresh.Done)
		late.Go(func() {
			defer end()
			for r.try(d); !d.over() && r.ctx.Err() == nil; {
				r.try(d)
			}
			done(d.task, d.o, d.err)
		})
	}
	fresh.Wait()
}

// newDialing prepares a check that starts from a namespace.
func (r *run) newDialing(t task, from string) (*dialing, error) {
	d := &dialing{task: t, from: from, to: netip.AddrPortFrom(t.check.Addr, t.check.Port), manner: r.mannerOf(t.check)}
	if t.check.Port != 0 {
		return d, nil
	}
	var err error
	d.to, err = r.servers.anyPort(t.check.To, t.check.Addr)
	return d, err
}

// over reports whether nothing more is to be seen by trying again.
func (d *dialing) over() bool {
	c := d.task.check
	d.tries++
	if d.err != nil || d.o.Outcome != labs.Reachable || c.More == nil || d.tries >= c.More.Tries {
		return true
	}
	if slices.Contains(d.o.Answers, verify.Answer{}) {
		return true // nobody says who it was
	}
	for _, s := range c.More.Behind {
		if !slices.ContainsFunc(d.o.Answers, func(a verify.Answer) bool { return a.Server == s.At }) {
			return false
		}
	}
	return true
}

// socketIn opens a socket in the namespace that a check starts from.
func (r *run) socketIn(d *dialing) (fd int, err error) {
	ns := d.from
	if err := r.spaces[ns].err; err != nil {
		return -1, err
	}
	err = r.in(ns, func() (err error) {
		fd, err = r.socket(d)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("open a socket in %s: %w", ns, err)
	}
	return fd, nil
}

// socket opens a socket that learns who sent an ICMP error and leaves nothing
// behind when it is closed.
func (r *run) socket(d *dialing) (int, error) {
	family, level, errs := unix.AF_INET, unix.IPPROTO_IP, unix.IP_RECVERR
	if d.to.Addr().Is6() {
		family, level, errs = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	kind := unix.SOCK_STREAM
	if d.task.check.Kind == verify.UDP {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = unix.SetsockoptInt(fd, level, errs, 1)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // see again
	}
	if err == nil && kind == unix.SOCK_STREAM {
		// A reset instead of a TIME_WAIT that would outlive the run.
		err = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	if err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("setsockopt", err)
	}
	return fd, nil
}

// try connects once and notes what came of it.
func (r *run) try(d *dialing) {
	c := d.task.check
	fd, err := r.socketIn(d)
	if err != nil {
		d.err = err
		return
	}
	start := time.Now()
	deadline := start.Add(c.Wait)
	answer, err := r.converse(d, c, fd, deadline)
	var lost lostError
	for gap := firstGap; errors.As(err, &lost) && r.ctx.Err() == nil; gap *= 2 {
		if fd, err = r.socketIn(d); err == nil {
			answer, err = r.again(d, c, fd, lost.local, gap, deadline)
		}
	}
	d.o.RTT = time.Since(start)
	switch {
	case err == nil:
		d.o.Outcome, d.o.Detail = labs.Reachable, ""
		if !slices.Contains(d.o.Answers, answer) {
			d.o.Answers = append(d.o.Answers, answer)
		}
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		d.o.Outcome = labs.Timeout
		var silent silentError
		if errors.As(err, &silent) {
			d.o.Detail = silent.Error()
			d.o.Silent = silent.foreign
		}
		return
	}
	r.crowd.note(err)
	outcome, detail, trouble := meaning(err)
	if trouble != nil {
		d.err = fmt.Errorf("connect to %s from %s: %w", d.to, d.from, trouble)
		return
	}
	d.o.Outcome, d.o.Detail = outcome, detail
	var icmp icmpError
	if errors.As(err, &icmp) {
		d.o.Detail = icmp.Error()
	}
}

// firstGap is how long a connection may take before it is begun again. The
// kernel would wait for a second before it repeats a packet that got lost.
const firstGap = 200 * time.Millisecond

// lostError says that a connection could not be made in time, but that there
// is time left.
type lostError struct{ local unix.Sockaddr }

func (lostError) Error() string { return "no answer yet" }

// again connects from the same port as before: to a service that is the same
// connection, which leads to the same endpoint.
func (r *run) again(d *dialing, c *verify.Check, fd int, local unix.Sockaddr, gap time.Duration, deadline time.Time) (verify.Answer, error) {
	_ = unix.Bind(fd, local) // if it was taken meanwhile any other does
	return r.converseFor(d, c, fd, 2*gap, deadline)
}
