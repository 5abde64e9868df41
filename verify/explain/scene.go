package explain

import (
	"net/netip"

	"netlab/trace"
)

// Listener is a server that is there for as long as a trace takes.
type Listener struct {
	NS    string
	At    netip.AddrPort
	Proto trace.Proto
}

// Scene is what there is in a namespace beside the objects of a lab.
type Scene struct {
	Foreign []string // netfilter rules and tables that are not the lab's
	Sockets []Socket // that wait for packets
	Queues  []Queue
	Stopped []string // processes that are stopped, as "pid 12 sleep"
}

// Socket is one that listens.
type Socket struct {
	Proto trace.Proto
	At    netip.AddrPort
}

// Queue is what stands between an interface and its wire.
type Queue struct {
	Dev     string
	Kind    string // as tc prints it
	Dropped int    // packets since it was made
}
