package labs

import (
	"net/netip"
	"time"
)

// Expectation is an entry of the lab's verify section. What is nil or zero is
// not expected in particular.
type Expectation struct {
	From   Ref    // pod, node or bridge
	To     Target // what is asked
	Expect Outcome

	Within time.Duration // in which an answer comes; of silence, how long it lasts
	Count  int           // how often to ask, each time once; 0: once, with further tries
	Loss   Range         // share of Count without an answer, from 0 to 1
	Rate   *Range        // bits per second
	Source *Identity     // client that the server sees

	HTTP  *HTTPExpectation
	ARP   *ARPExpectation
	Route *RouteExpectation
	NAT   *NATExpectation

	Pos  Pos
	Path string // such as verify[0]
}

// Range is an amount that lies between two others.
type Range struct{ Least, Most float64 }

// Contains reports whether v is in r.
func (r Range) Contains(v float64) bool { return r.Least <= v && v <= r.Most }

// Identity is who somebody appears as: any of the addresses of a pod, node or
// bridge, or an address.
type Identity struct {
	Ref  Ref
	Port uint16 // 0: any
}

// HTTPExpectation is what has to come back from an HTTP server.
type HTTPExpectation struct {
	Path   string
	Status int
	Body   string // is contained in the body
}

// ARPExpectation is who answers a question by ARP.
type ARPExpectation struct {
	Nobody bool
	MAC    MAC // zero: that of By
	By     Ref // pod, node or bridge
}

// RouteExpectation is where packets are sent.
type RouteExpectation struct {
	Direct bool       // to the destination itself, without a next hop
	Via    netip.Addr // next hop; the zero Addr: any, unless Direct
	Dev    string     // "": any
	Src    netip.Addr // the zero Addr: any
}

// NATExpectation is how a connection is translated.
type NATExpectation struct {
	At Ref // node; the zero Ref: not said

	KeepsDestination, KeepsSource bool // not translated
	Destination, Source           *Identity
}
