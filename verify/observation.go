package verify

import (
	"context"
	"net/netip"
	"time"

	"netlab/labs"
)

// Observation is what a prober saw. It carries no opinion. Which fields mean
// something depends on the [Kind] of the check.
type Observation struct {
	// Outcome is what the client saw of traffic. For a route Reachable means
	// that there is one. Of several tries it is the first that was no answer.
	Outcome labs.Outcome
	Detail  string // how it is known: "icmp: host unreachable from 10.0.0.1"
	TTL     uint8  // of the answer to a ping; 0: not known
	Twice   int    // how many pings were answered more than once
	RTT     time.Duration
	Answers []Answer // different answers of servers, in the order seen

	// Silent says that there was no answer because a server that is not the
	// prober's holds the port and need not understand what it was asked.
	Silent bool

	Hop     Hop
	Entries []Entry
	Device  DeviceInfo
	Value   string // of a kernel parameter
	Present bool   // the device or kernel parameter exists
}

// Answer is what a server said. The zero Answer comes from a server that is
// not the prober's: a connection was made, with whom is not known.
type Answer struct {
	NS     string         // namespace the server is in
	Server netip.AddrPort // address by which it was reached, after translation
	Client netip.Addr     // source address it saw
}

// Prober makes observations. It is the only way in which this package looks
// at the world.
type Prober interface {
	// Probe makes the checks, as many at a time as it can, and reports each
	// one exactly once, in any order. It calls report from one goroutine at a
	// time. The error given to report says that this observation could not be
	// made, not that the answer was no; the error returned says the same of
	// all checks that were not reported.
	Probe(ctx context.Context, checks []Check, report func(i int, o Observation, err error)) error
}
