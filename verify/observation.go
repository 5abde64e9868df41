package verify

import (
	"context"
	"errors"
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

	// Track is what a machine remembers of the connection; Tracked says that it
	// remembers it at all.
	Track   Translation
	Tracked bool

	// Of an expectation that asks for more: how many times were asked and how
	// many of them stayed without an answer, the slowest answer, bits per second,
	// and what an HTTP server said; Status 0: nobody speaks HTTP there.
	Sent, Lost int
	Slowest    time.Duration
	Rate       float64
	Status     int
	Body       string

	Trail []netip.Addr // routers that said that the TTL was over; the zero Addr: one that said nothing
	Sizes Sizes

	Hop     Hop
	Entries []Entry
	Device  DeviceInfo
	Value   string // of a kernel parameter
	Present bool   // the device, kernel parameter or container exists

	Hits    []Hit    // of a sample: who answered whom how often
	Same    []string // namespaces under several names: the other names
	Doors   []string // interfaces that lead elsewhere, and where
	Process ProcessInfo
	Blind   bool // nobody says what runs in pods or how the kernel differs from the lab file

	// Differs is how the kernel differs from the lab file, a line each.
	Differs []string
}

// Translation is where a connection goes after translation, as connection
// tracking expects its answers: from whom, and to whom.
type Translation struct{ Server, Client netip.AddrPort }

// Hit counts equal answers to one client of a [Sample].
type Hit struct {
	Client int // its index in the sample
	Answer Answer
	Times  int
}

// ProcessInfo is what is known of a container.
type ProcessInfo struct {
	Ready bool
	Over  bool   // it ended as it should and is not to run again
	State string // in words: Running; CrashLoopBackOff, exit code 1

	// Outside says that its process or the pod's pause process is not in the
	// namespace of the pod.
	Outside string
}

// Answer is what a server said. The zero Answer comes from one that does not
// introduce itself: a connection was made, with whom is not known.
type Answer struct {
	NS     string         // namespace that a server of the prober's is in
	Pod    string         // NAMESPACE/NAME, as a built-in server says
	Server netip.AddrPort // address by which it was reached, after translation
	Client netip.Addr     // source address it saw
}

// ErrNoNamespace says that nothing could be seen because the namespace to look
// from does not exist. It is a failure of the lab, not of the look.
var ErrNoNamespace = errors.New("the namespace does not exist")

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
