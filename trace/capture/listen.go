package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"netlab/trace"
)

// Listener is a server that is there for as long as a trace takes.
type Listener struct {
	NS    string
	At    netip.AddrPort
	Proto trace.Proto // TCP or UDP
}

// servers are the listeners of a run.
type servers struct {
	closers []func() error
	wg      sync.WaitGroup
}

// listen starts the servers that are asked for. Where somebody listens already
// there is nothing to do.
func (c *run) listen() (*servers, error) {
	s := &servers{}
	for _, l := range c.r.Listen {
		err := c.in(l.NS, func() error { return s.start(l) })
		if err != nil && !errors.Is(err, unix.EADDRINUSE) && !gone(err) {
			s.close()
			return nil, fmt.Errorf("listen on %s in %s: %w", l.At, l.NS, err)
		}
	}
	return s, nil
}

func (s *servers) start(l Listener) error {
	var config net.ListenConfig
	if l.Proto == trace.ProtoTCP { // the kernel answers by itself
		listener, err := config.Listen(context.Background(), "tcp", l.At.String())
		if err == nil {
			s.closers = append(s.closers, listener.Close)
		}
		return err
	}
	packets, err := config.ListenPacket(context.Background(), "udp", l.At.String())
	if err != nil {
		return err
	}
	s.closers = append(s.closers, packets.Close)
	s.wg.Go(func() {
		buf := make([]byte, 1<<16)
		for {
			_, from, err := packets.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo([]byte("netlab trace listens in "+l.NS+"\n"), from) // a lost answer is what a trace shows
		}
	})
	return nil
}

func (s *servers) close() {
	for _, c := range s.closers {
		_ = c() // closing a socket cannot fail in a way that matters
	}
	s.wg.Wait()
}
