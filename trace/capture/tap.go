package capture

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"netlab/trace"
)

// tap is a socket that gets a copy of every packet of every interface of a
// namespace.
type tap struct {
	fd  int
	buf []byte
	oob []byte
}

const (
	snapLength    = 2048    // bytes kept of a packet
	receiveBuffer = 8 << 20 // of a socket: packets that wait to be read
)

// openTap opens a socket in the namespace of the calling thread.
func openTap(filter []unix.SockFilter) (*tap, error) { return openTapOn(0, filter) }

// openTapOn is openTap for one interface; 0 is all of them.
func openTapOn(index int, filter []unix.SockFilter) (*tap, error) {
	const all = uint16(unix.ETH_P_ALL)
	network := all<<8 | all>>8
	// Nothing is received before the socket is bound to all protocols: by then
	// the filter stands.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	enlarge(fd)
	if err := prepareTap(fd, filter); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network, Ifindex: index}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return &tap{fd: fd, buf: make([]byte, snapLength), oob: make([]byte, 256)}, nil
}

func prepareTap(fd int, filter []unix.SockFilter) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return os.NewSyscallError("setsockopt SO_TIMESTAMPNS", err)
	}
	if len(filter) == 0 {
		return nil
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program))
}

// enlarge gives a socket as large a receive buffer as it may have.
func enlarge(fd int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer) // as much as the host allows
	}
}

func (t *tap) close() { unix.Close(t.fd) }

// startClock makes the kernel note the time of packets from now on. It does so
// only while somebody asks for it, and takes a while to begin. stop ends it.
func startClock() (stop func(), err error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("setsockopt SO_TIMESTAMPNS", err)
	}
	return func() { unix.Close(fd) }, nil
}

// frames reads what has arrived, in order.
//
// The kernel turns timestamps on when it finds the time, which may be after the
// first packets have passed. Those would get the time at which they are read;
// they get none.
func (t *tap) frames(ns string, names map[int]string, each func(trace.Frame)) error {
	began := time.Now()
	for {
		n, oobn, _, from, err := unix.Recvmsg(t.fd, t.buf, t.oob, unix.MSG_DONTWAIT)
		switch err {
		case nil:
		case unix.EINTR, unix.ENETDOWN: // an interface of the namespace went down
			continue
		case unix.EAGAIN:
			return nil
		default:
			return fmt.Errorf("read packets of %s: %w", ns, err)
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok {
			continue
		}
		f := trace.Frame{
			NS: ns, Iface: names[link.Ifindex], Out: link.Pkttype == unix.PACKET_OUTGOING,
			Stranger: link.Pkttype == unix.PACKET_OTHERHOST, Data: append([]byte(nil), t.buf[:n]...),
		}
		if at := timestamp(t.oob[:oobn]); at.Before(began) {
			f.Time = at
		}
		if f.Iface == "" {
			f.Iface = fmt.Sprintf("interface %d", link.Ifindex)
		}
		each(f)
	}
}

// timestamp returns the time at which the kernel saw a packet.
func timestamp(oob []byte) time.Time {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Time{}
	}
	for _, m := range list {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return time.Time{}
}
