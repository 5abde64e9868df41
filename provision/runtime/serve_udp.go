package runtime

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// maxDatagram is the largest datagram there is, in bytes.
const maxDatagram = 1 << 16

// listenUDP opens a socket for each address family. It answers every datagram
// with an [Answer] and the datagram itself, from the address it was sent to.
func (s spec) listenUDP(port uint16) (run func(io.Writer) error, closer io.Closer, err error) {
	var conns udpConns
	for _, network := range []string{"udp4", "udp6"} {
		pc, err := net.ListenPacket(network, ":"+strconv.Itoa(int(port)))
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) {
			continue // a kernel without IPv6
		}
		if err == nil {
			conns = append(conns, pc.(*net.UDPConn))
			err = wantLocalAddr(pc.(*net.UDPConn), network)
		}
		if err != nil {
			_ = conns.Close()
			return nil, nil, err
		}
	}
	run = func(log io.Writer) error {
		errs := make([]error, len(conns))
		var all sync.WaitGroup
		for i, c := range conns {
			all.Go(func() { errs[i] = s.serveUDP(c, port, log) })
		}
		all.Wait()
		return errors.Join(errs...)
	}
	return run, conns, nil
}

type udpConns []*net.UDPConn

// Close closes all of them.
func (u udpConns) Close() error {
	var errs []error
	for _, c := range u {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// wantLocalAddr has the kernel say which address each datagram was sent to.
func wantLocalAddr(c *net.UDPConn, network string) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	level, option := unix.IPPROTO_IP, unix.IP_PKTINFO
	if network == "udp6" {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, option, 1) })
	return errors.Join(err, failed)
}

func (s spec) serveUDP(c *net.UDPConn, port uint16, log io.Writer) error {
	buf := make([]byte, maxDatagram)
	control := make([]byte, 256)
	for {
		n, oobn, _, from, err := c.ReadMsgUDPAddrPort(buf, control)
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			continue // an ICMP error that answers one of ours
		}
		to := netip.AddrPortFrom(localAddr(control[:oobn]), port)
		a := s.answer("udp", net.UDPAddrFromAddrPort(to), net.UDPAddrFromAddrPort(from))
		fmt.Fprintf(log, "%s udp datagram of %d bytes from %s to %s\n", stamp(), n, a.Remote, a.Local)
		_, _, _ = c.WriteMsgUDPAddrPort(append([]byte(a.Line()), buf[:n]...), sourceControl(to.Addr()), from)
	}
}

// localAddr returns the address that a datagram was sent to.
func localAddr(control []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12:
			return netip.AddrFrom4([4]byte(m.Data[8:12]))
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 16:
			return netip.AddrFrom16([16]byte(m.Data[:16]))
		}
	}
	return netip.Addr{}
}

// sourceControl has a datagram sent from an address.
func sourceControl(a netip.Addr) []byte {
	switch {
	case a.Is4():
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.As4()})
	case a.Is6():
		return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: a.As16()})
	}
	return nil
}
