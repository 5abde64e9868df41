package explain

import (
	"net/netip"
	"slices"

	"netlab/labs"
	"netlab/trace"
	"netlab/verify"
)

// somePort stands for any port.
const somePort = 40999

// questions returns the packets that a check is about: those whose way decides
// whether it fails.
func (e *explainer) questions(c *verify.Check) []trace.Question {
	ask := func(from *verify.End, dst netip.Addr) trace.Question {
		q := trace.Question{NS: from.NS, Dst: netip.AddrPortFrom(dst, 0), Proto: trace.ProtoICMP, VXLANPort: e.port}
		if dst.Is6() {
			q.Proto = trace.ProtoICMP6
		}
		switch c.Kind {
		case verify.TCP, verify.UDP:
			port := c.Port
			if port == 0 {
				port = somePort
			}
			q.Dst, q.SrcPort = netip.AddrPortFrom(dst, port), somePort-1
			if q.Proto = trace.ProtoTCP; c.Kind == verify.UDP {
				q.Proto = trace.ProtoUDP
			}
		}
		return q
	}
	var list []trace.Question
	switch c.Kind {
	case verify.Neigh:
		for _, to := range c.More.Stir {
			for _, a := range to.Addrs {
				if sameFamily(c.From, a) {
					list = append(list, ask(c.From, a))
				}
			}
		}
	case verify.Ask:
		for _, q := range c.More.Asks {
			if q.For.IsValid() && !slices.Contains(c.From.Addrs, q.For) {
				list = append(list, ask(c.From, q.For))
			}
		}
	case verify.Route, verify.Device, verify.Table, verify.Control, verify.Space, verify.Process, verify.State:
	default:
		if !c.Addr.IsValid() {
			break
		}
		if c.More != nil && c.More.Sample != nil {
			for _, client := range c.More.Sample.Clients {
				list = append(list, ask(client.From, c.Addr))
			}
			break
		}
		list = append(list, ask(c.From, c.Addr))
	}
	return list
}

func sameFamily(e *verify.End, a netip.Addr) bool {
	for _, own := range e.Addrs {
		if own.Is4() == a.Is4() {
			return true
		}
	}
	return false
}

// class is what checks have in common of which one stands for all where there
// are very many.
type class struct {
	group    verify.Group
	kind     verify.Kind
	from, to string
	port     uint16
}

func classOf(c *verify.Check) class {
	k := class{group: c.Group, kind: c.Kind, from: home(c.From), port: c.Port}
	if c.To != nil {
		k.to = home(c.To)
	} else if c.Addr.IsValid() {
		k.to = c.Addr.String()
	}
	return k
}

// home is the node of a pod, and anything else itself.
func home(e *verify.End) string {
	if e.Kind == labs.RefPod {
		return "pods on " + e.Node
	}
	return e.Name
}
