package probe

import (
	"errors"
	"os"
	"slices"
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
