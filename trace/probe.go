package trace

import (
	"bytes"
	"net/netip"
)

// Probe is the exchange that is traced: one packet that somebody sends, what
// follows it on its connection, and what comes back.
type Probe struct {
	Proto Proto
	Dst   netip.AddrPort // port 0 for a ping

	// By these the packets of the exchange are known, whatever was rewritten
	// on the way: the first sequence number of a TCP connection, and what the
	// payload of anything else begins with.
	ISN   uint32
	Nonce [NonceSize]byte
}

// NonceSize is the length of a nonce. The kernel's trace messages hold this
// much of a payload.
const NonceSize = 8

// Window is how many bytes a TCP exchange may send at most. Sequence numbers
// further from the first one belong to other connections.
const Window = 1 << 16

// leg is a direction of an exchange.
type leg uint8

const (
	stranger leg = iota // no packet of the exchange
	there
	back
)

// follower tells the packets of an exchange from all others.
type follower struct {
	probe Probe
	sent  map[[2]netip.AddrPort]bool // ends that UDP packets on their way there had
}

func newFollower(p Probe) *follower {
	return &follower{probe: p, sent: map[[2]netip.AddrPort]bool{}}
}

// learn takes note of the ends of UDP packets, of which answers are known. A
// server may send back what it was sent: where the ends are those of an answer
// already they stay so.
func (f *follower) learn(h *Header) {
	if h.Inner != nil {
		h = h.Inner
	}
	if h.Proto == ProtoUDP && f.probe.Proto == ProtoUDP && bytes.HasPrefix(h.payload, f.probe.Nonce[:]) && !f.sent[reverse(h)] {
		f.sent[[2]netip.AddrPort{h.source(), h.destination()}] = true
	}
}

// leg returns to which direction a packet belongs. An error message belongs to
// the direction against that of the packet it is about, a tunnel packet to
// that of what it carries. All packets must have been learned before.
func (f *follower) leg(h *Header) leg {
	switch {
	case h.Inner != nil:
		return f.leg(h.Inner)
	case h.Quote != nil:
		return f.quoted(h.Quote)
	case h.Proto != f.probe.Proto || h.Fragment:
		return stranger
	}
	switch h.Proto {
	case ProtoTCP:
		return f.tcp(h.TCP)
	case ProtoUDP:
		switch {
		case bytes.HasPrefix(h.payload, f.probe.Nonce[:]) && f.sent[[2]netip.AddrPort{h.source(), h.destination()}]:
			return there
		case f.sent[reverse(h)]:
			return back
		}
	case ProtoICMP, ProtoICMP6:
		switch {
		case !bytes.HasPrefix(h.payload, f.probe.Nonce[:]):
		case h.ICMP.Type == 8 || h.ICMP.Type == 128:
			return there
		default:
			return back
		}
	}
	return stranger
}

func reverse(h *Header) [2]netip.AddrPort {
	return [2]netip.AddrPort{h.destination(), h.source()}
}

func (f *follower) tcp(t TCP) leg {
	switch isn := f.probe.ISN; {
	case t.Seq-isn < Window:
		return there
	case t.Flags&ACK != 0 && t.Ack-isn-1 < Window:
		return back
	}
	return stranger
}

// quoted returns the direction of an error message about q, of which there may
// be no more than eight bytes of the transport header.
func (f *follower) quoted(q *Header) leg {
	if q.Proto != f.probe.Proto {
		return stranger
	}
	ends := [2]netip.AddrPort{q.source(), q.destination()}
	switch q.Proto {
	case ProtoTCP:
		if q.TCP.Seq-f.probe.ISN < Window {
			return back
		}
		if q.TCP.Flags&ACK != 0 && q.TCP.Ack-f.probe.ISN-1 < Window {
			return there
		}
	case ProtoUDP:
		switch {
		case f.sent[ends] || bytes.HasPrefix(q.payload, f.probe.Nonce[:]):
			return back
		case f.sent[[2]netip.AddrPort{ends[1], ends[0]}]:
			return there
		}
	default:
		if bytes.HasPrefix(q.payload, f.probe.Nonce[:]) {
			if q.ICMP.Type == 8 || q.ICMP.Type == 128 {
				return back
			}
			return there
		}
	}
	return stranger
}

// identity is what stays of a packet on its whole way. Two packets of an
// exchange differ in it.
type identity struct {
	proto Proto
	id    uint16
	tcp   TCP
	icmp  ICMP
}

// identify returns the identity of a packet, or of what a tunnel packet
// carries. Translation may change the identifier of a ping.
func identify(h *Header) identity {
	if h.Inner != nil {
		return identify(h.Inner)
	}
	return identity{proto: h.Proto, id: h.ID, tcp: h.TCP, icmp: ICMP{Type: h.ICMP.Type, Code: h.ICMP.Code, Seq: h.ICMP.Seq}}
}
