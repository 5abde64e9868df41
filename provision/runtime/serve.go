package runtime

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	"netlab/labs"
)

// Answer is what a built-in server says about a request: who answers, and
// between which addresses. Over HTTP it is JSON with these keys where the
// client asks for it; they are part of the interface.
type Answer struct {
	Pod       string `json:"pod"`
	Namespace string `json:"namespace"` // Kubernetes namespace
	Node      string `json:"node"`
	Container string `json:"container"`
	Server    string `json:"server"` // http, tcp or udp
	Local     string `json:"local"`  // address and port that the request arrived at
	Remote    string `json:"remote"` // address and port that it came from

	// Over HTTP only.
	Method string `json:"method,omitempty"`
	Host   string `json:"host,omitempty"`
	Path   string `json:"path,omitempty"`
}

// Line is the answer as one line of text.
func (a Answer) Line() string {
	return fmt.Sprintf("pod=%s namespace=%s node=%s local=%s remote=%s\n", a.Pod, a.Namespace, a.Node, a.Local, a.Remote)
}

func (s spec) answer(server string, local, remote net.Addr) Answer {
	return Answer{
		Pod: s.Pod.Name, Namespace: s.Pod.Namespace, Node: s.Pod.Node, Container: s.Container.Name,
		Server: server, Local: addrText(local), Remote: addrText(remote),
	}
}

// addrText writes an address; one of IPv4 never in the clothes of IPv6.
func addrText(a net.Addr) string {
	if ap, err := netip.ParseAddrPort(a.String()); err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String()
	}
	return a.String()
}

// serve starts all built-in servers of a container. When it returns they
// listen. failed receives the error of one that ends by itself.
func (s spec) serve(log io.Writer) (failed <-chan error, closeAll func(), err error) {
	var open []io.Closer
	closeAll = func() {
		for _, c := range open {
			c.Close()
		}
	}
	errs := make(chan error, 2*len(s.Container.Serve))
	for _, server := range s.Container.Serve {
		address := ":" + strconv.Itoa(int(server.Port))
		run := func(io.Writer) error { return nil }
		var closer io.Closer
		switch server.Kind {
		case labs.ServeDNS:
			run, closer, err = s.listenDNS(server.Port)
		case "udp":
			run, closer, err = s.listenUDP(server.Port)
		case "tcp", "http":
			var l net.Listener
			if l, err = net.Listen("tcp", address); err == nil {
				closer = l
				run = func(log io.Writer) error { return s.serveTCP(l, log) }
				if server.Kind == "http" {
					run = func(log io.Writer) error { return s.serveHTTP(l, log) }
				}
			}
		default:
			err = fmt.Errorf("there is no server %q", server.Kind)
		}
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("serve %s on port %d: %w", server.Kind, server.Port, err)
		}
		open = append(open, closer)
		fmt.Fprintf(log, "serving %s on port %d\n", server.Kind, server.Port)
		go func() { errs <- run(log) }()
	}
	return errs, closeAll, nil
}

// serveTCP greets every connection with an [Answer] and then sends back what it
// receives.
func (s spec) serveTCP(l net.Listener, log io.Writer) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			pause := time.NewTimer(acceptPause) // out of files, most likely
			<-pause.C
			continue
		}
		go func() {
			defer func() { _ = c.Close() }()
			fmt.Fprintf(log, "%s tcp connection from %s to %s\n", stamp(), addrText(c.RemoteAddr()), addrText(c.LocalAddr()))
			if _, err := io.WriteString(c, s.answer("tcp", c.LocalAddr(), c.RemoteAddr()).Line()); err == nil {
				_, _ = io.Copy(c, c)
			}
		}()
	}
}

// acceptPause is how long a server waits when it cannot accept a connection.
const acceptPause = 50 * time.Millisecond

// stamp is the time as it stands in the log of a built-in server.
func stamp() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }
