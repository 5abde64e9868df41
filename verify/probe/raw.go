package probe

import (
	"encoding/binary"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// raw is a raw ICMP socket and its reader.
type raw struct {
	file *os.File
	conn syscall.RawConn
	v6   bool
}

// receiveBuffer holds the answers of a few hundred pings that come at once.
const receiveBuffer = 1 << 20

// openRaw opens a raw socket in the namespace of the calling thread and reads
// it until it is closed.
func (r *run) openRaw(family int) (*raw, error) {
	s, err := newRaw(family)
	if err != nil {
		return nil, err
	}
	r.readers.Go(func() { s.read(r.heard) })
	return s, nil
}

// newRaw opens a raw socket in the namespace of the calling thread.
func newRaw(family int) (*raw, error) {
	proto := unix.IPPROTO_ICMP
	if family == unix.AF_INET6 {
		proto = unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := prepareRaw(fd, family); err != nil {
		unix.Close(fd)
		return nil, err
	}
	s := &raw{file: os.NewFile(uintptr(fd), "icmp"), v6: family == unix.AF_INET6}
	if s.conn, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, err
	}
	return s, nil
}

// prepareRaw lets only answers and errors in, and TTLs of IPv6, whose raw
// sockets do not deliver the header.
func prepareRaw(fd, family int) error {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer) // as much as the host allows
	if family == unix.AF_INET {
		blocked := ^uint32(1<<echoReply4 | 1<<unreachable4 | 1<<timeExceeded4 | 1<<parameter4)
		const icmpFilter = 1
		return os.NewSyscallError("setsockopt ICMP_FILTER", unix.SetsockoptInt(fd, unix.SOL_RAW, icmpFilter, int(int32(blocked))))
	}
	filter := unix.ICMPv6Filter{}
	for i := range filter.Data {
		filter.Data[i] = 0xffffffff
	}
	for _, pass := range []int{echoReply6, unreachable6, tooBig6, timeExceeded6, parameter6} {
		filter.Data[pass>>5] &^= 1 << (pass & 31)
	}
	if err := unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &filter); err != nil {
		return os.NewSyscallError("setsockopt ICMPV6_FILTER", err)
	}
	return os.NewSyscallError("setsockopt IPV6_RECVHOPLIMIT", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1))
}

// read hands over what arrives at s until s is closed.
func (s *raw) read(heard func(message)) {
	buf, oob := make([]byte, 2048), make([]byte, 128)
	_ = s.conn.Read(func(fd uintptr) bool {
		for {
			if !s.v6 {
				n, err := unix.Read(int(fd), buf)
				if err == unix.EINTR {
					continue
				}
				if err != nil {
					return err != unix.EAGAIN
				}
				if m, ok := parse4(buf[:n]); ok {
					heard(m)
				}
				continue
			}
			n, oobn, _, from, err := unix.Recvmsg(int(fd), buf, oob, 0)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return err != unix.EAGAIN
			}
			sender, _ := from.(*unix.SockaddrInet6)
			if sender == nil {
				continue
			}
			if m, ok := parse6(buf[:n], netip.AddrFrom16(sender.Addr), hopLimit(oob[:oobn])); ok {
				heard(m)
			}
		}
	})
}

// heard hands a message to whoever waits for it.
func (r *run) heard(m message) {
	for i := range r.lanes {
		r.lanes[i].receive(m)
	}
}

// hopLimit returns the hop limit that came beside an IPv6 packet, or 0.
func hopLimit(oob []byte) uint8 {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range list {
		if m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_HOPLIMIT && len(m.Data) >= 4 {
			return uint8(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return 0
}

// send sends one packet. The error is the kernel's.
func (s *raw) send(packet []byte, to netip.Addr) error {
	var sent error
	err := s.conn.Control(func(fd uintptr) {
		for {
			sent = unix.Sendto(int(fd), packet, unix.MSG_DONTWAIT, sockaddr(netip.AddrPortFrom(to, 0)))
			if sent != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return sent
}

// sockaddr is an address as system calls want it.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

// addrOf reads an address out of a sockaddr that the kernel wrote.
func addrOf(b []byte) netip.Addr {
	if len(b) < int(unsafe.Sizeof(unix.RawSockaddrInet4{})) {
		return netip.Addr{}
	}
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case unix.AF_INET6:
		if len(b) >= 24 {
			return netip.AddrFrom16([16]byte(b[8:24])).Unmap()
		}
	}
	return netip.Addr{}
}
