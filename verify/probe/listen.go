package probe

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"netlab/verify"
)

// servers are the listeners of a run. Each answers with a line that names the
// namespace it is in, the address by which it was reached, and the client's.
type servers struct {
	greeting string // first words of every answer
	wg       sync.WaitGroup

	mu     sync.Mutex
	any    map[place]result       // for connections to any port
	open   map[place]func() error // by address and port; closes the listener
	conns  map[net.Conn]bool
	closed bool
}

// place is where a server listens.
type place struct {
	ns   string
	at   netip.AddrPort
	kind verify.Kind
}

type result struct {
	at  netip.AddrPort
	err error
}

func newServers(nonce [8]byte) *servers {
	return &servers{
		greeting: "netlab " + hex.EncodeToString(nonce[:]) + " ",
		any:      map[place]result{}, open: map[place]func() error{}, conns: map[net.Conn]bool{},
	}
}

// listen opens the listeners that checks need, those of one namespace at once.
func (r *run) listen() {
	need := map[string]map[place]bool{}
	add := func(ns string, at netip.AddrPort, kind verify.Kind) {
		if need[ns] == nil {
			need[ns] = map[place]bool{}
		}
		need[ns][place{ns, at, kind}] = true
	}
	for i := range r.checks {
		c := &r.checks[i]
		if c.Kind == verify.TCP || c.Kind == verify.UDP {
			if c.Port == 0 {
				add(c.To.NS, netip.AddrPortFrom(c.Addr, 0), c.Kind)
			}
			if c.More != nil {
				for _, s := range c.More.Listen {
					if s.Program == verify.Nobody {
						add(s.On.NS, s.At, s.Kind)
					}
				}
			}
		}
	}
	some := map[string]*space{}
	for ns := range need {
		some[ns] = r.spaces[ns]
	}
	r.each(some, func(s *space) {
		err := r.in(s.name, func() error {
			for p := range need[s.name] {
				r.servers.start(p)
			}
			return nil
		})
		for p := range need[s.name] {
			if err != nil && p.at.Port() == 0 {
				r.servers.note(p, netip.AddrPort{}, err)
			}
		}
	})
}

// start opens one listener in the namespace of the calling thread.
func (s *servers) start(p place) {
	var at netip.AddrPort
	var err error
	if p.kind == verify.UDP {
		at, err = s.startUDP(p)
	} else {
		at, err = s.startTCP(p)
	}
	s.note(p, at, err)
}

// note keeps what became of a listener.
func (s *servers) note(p place, at netip.AddrPort, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.at.Port() == 0 {
		s.any[p] = result{at, err}
	}
}

// config lets a server listen on an address even if its namespace does not
// have it: that the address is missing is for the clients to find out.
var config = net.ListenConfig{Control: func(network, _ string, c syscall.RawConn) error {
	level, option := unix.IPPROTO_IP, unix.IP_FREEBIND
	if strings.HasSuffix(network, "6") {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND
	}
	var failed error
	if err := c.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, option, 1) }); err != nil {
		return err
	}
	return failed
}}

func (s *servers) startTCP(p place) (netip.AddrPort, error) {
	l, err := config.Listen(context.Background(), "tcp", p.at.String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	s.keep(p, l.Close)
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(p.ns, c) })
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

// serve answers one connection. It lets the client close first and leaves no
// TIME_WAIT behind.
func (s *servers) serve(ns string, c net.Conn) {
	defer func() { _ = c.Close() }()
	s.mu.Lock()
	closed := s.closed
	s.conns[c] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	if closed {
		return
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	local, remote := c.LocalAddr().(*net.TCPAddr), c.RemoteAddr().(*net.TCPAddr)
	if _, err := c.Write(s.line(ns, local.AddrPort(), remote.AddrPort())); err == nil {
		_, _ = io.Copy(io.Discard, c) // until the client is done
	}
}

func (s *servers) startUDP(p place) (netip.AddrPort, error) {
	pc, err := config.ListenPacket(context.Background(), "udp", p.at.String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	conn := pc.(*net.UDPConn)
	at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	s.keep(p, conn.Close)
	s.wg.Go(func() {
		buf := make([]byte, 512)
		for {
			_, from, err := conn.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = conn.WriteToUDPAddrPort(s.line(p.ns, at, from), from)
			}
		}
	})
	return at, nil
}

func (s *servers) keep(p place, closer func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[p] = closer
}

// line is what a server answers.
func (s *servers) line(ns string, server, client netip.AddrPort) []byte {
	return fmt.Appendf(nil, "%s%s %s %s\n", s.greeting, ns, unmap(server), unmap(client))
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// parse reads an answer, if b is a whole one of a server of this run.
func (s *servers) parse(b []byte) (verify.Answer, bool) {
	rest, ok := strings.CutPrefix(string(b), s.greeting)
	rest, whole := strings.CutSuffix(rest, "\n")
	words := strings.Fields(rest)
	if !ok || !whole || len(words) != 3 {
		return verify.Answer{}, false
	}
	server, err := netip.ParseAddrPort(words[1])
	client, err2 := netip.ParseAddrPort(words[2])
	return verify.Answer{NS: words[0], Server: server, Client: client.Addr()}, err == nil && err2 == nil
}

// anyPort returns where the server listens that answers on any port of an
// address.
func (s *servers) anyPort(e *verify.End, a netip.Addr) (netip.AddrPort, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res, ok := s.any[place{e.NS, netip.AddrPortFrom(a, 0), verify.TCP}]
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("no server was started in %s", e.NS)
	}
	if res.err != nil {
		return netip.AddrPort{}, fmt.Errorf("start a server in %s: %w", e.NS, res.err)
	}
	return res.at, nil
}

// has reports whether the server is one of the run.
func (s *servers) has(srv verify.Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[place{srv.On.NS, srv.At, srv.Kind}] != nil
}

// close ends all listeners and connections and waits for them.
func (s *servers) close() {
	s.mu.Lock()
	s.closed = true
	for _, closer := range s.open {
		_ = closer() // a listener that is closed twice is closed
	}
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
