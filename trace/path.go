package trace

import "time"

// Path is the way of one packet in one direction.
type Path struct {
	Hops []Hop
	End  End
	// Chance is how likely the way is where rules draw lots: 1 for a way that
	// was seen.
	Chance float64
}

// Hop is one place that a packet was at.
type Hop struct {
	NS     string // network namespace
	Dir    Dir
	Iface  string // "" where the packet is made
	Header Header
	After  time.Duration // since the exchange began; 0 on paper
	Data   []byte        // the frame, nil on paper and where the packet is made
	Facts  []Fact        // what is decided here, before the next hop
}

// Dir is what a packet does at an interface.
type Dir string

// The directions.
const (
	Made Dir = "made" // by the namespace itself; there is no interface yet
	Out  Dir = "out"
	In   Dir = "in"
)

// End says where a path ends, and why.
type End struct {
	Kind  EndKind
	NS    string
	Fault Fault // what stopped it
}

// EndKind says how a path ends.
type EndKind string

// The ends of a path.
const (
	Delivered EndKind = "delivered" // it is for the namespace, which took it
	Stopped   EndKind = "stopped"   // it was dropped, or could not go on
	Left      EndKind = "left"      // it went out of the lab, to the host
)

// Fault is why a packet does not go on.
type Fault struct {
	Step  string // what it met: "route lookup", "netfilter", ...
	Why   string // in words, after "stops on NS: "
	Cause string // what of the lab is missing or different, "" if nothing is
}

// String joins the parts of f.
func (f Fault) String() string {
	switch {
	case f.Cause == "":
		return f.Why
	case f.Why == "":
		return f.Cause
	}
	return f.Why + ": " + f.Cause
}

// last returns the last hop.
func (p *Path) last() *Hop {
	if len(p.Hops) == 0 {
		return nil
	}
	return &p.Hops[len(p.Hops)-1]
}

// Namespaces returns the namespaces that p passes, in order, each once.
func (p *Path) Namespaces() []string {
	var list []string
	seen := map[string]bool{}
	for i := range p.Hops {
		if ns := p.Hops[i].NS; !seen[ns] {
			seen[ns] = true
			list = append(list, ns)
		}
	}
	return list
}
