package capture

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"net/netip"
	"time"

	"netlab/trace"
)

// Request says what to send, and where to look.
type Request struct {
	From     string         // namespace
	To       netip.AddrPort // port 0 for a ping
	Proto    trace.Proto
	FromPort uint16 // 0: any
	Size     int    // bytes of payload of a ping or a UDP packet
	HTTP     string // path to ask for once a TCP connection stands, "" for none
	OneWay   bool   // do not wait for an answer
	Wait     time.Duration

	Watch       []string // namespaces
	VXLANPort   uint16   // of the lab's tunnels; 0: there are none
	AnswerPorts []uint16 // UDP ports that answers may come from

	Forget bool // have connection tracking forget the exchange afterwards

	Listen []Listener // servers to start for as long as it takes

	// Rules returns what iptables-save or ip6tables-save prints in a namespace.
	// nil leaves rules without their text.
	Rules func(ctx context.Context, ns string, ipv6 bool) ([]byte, error)

	// InNamespace runs fn on a thread that is in a network namespace. It is nil
	// for the named namespaces of this host.
	InNamespace func(name string, fn func() error) error
}

// probe draws what the packets of an exchange are known by.
func (r *Request) probe() trace.Probe {
	p := trace.Probe{Proto: r.Proto, Dst: r.To}
	var random [8]byte
	rand.Read(random[:]) // never fails
	// Comparisons of sequence numbers in the kernel's rules must not wrap.
	p.ISN = binary.BigEndian.Uint32(random[:4])%(1<<32-4*trace.Window) + trace.Window
	copy(p.Nonce[:], base32.StdEncoding.EncodeToString(random[:])) // readable in a dump
	return p
}

// payload returns what a ping or a UDP packet carries.
func (r *Request) payload(p trace.Probe) []byte {
	const text = " netlab trace\n"
	b := append(p.Nonce[:], text...)
	for len(b) < r.Size {
		b = append(b, "0123456789abcdefghijklmnopqrstuvwxyz"[len(b)%36])
	}
	return b[:max(r.Size, trace.NonceSize)]
}
