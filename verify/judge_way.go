package verify

import (
	"fmt"
	"net/netip"

	"netlab/labs"
)

// Sizes is how large packets may be on a way, in bytes of the whole IP packet.
type Sizes struct {
	Largest int  // that gets through unfragmented; 0: none
	Pieces  bool // a larger one that may be fragmented gets through
	Tried   int  // its size
}

// judgeSize looks at the largest packets that get through.
func judgeSize(c *Check, o *Observation) (seen, reason string) {
	switch s := o.Sizes; {
	case s.Largest == 0:
		o := *o
		if o.Outcome == labs.Reachable {
			o.Outcome = labs.Timeout
		}
		return wrongOutcome(c, &o)
	case s.Largest < c.More.Size:
		return "small packets only", fmt.Sprintf("the largest packet that reaches %s unfragmented has %d bytes, the lab says %d%s", c.Addr, s.Largest, c.More.Size, inBrackets(o.Detail))
	case s.Largest > c.More.Size:
		return "large packets", fmt.Sprintf("a packet of %d bytes reaches %s unfragmented, the lab says %d at most", s.Largest, c.Addr, c.More.Size)
	case !s.Pieces:
		return "no fragments", fmt.Sprintf("a packet of %d bytes does not reach %s in fragments%s", s.Tried, c.Addr, inBrackets(o.Detail))
	}
	return "", ""
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// judgeTrail compares the routers that were met one by one.
func judgeTrail(c *Check, o *Observation) (seen, reason string) {
	want := c.More.Routers
	for i, r := range o.Trail {
		switch {
		case i >= len(want):
			return "more routers", fmt.Sprintf("router %d on the way to %s is %s, the lab has %d on it", i+1, c.Addr, router(r), len(want))
		case r != want[i]:
			return "another router", fmt.Sprintf("router %d on the way to %s is %s, the lab says %s", i+1, c.Addr, router(r), want[i])
		}
	}
	switch {
	case o.Outcome != labs.Reachable:
		return wrongOutcome(c, o)
	case len(o.Trail) < len(want):
		return "fewer routers", fmt.Sprintf("a packet to %s crosses %d routers, the lab says %d", c.Addr, len(o.Trail), len(want))
	}
	return judgeTraffic(c, o)
}

func router(a netip.Addr) string {
	if !a.IsValid() {
		return "silent"
	}
	return a.String()
}
