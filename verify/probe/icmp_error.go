package probe

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

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
	_ = conn.Control(func(fd uintptr) {
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
		// The call itself may have failed otherwise: a packet that the sender's own
		// filter rejects is "not permitted", and the ICMP error says what it means.
		if errno := binary.NativeEndian.Uint32(m.Data); errno != 0 {
			e.err = unix.Errno(errno)
		}
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
