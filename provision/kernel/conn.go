package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// conn is an rtnetlink socket. It belongs to the namespace it was opened in,
// whichever thread uses it. It is safe for concurrent use.
//
// A [netlink.Handle] would do the same with five more system calls and a fresh
// buffer of 64 kB for each message, and could not ask for an echo.
type conn struct {
	mu  sync.Mutex
	fd  int
	seq uint32
}

// receiveBuffer holds more than the kernel ever puts into one answer (32 kB).
const receiveBuffer = 1 << 16

// dial opens a socket in the namespace of the calling thread.
func dial() (*conn, error) { return dialFamily(unix.NETLINK_ROUTE) }

// dialFamily does so for another part of the kernel than rtnetlink.
func dialFamily(protocol int) (*conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	// Explanations with errors and no copy of the request: niceties that old
	// kernels lack.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return &conn{fd: fd}, nil
}

func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 {
		unix.Close(c.fd)
		c.fd = -1
	}
}

// cookie returns a number that no other namespace has had since the host was
// booted, or 0 on kernels before 5.14.
func (c *conn) cookie() uint64 {
	cookie, err := unix.GetsockoptUint64(c.fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0
	}
	return cookie
}

// request returns a message for [conn.do]. flags are added to those that every
// request has.
func request(kind, flags int, header nl.NetlinkRequestData, attrs ...*nl.RtAttr) *nl.NetlinkRequest {
	req := &nl.NetlinkRequest{NlMsghdr: unix.NlMsghdr{
		Type:  uint16(kind),
		Flags: uint16(unix.NLM_F_REQUEST | flags),
	}}
	req.AddData(header)
	for _, a := range attrs {
		req.AddData(a)
	}
	return req
}

// kernelError is a refusal. It wraps the errno.
type kernelError struct {
	errno unix.Errno
	text  string // the kernel's explanation, may be empty
}

func (e *kernelError) Error() string {
	if e.text == "" {
		return e.errno.Error()
	}
	return e.errno.Error() + " (" + e.text + ")"
}

func (e *kernelError) Unwrap() error { return e.errno }

var receiveBuffers = sync.Pool{New: func() any { return new([receiveBuffer]byte) }}

// do sends req and calls each, if not nil, with the payload of every answer
// but the last one, which says how it went. The payload is valid only during
// the call. The error is [netlink.ErrDumpInterrupted] if the answer may be
// incomplete.
func (c *conn) do(req *nl.NetlinkRequest, each func(m []byte)) error {
	dump := req.Flags&unix.NLM_F_DUMP == unix.NLM_F_DUMP
	if !dump {
		req.Flags |= unix.NLM_F_ACK
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	req.Seq = c.seq
	b := req.Serialize()
	if err := retry(func() error {
		if dump {
			return rawWrite(c.fd, b)
		}
		return unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}); err != nil {
		return fmt.Errorf("ask the kernel: %w", err)
	}
	buf := receiveBuffers.Get().(*[receiveBuffer]byte)
	defer receiveBuffers.Put(buf)
	interrupted := false
	for {
		n := 0
		if err := retry(func() (err error) {
			if dump {
				n, err = rawReceive(c.fd, buf[:])
				return err
			}
			n, _, err = unix.Recvfrom(c.fd, buf[:], unix.MSG_TRUNC)
			return err
		}); err != nil {
			return fmt.Errorf("hear from the kernel: %w", err)
		}
		if n > len(buf) {
			return fmt.Errorf("the kernel's answer of %d bytes is too long", n)
		}
		for h, m := range messages(buf[:n]) {
			if h.Seq != c.seq {
				continue
			}
			interrupted = interrupted || h.Flags&unix.NLM_F_DUMP_INTR != 0
			switch h.Type {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				if err := verdict(h, m); err != nil {
					return err
				}
				if interrupted {
					return netlink.ErrDumpInterrupted
				}
				return nil
			case unix.NLMSG_NOOP, unix.NLMSG_OVERRUN:
			default:
				if each != nil {
					each(m)
				}
			}
		}
	}
}

// retry calls fn until no signal gets in its way.
func retry(fn func() error) error {
	for {
		if err := fn(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// messages yields the messages in b with their headers.
func messages(b []byte) iter.Seq2[unix.NlMsghdr, []byte] {
	return func(yield func(unix.NlMsghdr, []byte) bool) {
		for len(b) >= unix.SizeofNlMsghdr {
			h := unix.NlMsghdr{
				Len:   binary.NativeEndian.Uint32(b),
				Type:  binary.NativeEndian.Uint16(b[4:]),
				Flags: binary.NativeEndian.Uint16(b[6:]),
				Seq:   binary.NativeEndian.Uint32(b[8:]),
			}
			if h.Len < unix.SizeofNlMsghdr || int(h.Len) > len(b) {
				return
			}
			if !yield(h, b[unix.SizeofNlMsghdr:h.Len]) {
				return
			}
			b = b[min(align(int(h.Len)), len(b)):]
		}
	}
}

// verdict reads the message that ends an answer.
func verdict(h unix.NlMsghdr, m []byte) error {
	if len(m) < 4 {
		return nil
	}
	errno := unix.Errno(-int32(binary.NativeEndian.Uint32(m)))
	if errno == 0 {
		return nil
	}
	err := &kernelError{errno: errno}
	if h.Flags&unix.NLM_F_ACK_TLVS == 0 {
		return err
	}
	m = m[4:]
	if h.Type == unix.NLMSG_ERROR && len(m) >= unix.SizeofNlMsghdr {
		skip := unix.SizeofNlMsghdr
		if h.Flags&unix.NLM_F_CAPPED == 0 {
			skip = align(int(binary.NativeEndian.Uint32(m)))
		}
		m = m[min(skip, len(m)):]
	}
	for kind, v := range attributes(m) {
		if kind == nl.NLMSGERR_ATTR_MSG {
			err.text = text(v)
		}
	}
	return err
}

// attributes yields the attributes in b. Types come without their flags.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.SizeofRtAttr || n > len(b) {
				return
			}
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[unix.SizeofRtAttr:n]) {
				return
			}
			b = b[min(align(n), len(b)):]
		}
	}
}

// copies keeps messages longer than they are good for, several in one piece.
type copies struct{ free []byte }

func (c *copies) of(m []byte) []byte {
	if len(c.free) < len(m) {
		c.free = make([]byte, max(1024, len(m)))
	}
	kept := c.free[:len(m):len(m)]
	c.free = c.free[len(m):]
	copy(kept, m)
	return kept
}

func align(n int) int { return (n + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }

func text(b []byte) string { return unix.ByteSliceToString(b) }

func u32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

// dumpAttempts bounds how often a dump is repeated that others changed under
// way.
const dumpAttempts = 20

// dump asks for all objects of a kind and decodes them. A dump that another
// process changed under way may lack objects; acting on it would create them
// twice, so it is never used.
func dump[T any](c *conn, kind int, header nl.NetlinkRequestData, decode func(m []byte) (T, bool), attrs ...*nl.RtAttr) ([]T, error) {
	for range dumpAttempts {
		var all []T
		err := c.do(request(kind, unix.NLM_F_DUMP, header, attrs...), func(m []byte) {
			if v, ok := decode(m); ok {
				if all == nil {
					all = make([]T, 0, 8) // as many as a pod has of anything
				}
				all = append(all, v)
			}
		})
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return nil, fmt.Errorf("gave up after %d attempts: %w", dumpAttempts, netlink.ErrDumpInterrupted)
}
