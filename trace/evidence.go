package trace

import (
	"net/netip"
	"time"

	"netlab/labs"
)

// Evidence is what was collected while a packet was under way. It carries no
// opinion.
type Evidence struct {
	Probe     Probe
	From      string // namespace that the packet was sent in
	VXLANPort uint16 // behind which tunnel packets are recognised; 0: none

	Sent    time.Time
	Frames  []Frame // those of one namespace in the order of the kernel
	Events  []Event // of netfilter, those of one namespace in the order of the kernel
	Spaces  map[string]*Space
	Lookups map[Lookup]Answer
	Result  Result
}

// Frame is a packet as an interface saw it.
type Frame struct {
	NS, Iface string
	Out       bool      // it leaves through the interface
	Stranger  bool      // its MAC is not the interface's: the kernel drops it unless a bridge takes it
	Time      time.Time // zero if the kernel did not say
	Data      []byte    // from the Ethernet header on
}

// Event is one message of the kernel about a packet in netfilter.
type Event struct {
	NS     string
	ID     uint32 // of the packet, within the namespace
	Family string // ip, ip6, inet or bridge
	Table  string
	Chain  string
	Hook   string // of a base chain: prerouting, input, forward, output or postrouting; "" if that is not known
	Handle uint64 // of the rule, 0 for the end of a chain
	Kind   EventKind
	Code   Verdict
	Target string // chain to jump or go to
	Rule   string // the rule in the words of iptables-save, "" if unknown
	Number int    // of the rule in its chain, from 1; 0 if unknown
	In     string // interface
	Out    string
	Mark   uint32
	Packet *Header // where the kernel sent it along
}

// EventKind says what an event is about.
type EventKind string

// The kinds of events.
const (
	EventRule   EventKind = "rule"   // a rule matched
	EventReturn EventKind = "return" // a chain ended
	EventPolicy EventKind = "policy" // a base chain ended
)

// Verdict is what netfilter does with a packet next.
type Verdict string

// The verdicts.
const (
	Accept   Verdict = "accept"
	Drop     Verdict = "drop"
	Jump     Verdict = "jump"
	Goto     Verdict = "goto"
	Return   Verdict = "return"
	Continue Verdict = "continue"
	Stolen   Verdict = "stolen"
	Queue    Verdict = "queue"
)

// Space is what was read in a namespace after the packet had passed.
type Space struct {
	Missing bool // there is no such namespace
	Links   []Link
	Addrs   []Addr
	Neighs  []Neigh
	FDB     []Forwarding
	Sysctls map[string]string
	Tracked []Tracked
	Rules   []byte // of legacy iptables, of which the kernel tells nothing, as iptables-save prints them
}

// Link is an interface.
type Link struct {
	Name      string
	Kind      string // as ip -d link prints it
	Master    string
	MAC       labs.MAC
	MTU       int
	Up        bool
	Carrier   bool // the other end of its cable is up too
	Hairpin   bool
	VNI       uint32
	Index     int
	PeerIndex int // of the other end of a cable, in the namespace where that is
}

// Addr is an address of an interface.
type Addr struct {
	Dev    string
	Prefix netip.Prefix
}

// Neigh is an entry of the neighbour table.
type Neigh struct {
	Dev   string
	IP    netip.Addr
	MAC   labs.MAC
	State string // in the words of ip neigh
}

// Forwarding is an entry of a forwarding database.
type Forwarding struct {
	Dev       string
	MAC       labs.MAC
	Dst       netip.Addr // VTEP; the zero Addr on a bridge
	Permanent bool
	Local     bool // the MAC is the bridge's own
}

// Tracked is an entry of the connection tracking table: what the first packet
// looked like, and what answers look like.
type Tracked struct {
	Proto    Proto
	Orig     [2]netip.AddrPort // source and destination
	Reply    [2]netip.AddrPort
	Status   string // in the words of conntrack -L, may be empty
	Mark     uint32
	Timeout  time.Duration
	TCPState string
}

// translated reports whether answers are rewritten.
func (t Tracked) translated() bool {
	return t.Orig[0] != t.Reply[1] || t.Orig[1] != t.Reply[0]
}

// Lookup is a question to a routing table: where does a packet with these ends
// go that came in by Iif? The empty Iif means that it is made here.
type Lookup struct {
	NS       string
	Src, Dst netip.Addr
	Iif      string
	Mark     uint32
}

// Answer is what the kernel says to a [Lookup].
type Answer struct {
	Err   string // why there is no way, "" if there is
	Local bool   // it is for this namespace
	Via   netip.Addr
	Dev   string
	Src   netip.Addr
	Route Route // the entry that won
}

// Route is an entry of a routing table as it is shown.
type Route struct {
	Table  int
	To     netip.Prefix
	Type   string
	Via    netip.Addr
	Dev    string
	Src    netip.Addr
	OnLink bool
	Hops   string // several next hops, in the words of ip route
}

// Result is what the sender was told in the end.
type Result struct {
	State  ResultState
	Detail string        // of an error, in the kernel's words
	After  time.Duration // between sending and knowing
	Answer string        // first line of what a server said, if it was asked
}

// ResultState is how an exchange ended for the sender.
type ResultState string

// The ends of an exchange.
const (
	Answered    ResultState = "answered"
	Refused     ResultState = "refused"
	Unreachable ResultState = "unreachable"
	Lost        ResultState = "lost"    // nothing came back in time
	Unsent      ResultState = "unsent"  // the kernel did not send it
	OneWay      ResultState = "one-way" // no answer was asked for
)
