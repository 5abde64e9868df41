package verify

import (
	"fmt"
	"net/netip"
	"slices"

	"netlab/labs"
)

// Server is a place where a server listens.
type Server struct {
	At        netip.AddrPort
	On        *End
	Src       netip.Addr // client address it is to see; the zero Addr: not looked at
	Kind      Kind       // TCP or UDP
	Program   Program
	Container string // that it runs in; "" where that is not known
}

// Program is what listens at a [Server], as far as the lab file says.
type Program string

// The programs. A built-in server says who it is and whom it sees, so it must
// be there and is never replaced.
const (
	Nobody     Program = ""        // nothing runs there: a prober provides a listener
	HTTPServer Program = "http"    // built in
	TCPServer  Program = "tcp"     // built in
	UDPServer  Program = "udp"     // built in
	DNSServer  Program = "dns"     // built in; answers questions about names only
	Unknown    Program = "unknown" // a command of the author's: what it says is its own affair
	Absent     Program = "absent"  // the containers of the pod have no such port
)

// BuiltIn reports whether p is a server of netlab's that runs in a container.
func (p Program) BuiltIn() bool {
	return p == HTTPServer || p == TCPServer || p == UDPServer || p == DNSServer
}

// Introduces reports whether p says by which address it was reached and by
// whom.
func (p Program) Introduces() bool {
	return p == Nobody || p == HTTPServer || p == TCPServer || p == UDPServer
}

// String names the server as people do.
func (s Server) String() string {
	switch {
	case s.Program.BuiltIn():
		return fmt.Sprintf("the %s server of container %s in %s", s.Program, s.Container, s.On.Name)
	case s.Container != "":
		return fmt.Sprintf("container %s in %s", s.Container, s.On.Name)
	}
	return fmt.Sprintf("%s in %s", s.At, s.On.Name)
}

// server returns the server at an address of an end.
func (b *builder) server(at netip.AddrPort, on *End, kind Kind) Server {
	s := Server{At: at, On: on, Kind: kind}
	if p := b.podByNS[on.NS]; p != nil {
		s.Program, s.Container = programAt(p, kind, at.Port())
	}
	return s
}

// programAt returns what listens on a port of a pod and the container it runs
// in.
func programAt(p *labs.Pod, kind Kind, number uint16) (program Program, container string) {
	if len(p.Containers) == 0 {
		return Nobody, ""
	}
	proto := labs.TCP
	if kind == UDP {
		proto = labs.UDP
	}
	program = Absent
	for _, c := range p.Containers {
		for _, s := range c.Serve {
			if s.Port == number && serves(s.Kind, kind) {
				return Program(s.Kind), c.Name
			}
		}
		switch {
		case len(c.Serve) > 0:
		case slices.ContainsFunc(c.Ports, func(port labs.ContainerPort) bool { return port.Port == number && port.Protocol == proto }):
			return Unknown, c.Name
		default: // it may listen wherever it likes
			program = Unknown
		}
	}
	return program, ""
}

// serves reports whether a built-in server listens on a port of a protocol.
func serves(server string, kind Kind) bool {
	switch Program(server) {
	case DNSServer:
		return true
	case UDPServer:
		return kind == UDP
	}
	return kind == TCP
}
