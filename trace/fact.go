package trace

import (
	"net/netip"
	"slices"

	"netlab/labs"
)

// Fact is something that was decided about a packet at a hop. The set is
// closed.
type Fact interface{ fact() }

// Routed is the decision of a routing table.
type Routed struct {
	Dst     netip.Addr
	Answer  Answer
	NextHop netip.Addr // whose MAC the frame needs; the zero Addr if it is for here
	Masks   []Mask     // the entries that were compared
}

// Mask is the comparison of a destination with an entry of a routing table.
type Mask struct {
	To    netip.Prefix
	Dev   string
	Via   netip.Addr
	And   netip.Addr // destination AND mask
	Match bool
}

// Resolved is how the MAC of the next hop was found.
type Resolved struct {
	IP    netip.Addr
	Dev   string
	MAC   labs.MAC
	State string // of the entry, in the words of ip neigh; "" if there is none
	Asked bool   // a question was seen on the wire for this packet
	Heard bool   // and an answer
}

// Bridged is where a bridge sent a frame.
type Bridged struct {
	Bridge string
	MAC    labs.MAC
	Port   string // "" for the bridge itself
	Known  string // how the bridge knew: "own", "learned", "permanent", "flooded"
	Copies int    // ports that a flooded frame left by
}

// Filtered are the rules of netfilter that a packet met.
type Filtered struct {
	Steps []FilterStep
	Paper bool // rules of legacy iptables, followed on paper
}

// FilterStep is a rule that matched, or the end of a base chain.
type FilterStep struct {
	Family, Table, Chain string
	Hook                 string // of a base chain, "" if its name says it
	Number               int    // of the rule, from 1; 0 for a chain's policy
	Rule                 string // "" if its text is not known
	Verdict              Verdict
	Target               string // chain that the packet goes to next
}

// Native reports whether the rule or policy is in a table that nft made and
// iptables does not know.
func (s FilterStep) Native() bool {
	known := s.Family == "" || s.Family == "ip" || s.Family == "ip6"
	return !known || !slices.Contains([]string{"raw", "mangle", "nat", "filter", "security"}, s.Table)
}

// Translated is a change of an end of the packet.
type Translated struct {
	Source   bool // of the source, not the destination
	From, To netip.AddrPort
	By       string // the rule, or "" if connection tracking did it
}

// Connected is the entry of connection tracking that the packet belongs to.
type Connected struct{ Tracked Tracked }

// Encapsulated is a packet that was put into another one.
type Encapsulated struct {
	Dev  string
	VNI  uint32
	MAC  labs.MAC   // of the inner destination, by which the tunnel's end was chosen
	VTEP netip.Addr // other end of the tunnel
}

// Decapsulated is a packet that was taken out of another one.
type Decapsulated struct {
	Dev  string
	VNI  uint32
	From netip.Addr // other end of the tunnel
}

func (Routed) fact()       {}
func (Resolved) fact()     {}
func (Bridged) fact()      {}
func (Filtered) fact()     {}
func (Translated) fact()   {}
func (Connected) fact()    {}
func (Encapsulated) fact() {}
func (Decapsulated) fact() {}
