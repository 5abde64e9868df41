package trace

import (
	"net/netip"

	"netlab/provision/netfilter"
)

// legacy reports whether a namespace has rules of legacy iptables. The kernel
// tells what happens in nf_tables only.
func (b *builder) legacy(ns string) bool { return len(b.space(ns).Rules) > 0 }

// walkLegacy follows a packet on paper through rules of legacy iptables, and
// puts what it meets where the kernel's messages would be. Of several ways the
// one counts that leads where the packet went.
func (b *builder) walkLegacy(hop *Hop, at place) {
	if b.filter == nil || !b.legacy(hop.NS) || at.outer || len(b.filter[at]) > 0 || hop.Header.isError() {
		return
	}
	text, _, err := netfilter.Parse(b.space(hop.NS).Rules)
	if err != nil || text == "" {
		return
	}
	walker, err := netfilter.NewWalker(text, func(a netip.Addr) bool { return b.local(hop.NS, a) })
	if err != nil {
		return
	}
	h := &hop.Header
	p := netfilter.Packet{Proto: string(h.Proto), Src: h.source(), Dst: h.destination(), In: hop.Iface}
	if master := b.link(hop.NS, hop.Iface).Master; master != "" {
		p.In = master
	}
	if at.leg == back {
		p.State = "ESTABLISHED"
	}
	outcomes, err := walker.Walk(p)
	if err != nil || len(outcomes) == 0 {
		return
	}
	chosen := outcomes[0]
	for _, t := range b.space(hop.NS).Tracked {
		for _, o := range outcomes {
			if t.Orig == [2]netip.AddrPort{h.source(), h.destination()} && t.Reply[0] == o.Packet.Dst {
				chosen = o
			}
		}
	}
	b.filter[at] = append(b.filter[at], stepsOf(chosen, h.Dst.Is6()))
}
