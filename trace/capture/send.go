package capture

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"netlab/trace"
)

// sender is the socket from which an exchange starts.
type sender struct {
	fd    int
	r     *Request
	probe trace.Probe
}

// openSender opens the socket in the namespace of the calling thread.
func openSender(r *Request, probe trace.Probe) (*sender, error) {
	family := unix.AF_INET
	if r.To.Addr().Is6() {
		family = unix.AF_INET6
	}
	kind, proto := unix.SOCK_STREAM, unix.IPPROTO_TCP
	switch r.Proto {
	case trace.ProtoUDP:
		kind, proto = unix.SOCK_DGRAM, unix.IPPROTO_UDP
	case trace.ProtoICMP6:
		kind, proto = unix.SOCK_RAW, unix.IPPROTO_ICMPV6
	case trace.ProtoICMP:
		kind, proto = unix.SOCK_RAW, unix.IPPROTO_ICMP
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &sender{fd: fd, r: r, probe: probe}
	if err := s.prepare(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return s, nil
}

func (s *sender) close() { unix.Close(s.fd) }

func (s *sender) prepare() error {
	if s.r.To.Addr().Is6() {
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1); err != nil {
			return os.NewSyscallError("setsockopt IPV6_RECVERR", err)
		}
	} else if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1); err != nil {
		return os.NewSyscallError("setsockopt IP_RECVERR", err)
	}
	if s.r.Proto == trace.ProtoTCP {
		if err := s.number(); err != nil {
			return err
		}
	}
	if s.r.FromPort == 0 {
		return nil
	}
	from := netip.AddrPortFrom(netip.IPv4Unspecified(), s.r.FromPort)
	if s.r.To.Addr().Is6() {
		from = netip.AddrPortFrom(netip.IPv6Unspecified(), s.r.FromPort)
	}
	if err := unix.Bind(s.fd, sockaddr(from)); err != nil {
		return fmt.Errorf("take port %d: %w", s.r.FromPort, err)
	}
	return nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

// run makes the exchange and says how it ended.
func (s *sender) run(ctx context.Context) trace.Result {
	began := time.Now()
	result := s.exchange(ctx, began.Add(s.r.Wait))
	result.After = time.Since(began)
	return result
}

func (s *sender) exchange(ctx context.Context, deadline time.Time) trace.Result {
	err := unix.Connect(s.fd, sockaddr(s.r.To))
	if err != nil && err != unix.EINPROGRESS {
		return unsent(err)
	}
	if s.r.Proto == trace.ProtoTCP {
		return s.handshake(ctx, deadline)
	}
	if err := s.write(s.packet()); err != nil {
		return unsent(err)
	}
	if s.r.OneWay {
		return trace.Result{State: trace.OneWay}
	}
	buf := make([]byte, 1<<16)
	for {
		if err := s.wait(ctx, unix.POLLIN, deadline); err != nil {
			return ended(err)
		}
		n, err := unix.Read(s.fd, buf)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			continue
		case err != nil:
			return ended(err)
		case s.isAnswer(buf[:n]):
			return trace.Result{State: trace.Answered, Answer: s.said(buf[:n])}
		}
	}
}

// packet returns what is written to a socket that is not TCP's.
func (s *sender) packet() []byte {
	payload := s.r.payload(s.probe)
	if s.r.Proto == trace.ProtoUDP {
		return payload
	}
	const header = 8
	b := make([]byte, header, header+len(payload))
	b[0] = 8
	if s.r.Proto == trace.ProtoICMP6 {
		b[0] = 128 // the kernel adds the checksum
	}
	b[4], b[5], b[7] = byte(s.probe.ISN>>8), byte(s.probe.ISN), 1
	b = append(b, payload...)
	if s.r.Proto == trace.ProtoICMP {
		sum := checksum(b)
		b[2], b[3] = byte(sum>>8), byte(sum)
	}
	return b
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// isAnswer reports whether a packet that arrived is the answer. Raw sockets
// get copies of everything.
func (s *sender) isAnswer(b []byte) bool {
	switch s.r.Proto {
	case trace.ProtoUDP:
		return true
	case trace.ProtoICMP:
		if len(b) < 20 || len(b) < int(b[0]&15)*4 {
			return false
		}
		b = b[int(b[0]&15)*4:]
	}
	reply := byte(0)
	if s.r.Proto == trace.ProtoICMP6 {
		reply = 129
	}
	return len(b) >= 16 && b[0] == reply && [8]byte(b[8:16]) == s.probe.Nonce
}

// said returns the first line that a server wrote.
func (s *sender) said(b []byte) string {
	if s.r.Proto != trace.ProtoUDP {
		return ""
	}
	return firstLine(b)
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, line)
	const longest = 120
	if len(line) > longest {
		line = line[:longest]
	}
	return line
}

func (s *sender) write(b []byte) error {
	for {
		_, err := unix.Write(s.fd, b)
		if err != unix.EINTR {
			return err
		}
	}
}

var errLate = errors.New("nothing came back in time")

// wait waits until the socket can do something.
func (s *sender) wait(ctx context.Context, events int16, deadline time.Time) error {
	const slice = 100 * time.Millisecond // how often ctx is looked at
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return errLate
		}
		fds := []unix.PollFd{{Fd: int32(s.fd), Events: events}}
		n, err := unix.Poll(fds, int(min(left, slice)/time.Millisecond)+1)
		if err != nil && err != unix.EINTR {
			return err
		}
		if n > 0 {
			return nil
		}
	}
}

// unsent says why the kernel did not send.
func unsent(err error) trace.Result {
	return trace.Result{State: trace.Unsent, Detail: err.Error()}
}

// ended says why there was no answer.
func ended(err error) trace.Result {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return trace.Result{State: trace.Refused, Detail: err.Error()}
	case errors.Is(err, errLate), errors.Is(err, unix.ETIMEDOUT), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return trace.Result{State: trace.Lost, Detail: err.Error()}
	}
	return trace.Result{State: trace.Unreachable, Detail: err.Error()}
}
