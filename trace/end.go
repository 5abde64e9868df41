package trace

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"netlab/labs"
	"netlab/provision"
)

func itoa(n int) string { return strconv.Itoa(n) }

// targetOf returns the target of a rule as iptables-save prints it.
func targetOf(rule string) string {
	words := strings.Fields(rule)
	for i, w := range words[:max(len(words)-1, 0)] {
		if w == "-j" || w == "-g" {
			return words[i+1]
		}
	}
	return ""
}

// end says where a path ends, and what stopped the packet as far as that can be
// seen there.
func (b *builder) end(p *Path, stranger bool) {
	last := p.last()
	p.End = End{Kind: Stopped, NS: last.NS}
	if !stranger && b.arrived(last) {
		p.End.Kind = Delivered
		return
	}
	if last.Dir == Out && last.Iface == provision.UplinkIface {
		p.End.Kind = Left
		return
	}
	if stranger { // nobody looks at what is in it
		link := b.link(last.NS, last.Iface)
		p.End.Fault = Fault{Step: "mac", Why: fmt.Sprintf("the frame is for %s, but %s is %s", last.Header.DstMAC, last.Iface, link.MAC)}
		return
	}
	for _, find := range []func(*Hop) Fault{b.droppedBy, b.lostTunnel, b.lostFrame, b.lostRoute, b.lostNeighbour} {
		if f := find(last); f.Why != "" {
			p.End.Fault = f
			break
		}
	}
	if len(p.Hops) == 1 && p.End.Fault.Why == "" && b.ev.Result.Detail != "" {
		p.End.Fault = Fault{Step: "send", Why: "it is not sent: " + b.ev.Result.Detail}
	}
}

// arrived reports whether the packet was taken in where it was seen last. What
// netfilter dropped was not.
func (b *builder) arrived(last *Hop) bool {
	if last.Dir != In || last.Header.Inner != nil || b.droppedBy(last).Why != "" {
		return false
	}
	if last.Iface == "lo" {
		return true
	}
	for _, f := range last.Facts {
		if r, ok := f.(Routed); ok {
			return r.Answer.Local && r.Answer.Err == ""
		}
	}
	return false
}

// droppedBy returns the rule that dropped the packet.
func (b *builder) droppedBy(last *Hop) Fault {
	for _, f := range last.Facts {
		f, ok := f.(Filtered)
		if !ok || len(f.Steps) == 0 {
			continue
		}
		s := f.Steps[len(f.Steps)-1]
		if t := targetOf(s.Rule); t == "REJECT" {
			return Fault{Step: "netfilter", Why: "netfilter rejects it: " + s.where()}
		}
		if s.Verdict == Drop {
			return Fault{Step: "netfilter", Why: "netfilter drops it: " + s.where()}
		}
	}
	return Fault{}
}

// lostTunnel looks at packets that went into a tunnel, or arrived at its end.
func (b *builder) lostTunnel(last *Hop) Fault {
	link := b.link(last.NS, last.Iface)
	switch {
	case last.Dir == Out && link.Kind == "vxlan":
		for _, f := range b.space(last.NS).FDB {
			if f.Dev == link.Name && f.MAC == last.Header.DstMAC && f.Dst.IsValid() {
				return Fault{Step: "tunnel", Why: fmt.Sprintf("%s knows that %s is behind %s, but nothing was sent there", link.Name, f.MAC, f.Dst)}
			}
		}
		return Fault{Step: "fdb", Why: fmt.Sprintf("%s has no forwarding entry that says behind which node %s is", link.Name, last.Header.DstMAC)}
	case last.Dir == In && last.Header.Inner != nil && b.local(last.NS, last.Header.Dst):
		vni := last.Header.VNI
		why := "no VXLAN device is there to unwrap it"
		for _, l := range b.space(last.NS).Links {
			switch {
			case l.Kind != "vxlan":
			case l.VNI == vni && !l.Up:
				return Fault{Step: "vxlan", Why: "the interface " + l.Name + " is down"}
			case l.VNI == vni:
				return Fault{Step: "vxlan", Why: l.Name + " does not unwrap it"}
			default:
				why = fmt.Sprintf("the packet is of VNI %d, but %s is of VNI %d", vni, l.Name, l.VNI)
			}
		}
		return Fault{Step: "vxlan", Why: why}
	}
	return Fault{}
}

// lostFrame looks at frames that a bridge took in and did not pass on, and at
// those that left and did not arrive.
func (b *builder) lostFrame(last *Hop) Fault {
	link := b.link(last.NS, last.Iface)
	if last.Dir == Out && link.Kind != "bridge" {
		return Fault{Step: "cable", Why: "it left by " + last.Iface + " and did not arrive at the other end"}
	}
	bridge := link.Master
	if link.Kind == "bridge" && last.Dir == Out {
		bridge = link.Name
	}
	if bridge == "" {
		return Fault{}
	}
	if !b.link(last.NS, bridge).Up {
		return Fault{Step: "bridge", Why: "the bridge " + bridge + " is down"}
	}
	known := false
	for _, f := range b.space(last.NS).FDB {
		if f.MAC != last.Header.DstMAC {
			continue
		}
		known = true
		if f.Dev == link.Name && last.Dir == In && !link.Hairpin {
			return Fault{Step: "bridge", Why: fmt.Sprintf("%s would have to send the frame back through %s, by which it came, and hairpin is off there", bridge, f.Dev)}
		}
		if why := b.link(last.NS, f.Dev).trouble(); why != "" {
			return Fault{Step: "interface", Why: why}
		}
	}
	for _, l := range b.space(last.NS).Links {
		if why := l.trouble(); why != "" && l.Master == bridge && !known {
			return Fault{Step: "interface", Why: fmt.Sprintf("%s does not know where %s is, and %s", bridge, last.Header.DstMAC, why)}
		}
	}
	return Fault{}
}

// trouble says why nothing can leave by an interface, "" if it can.
func (l Link) trouble() string {
	switch {
	case !l.Up:
		return "the interface " + l.Name + " is down"
	case !l.Carrier && l.Kind != "vxlan" && l.Kind != "":
		return "the interface " + l.Name + " has no carrier: the other end of its cable is down or missing"
	}
	return ""
}

// lostRoute looks at what the routing table said.
func (b *builder) lostRoute(last *Hop) Fault {
	for _, f := range last.Facts {
		f, ok := f.(Routed)
		if !ok {
			continue
		}
		dst := f.Dst.String()
		if last.Dir == In && !f.Answer.Local && !b.forwards(last.NS, f.Dst) {
			return Fault{Step: "forwarding", Why: fmt.Sprintf("the packet is for %s, and this namespace does not forward (%s is 0)", dst, forwardName(f.Dst))}
		}
		switch {
		case last.Dir == In && f.Answer.Err != "" && b.strict(last):
			return Fault{Step: "rp_filter", Why: fmt.Sprintf("rp_filter drops it: the way back to %s does not lead through %s", last.Header.Src, last.Iface)}
		case f.Answer.Err != "":
			return Fault{Step: "route lookup", Why: "route lookup for " + dst + " says: " + f.Answer.Err}
		case f.Answer.Route.Type == "blackhole":
			return Fault{Step: "route lookup", Why: "route lookup for " + dst + " chose " + f.Answer.Route.text()}
		}
		if why := b.link(last.NS, f.Answer.Dev).trouble(); why != "" && f.Answer.Dev != "lo" {
			return Fault{Step: "interface", Why: why}
		}
	}
	return Fault{}
}

// strict reports whether the interface by which a packet came in drops what
// would not go back the same way.
func (b *builder) strict(last *Hop) bool {
	s := b.space(last.NS).Sysctls
	return s["net.ipv4.conf.all.rp_filter"] == "1" || s["net.ipv4.conf."+last.Iface+".rp_filter"] == "1"
}

func (b *builder) forwards(ns string, dst netip.Addr) bool {
	v, known := b.space(ns).Sysctls[forwardName(dst)]
	return !known || v != "0"
}

// lostNeighbour looks at who was asked for a MAC.
func (b *builder) lostNeighbour(last *Hop) Fault {
	for _, f := range last.Facts {
		if f, ok := f.(Resolved); ok && f.MAC == (labs.MAC{}) {
			if b.link(last.NS, f.Dev).Kind == "vxlan" {
				return Fault{Step: "neighbour", Why: fmt.Sprintf("%s does not know the MAC of %s: there is no permanent neighbour, and nobody answers in the tunnel", f.Dev, f.IP)}
			}
			return Fault{Step: "neighbour", Why: fmt.Sprintf("nobody on %s answers for %s", f.Dev, f.IP)}
		}
	}
	return Fault{}
}

// where names a rule, or the policy of a chain.
func (s FilterStep) where() string {
	text := s.Table + " " + s.Chain
	if s.Native() {
		text = fmt.Sprintf("the nft chain %s of table %s %s", s.Chain, s.Family, s.Table)
	}
	switch {
	case s.Number == 0:
		return "the policy of " + text
	case s.Native():
		return fmt.Sprintf("rule %d of %s", s.Number, text)
	}
	text += " rule " + itoa(s.Number)
	if s.Rule != "" {
		text += ": " + s.Rule
	}
	return text
}
