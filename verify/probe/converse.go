package probe

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netlab/verify"
)

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
	gap := firstGap
	if d.once {
		gap = c.Wait
	}
	return r.converseFor(d, c, fd, gap, deadline)
}

// converseFor is converse with a limit for making a connection.
func (r *run) converseFor(d *dialing, c *verify.Check, fd int, gap time.Duration, deadline time.Time) (verify.Answer, error) {
	err := unix.Connect(fd, sockaddr(d.to))
	file := os.NewFile(uintptr(fd), string(c.Kind))
	defer file.Close()
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
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
		r.note(d, conn, unix.IPPROTO_UDP)
		answer, err := r.ask(d, file, conn, deadline)
		if err == nil {
			r.lookUp(d, conn, unix.IPPROTO_UDP)
		}
		return answer, err
	}
	soon := time.Now().Add(gap)
	if soon.Before(deadline) {
		_ = file.SetWriteDeadline(soon)
	}
	if err := connected(conn); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) && soon.Before(deadline) {
			return verify.Answer{}, lost(conn, err)
		}
		r.note(d, conn, unix.IPPROTO_TCP)
		return verify.Answer{}, explain(conn, err)
	}
	r.note(d, conn, unix.IPPROTO_TCP)
	answer, err := r.listenTo(d, file, deadline)
	if err == nil {
		r.lookUp(d, conn, unix.IPPROTO_TCP)
	}
	if err == nil && d.pump && answer != (verify.Answer{}) {
		err = r.pumpInto(d, file)
	}
	return answer, err
}

// note keeps where a socket asks from and that there is something to forget.
func (r *run) note(d *dialing, conn syscall.RawConn, proto uint8) {
	d.bound(conn)
	var at []string
	if c := d.task.check; c.More == nil && c.To != nil && c.To.NS != "" && proto == unix.IPPROTO_TCP {
		at = []string{machine(c.From), machine(c.To)}
	}
	r.flows.add(flow{proto, d.local, d.to}, at...)
}

// machine returns the namespace of the machine that an end is on.
func machine(e *verify.End) string {
	if e.Host != nil {
		return e.Host.NS
	}
	return e.NS
}

// bound keeps where a socket asks from.
func (d *dialing) bound(conn syscall.RawConn) {
	_ = conn.Control(func(fd uintptr) {
		switch a, _ := unix.Getsockname(int(fd)); a := a.(type) {
		case *unix.SockaddrInet4:
			d.local = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
		case *unix.SockaddrInet6:
			d.local = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
		}
	})
}

// lost returns a lostError for a connection that is not made yet.
func lost(conn syscall.RawConn, err error) error {
	_ = conn.Control(func(fd uintptr) {
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

// listenTo asks, if it has to, and reads what the server says.
func (r *run) listenTo(d *dialing, file *os.File, deadline time.Time) (verify.Answer, error) {
	m := &d.manner
	if m.deaf {
		return verify.Answer{}, nil
	}
	if err := file.SetDeadline(m.until(deadline)); err != nil {
		return verify.Answer{}, err
	}
	if len(m.question) > 0 {
		if _, err := file.Write(m.question); err != nil {
			return verify.Answer{}, err
		}
	}
	if m.http {
		return r.readHTTP(d, overdue{file})
	}
	buf := make([]byte, 2048)
	for n := 0; n < len(buf); {
		k, err := overdue{file}.Read(buf[n:])
		n += k
		if answer, ok := r.understand(buf[:n], m.foreign); ok {
			return answer, nil
		}
		switch {
		case err == nil:
		case m.foreign, errors.Is(err, io.EOF): // connected, with whom is not known
			return verify.Answer{}, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return verify.Answer{}, silentError{}
		default:
			return verify.Answer{}, err
		}
	}
	return verify.Answer{}, nil
}

// overdue reads from a socket what has arrived even when its deadline is over: on
// a machine that is too busy to let this process look in time, the answer is there
// all the same.
type overdue struct{ *os.File }

func (o overdue) Read(b []byte) (int, error) {
	n, err := o.File.Read(b)
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	conn, cerr := o.SyscallConn()
	if cerr != nil {
		return n, err
	}
	if cerr := conn.Control(func(fd uintptr) {
		if k, _, rerr := unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT); rerr == nil && k > 0 {
			n, err = k, nil
		}
	}); cerr != nil {
		return 0, cerr
	}
	return n, err
}

// until returns when to stop listening.
func (m *manner) until(deadline time.Time) time.Time {
	if m.patience > 0 {
		if soon := time.Now().Add(m.patience); soon.Before(deadline) {
			return soon
		}
	}
	return deadline
}

// ask sends a question over UDP until there is an answer.
func (r *run) ask(d *dialing, file *os.File, conn syscall.RawConn, deadline time.Time) (verify.Answer, error) {
	deadline = d.manner.until(deadline)
	buf := make([]byte, 2048)
	for gap := 200 * time.Millisecond; ; gap *= 2 {
		if _, err := file.Write(d.manner.question); err != nil {
			return verify.Answer{}, explain(conn, err)
		}
		next := time.Now().Add(gap)
		if next.After(deadline) {
			next = deadline
		}
		if err := file.SetReadDeadline(next); err != nil {
			return verify.Answer{}, err
		}
		n, err := overdue{file}.Read(buf)
		switch {
		case err == nil:
			answer, _ := r.understand(buf[:n], true)
			return answer, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return verify.Answer{}, explain(conn, err)
		case !next.Before(deadline):
			if d.manner.foreign {
				return verify.Answer{}, silentError{foreign: true}
			}
			return verify.Answer{}, err
		}
	}
}
