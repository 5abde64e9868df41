package capture

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"netlab/trace"
)

// number sets the sequence number that the connection begins with, and closes
// it without a trace: no connection in TIME_WAIT stays behind.
func (s *sender) number() error {
	const sendQueue, off = 2, -1 // TCP_SEND_QUEUE, TCP_REPAIR_OFF_NO_WP
	for _, o := range []struct{ name, value int }{
		{unix.TCP_REPAIR, 1}, {unix.TCP_REPAIR_QUEUE, sendQueue},
		{unix.TCP_QUEUE_SEQ, int(int32(s.probe.ISN))}, {unix.TCP_REPAIR, off},
	} {
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, o.name, o.value); err != nil {
			return fmt.Errorf("choose the first sequence number: %w", err)
		}
	}
	return os.NewSyscallError("setsockopt SO_LINGER", unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
}

// handshake waits for a connection, and asks for a page if that is wanted.
func (s *sender) handshake(ctx context.Context, deadline time.Time) trace.Result {
	if s.r.OneWay {
		return trace.Result{State: trace.OneWay}
	}
	if err := s.wait(ctx, unix.POLLOUT, deadline); err != nil {
		return ended(err)
	}
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		return ended(err)
	}
	if s.r.HTTP == "" {
		return trace.Result{State: trace.Answered}
	}
	request := "GET " + s.r.HTTP + " HTTP/1.0\r\nHost: " + s.r.To.String() + "\r\nUser-Agent: netlab-trace\r\n\r\n"
	if err := s.write([]byte(request)); err != nil {
		return ended(err)
	}
	var page []byte
	buf := make([]byte, 1<<16)
	for len(page) < 1<<20 {
		if err := s.wait(ctx, unix.POLLIN, deadline); err != nil {
			return trace.Result{State: trace.Answered, Detail: "the connection stands, but no page came: " + err.Error(), Answer: firstLine(page)}
		}
		n, err := unix.Read(s.fd, buf)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			break
		}
		page = append(page, buf[:n]...)
	}
	return trace.Result{State: trace.Answered, Answer: firstLine(page)}
}
