package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// dialing is a TCP or UDP check under way.
type dialing struct {
	task  task
	to    netip.AddrPort
	ours  bool // whoever answers is a server of the run
	tries int
	o     verify.Observation
	err   error
}

// dial makes TCP and UDP checks. A check that may be answered by several is
// tried again until all of them did.
func (r *run) dial(tasks []task, done reporter) {
	var list []*dialing
	for _, t := range tasks {
		d := &dialing{task: t}
		if d.to, d.ours, d.err = r.target(t.check); d.err != nil {
			done(t, verify.Observation{}, d.err)
			continue
		}
		list = append(list, d)
	}
	var wg sync.WaitGroup
	for _, d := range list {
		end := r.pace.begin()
		wg.Go(func() {
			defer end()
			for r.try(d); !d.over() && r.ctx.Err() == nil; {
				r.try(d)
			}
			done(d.task, d.o, d.err)
		})
	}
	wg.Wait()
}

// over reports whether nothing more is to be seen by trying again.
func (d *dialing) over() bool {
	c := d.task.check
	d.tries++
	if d.err != nil || d.o.Outcome != labs.Reachable || c.More == nil || d.tries >= c.More.Tries {
		return true
	}
	for _, s := range c.More.Behind {
		if !slices.ContainsFunc(d.o.Answers, func(a verify.Answer) bool { return a.Server == s.At }) {
			return false
		}
	}
	return true
}

// target returns where a check connects to, and whether a server of the run
// answers there.
func (r *run) target(c *verify.Check) (to netip.AddrPort, ours bool, err error) {
	if c.Port == 0 {
		at, err := r.servers.anyPort(c.To, c.Addr)
		return at, true, err
	}
	ours = c.More != nil && len(c.More.Listen) > 0
	if ours {
		for _, s := range c.More.Listen {
			ours = ours && r.servers.has(s)
		}
	}
	return netip.AddrPortFrom(c.Addr, c.Port), ours, nil
}

// socketIn opens a socket in the namespace that a check starts from.
func (r *run) socketIn(d *dialing) (fd int, err error) {
	ns := d.task.check.From.NS
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
	outcome, detail, trouble := meaning(err)
	if trouble != nil {
		d.err = fmt.Errorf("connect to %s from %s: %w", d.to, c.From.NS, trouble)
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
	if err := unix.Bind(fd, local); err != nil {
		unix.Close(fd)
		return verify.Answer{}, fmt.Errorf("take port again: %w", err)
	}
	return r.converseFor(d, c, fd, 2*gap, deadline)
}

// silentError is the end of the time in which something should have been said.
type silentError struct{ foreign bool }

func (e silentError) Error() string {
	if e.foreign {
		return "a server that is not ours holds the port"
	}
	return "connected, but not a word"
}

func (e silentError) Unwrap() error { return os.ErrDeadlineExceeded }

// converse connects, asks and reads the answer. It closes fd.
func (r *run) converse(d *dialing, c *verify.Check, fd int, deadline time.Time) (verify.Answer, error) {
	return r.converseFor(d, c, fd, firstGap, deadline)
}

// converseFor is converse with a limit for making a connection.
func (r *run) converseFor(d *dialing, c *verify.Check, fd int, gap time.Duration, deadline time.Time) (verify.Answer, error) {
	err := unix.Connect(fd, sockaddr(d.to))
	file := os.NewFile(uintptr(fd), string(c.Kind))
	defer file.Close()
	if err != nil && err != unix.EINPROGRESS {
		return verify.Answer{}, err
	}
	conn, cerr := file.SyscallConn()
	if cerr != nil {
		return verify.Answer{}, cerr
	}
	if cerr := file.SetDeadline(deadline); cerr != nil {
		return verify.Answer{}, cerr
	}
	if c.Kind == verify.UDP {
		return r.ask(d, file, conn, deadline)
	}
	soon := time.Now().Add(gap)
	if soon.Before(deadline) {
		file.SetWriteDeadline(soon)
	}
	if err := connected(conn); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) && soon.Before(deadline) {
			return verify.Answer{}, lost(conn, err)
		}
		return verify.Answer{}, explain(conn, err)
	}
	return r.listenTo(d, file, deadline)
}

// lost returns a lostError for a connection that is not made yet.
func lost(conn syscall.RawConn, err error) error {
	conn.Control(func(fd uintptr) {
		if local, lerr := unix.Getsockname(int(fd)); lerr == nil {
			err = lostError{local}
		}
	})
	return err
}

// connected waits until a connection is made.
func connected(conn syscall.RawConn) error {
	var failed error
	err := conn.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			failed = err
		case code != 0:
			failed = unix.Errno(code)
		default:
			_, err := unix.Getpeername(int(fd))
			return err == nil // otherwise woken too early
		}
		return true
	})
	return errors.Join(err, failed)
}

// courtesy is how long a server that is not ours is listened to: it need not
// say anything before it is asked.
const courtesy = 200 * time.Millisecond

// listenTo reads what a server says to whoever connects.
func (r *run) listenTo(d *dialing, file *os.File, deadline time.Time) (verify.Answer, error) {
	if !d.ours {
		soon := time.Now().Add(courtesy)
		if soon.Before(deadline) {
			file.SetReadDeadline(soon) // a file that takes deadlines keeps taking them
		}
	}
	buf := make([]byte, 512)
	n := 0
	for n < len(buf) {
		k, err := file.Read(buf[n:])
		n += k
		if answer, ok := r.servers.parse(buf[:n]); ok {
			return answer, nil
		}
		switch {
		case err == nil && d.ours:
		case d.ours && errors.Is(err, os.ErrDeadlineExceeded):
			return verify.Answer{}, silentError{}
		case d.ours:
			return verify.Answer{}, err
		default: // connected, with whom is not known
			return verify.Answer{}, nil
		}
	}
	return verify.Answer{}, nil
}

// ask sends a question over UDP until there is an answer.
func (r *run) ask(d *dialing, file *os.File, conn syscall.RawConn, deadline time.Time) (verify.Answer, error) {
	buf := make([]byte, 512)
	for gap := 200 * time.Millisecond; ; gap *= 2 {
		if _, err := file.Write(r.nonce[:]); err != nil {
			return verify.Answer{}, explain(conn, err)
		}
		next := time.Now().Add(gap)
		if next.After(deadline) {
			next = deadline
		}
		if err := file.SetReadDeadline(next); err != nil {
			return verify.Answer{}, err
		}
		n, err := file.Read(buf)
		switch {
		case err == nil:
			answer, _ := r.servers.parse(buf[:n])
			return answer, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return verify.Answer{}, explain(conn, err)
		case !next.Before(deadline):
			if r.foreign(d.task.check) {
				return verify.Answer{}, silentError{foreign: true}
			}
			return verify.Answer{}, err
		}
	}
}

// foreign reports whether a server that is not ours may have been asked.
func (r *run) foreign(c *verify.Check) bool {
	return c.More != nil && slices.ContainsFunc(c.More.Listen, r.servers.taken)
}

// icmpError is an ICMP error that a socket received.
type icmpError struct {
	said string
	from netip.Addr
	err  error
}

func (e icmpError) Error() string { return fmt.Sprintf("icmp: %s from %s", e.said, e.from) }
func (e icmpError) Unwrap() error { return e.err }

// explain looks for the ICMP error behind err.
func explain(conn syscall.RawConn, err error) error {
	conn.Control(func(fd uintptr) {
		oob := make([]byte, 256)
		_, n, _, _, rerr := unix.Recvmsg(int(fd), make([]byte, 64), oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if rerr == nil {
			if icmp, ok := parseError(oob[:n], err); ok {
				err = icmp
			}
		}
	})
	return err
}

// parseError reads an entry of a socket's error queue.
func parseError(oob []byte, err error) (icmpError, bool) {
	list, perr := unix.ParseSocketControlMessage(oob)
	if perr != nil {
		return icmpError{}, false
	}
	const size = 16 // of struct sock_extended_err; the sender's address follows
	for _, m := range list {
		if len(m.Data) < size {
			continue
		}
		e := icmpError{from: addrOf(m.Data[size:]), err: err}
		switch origin, kind, code := m.Data[4], m.Data[5], m.Data[6]; origin {
		case unix.SO_EE_ORIGIN_ICMP:
			e.said, _ = meaning4(kind, code)
		case unix.SO_EE_ORIGIN_ICMP6:
			e.said, _ = meaning6(kind, code)
		default:
			continue
		}
		return e, e.from.IsValid()
	}
	return icmpError{}, false
}
