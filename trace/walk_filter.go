package trace

import (
	"fmt"
	"net/netip"
	"slices"

	"netlab/provision/netfilter"
)

// passed is a packet that netfilter has let through, or not.
type passed struct {
	route
	dropped string // by which rule
	late    bool   // the rule stands behind the routing decision
	src     netip.AddrPort
	answers []Answer
}

// filter sends a packet through the rules of a namespace.
func (w *walk) filter(l *land, r route, in string) []passed {
	if i := w.known(l.ns, r); i >= 0 {
		return w.retranslate(l, r, in, r.tracks[i])
	}
	walker, err := l.walker(r.header.Dst.Is6())
	if err != nil {
		r.end = End{Kind: Stopped, NS: l.ns, Fault: Fault{Step: "netfilter", Why: "its rules cannot be followed on paper: " + err.Error()}}
		return []passed{{route: r, dropped: r.end.Fault.Why}}
	}
	if walker == nil {
		return []passed{{route: r, src: r.header.source(), answers: l.lookup(w.question(l, r, in))}}
	}
	packet := netfilter.Packet{Proto: string(r.header.Proto), Src: r.header.source(), Dst: r.header.destination(), In: in}
	if r.reply {
		packet.State = "ESTABLISHED"
	}
	outcomes, err := walker.Walk(packet)
	if err == nil && l.asksOut(r.header.Dst.Is6()) {
		outcomes, err = w.again(l, walker, packet, r, in, outcomes)
	}
	if err != nil {
		return []passed{{route: r, dropped: "its rules cannot be followed on paper: " + err.Error()}}
	}
	var all []passed
	for _, o := range outcomes {
		all = append(all, w.outcome(l, r, in, o))
	}
	return all
}

func (w *walk) question(l *land, r route, in string) Lookup {
	q := Lookup{NS: l.ns, Dst: r.header.Dst, Iif: in}
	if in != "" || r.reply {
		q.Src = r.header.Src
	}
	return q
}

// again walks through the rules once more for every destination, now that it
// is known by which interface the packet leaves.
func (w *walk) again(l *land, walker *netfilter.Walker, p netfilter.Packet, r route, in string, first []netfilter.Outcome) ([]netfilter.Outcome, error) {
	var all []netfilter.Outcome
	done := map[netip.AddrPort]bool{}
	for _, o := range first {
		if done[o.Packet.Dst] {
			continue
		}
		done[o.Packet.Dst] = true
		moved := r
		moved.header.Dst = o.Packet.Dst.Addr()
		q := p
		q.Out = l.lookup(w.question(l, moved, in))[0].Dev
		second, err := walker.Walk(q)
		if err != nil {
			return nil, err
		}
		for _, x := range second {
			if x.Packet.Dst == o.Packet.Dst {
				all = append(all, x)
			}
		}
	}
	return all, nil
}

// outcome turns what rules do to a packet into what becomes of it.
func (w *walk) outcome(l *land, r route, in string, o netfilter.Outcome) passed {
	p := passed{route: r}
	p.chance *= o.Chance
	if len(o.Steps) > 0 {
		p.route = p.fact(Filtered{Steps: stepsOf(o, r.header.Dst.Is6())})
	}
	if o.Verdict != netfilter.Accepted {
		p.dropped = whyDropped(o)
		if len(o.Steps) > 0 {
			_, rest := before(stepsOf(o, false))
			p.late = len(rest) > 0
		} else {
			p.late = true // only the table filter has policies that drop
		}
		if p.late && in != "" {
			moved := r
			moved.header.Dst = o.Packet.Dst.Addr()
			p.answers = l.lookup(w.question(l, moved, in))
		}
		return p
	}
	before := r.header
	if dst := o.Packet.Dst; dst != before.destination() {
		p.route = p.fact(Translated{From: before.destination(), To: dst, By: lastChain(o, "DNAT")})
		p.header.Dst, p.header.DstPort = dst.Addr(), dst.Port()
	}
	p.answers = l.lookup(w.question(l, p.route, in))
	p.src = before.source()
	if a := p.answers[0]; o.Masquerade && a.Err == "" && !a.Local {
		hop := a.Via
		if !hop.IsValid() {
			hop = p.header.Dst
		}
		p.src = netip.AddrPortFrom(l.source(a.Dev, hop), before.SrcPort)
		if p.src != before.source() {
			p.route = p.fact(Translated{Source: true, From: before.source(), To: p.src, By: lastChain(o, "MASQUERADE")})
		}
	}
	if p.src != before.source() || p.header.destination() != before.destination() {
		p.tracks = append(slices.Clip(p.tracks), track{
			ns: l.ns, orig: [2]netip.AddrPort{before.source(), before.destination()}, reply: [2]netip.AddrPort{p.header.destination(), p.src},
		})
	}
	return p
}

// whyDropped names the rule that ended a packet, or the policy.
func whyDropped(o netfilter.Outcome) string {
	if len(o.Steps) > 0 {
		s := o.Steps[len(o.Steps)-1]
		switch targetOf(s.Rule) {
		case "DROP":
			return fmt.Sprintf("netfilter drops it: %s %s rule %d: %s", s.Table, s.Chain, s.Number, s.Rule)
		case "REJECT":
			return fmt.Sprintf("netfilter rejects it: %s %s rule %d: %s", s.Table, s.Chain, s.Number, s.Rule)
		}
	}
	return "netfilter drops it: the policy of a chain is DROP"
}

func stepsOf(o netfilter.Outcome, ipv6 bool) []FilterStep {
	family := "ip"
	if ipv6 {
		family = "ip6"
	}
	var steps []FilterStep
	for _, s := range o.Steps {
		step := FilterStep{Family: family, Table: s.Table, Chain: s.Chain, Number: s.Number, Rule: s.Rule, Verdict: Continue}
		switch t := targetOf(s.Rule); t {
		case "ACCEPT", "DNAT", "MASQUERADE", "SNAT":
			step.Verdict = Accept
		case "DROP", "REJECT":
			step.Verdict = Drop
		case "RETURN":
			step.Verdict = Return
		case "", "MARK":
		default:
			step.Verdict, step.Target = Jump, t
		}
		steps = append(steps, step)
	}
	return steps
}

// lastChain names the last rule with a target.
func lastChain(o netfilter.Outcome, target string) string {
	for _, s := range slices.Backward(o.Steps) {
		if t := targetOf(s.Rule); t == target || target == "MASQUERADE" && t == "SNAT" {
			return s.Chain + " rule " + itoa(s.Number)
		}
	}
	return ""
}

// known returns the translation that a packet is an answer to, -1 if there is
// none.
func (w *walk) known(ns string, r route) int {
	return slices.IndexFunc(r.tracks, func(t track) bool {
		return r.reply && t.ns == ns && t.reply == [2]netip.AddrPort{r.header.source(), r.header.destination()}
	})
}

// retranslate does to an answer the opposite of what was done to the packet
// that it answers.
func (w *walk) retranslate(l *land, r route, in string, t track) []passed {
	p := passed{route: r, src: t.orig[1]}
	if to := t.orig[0]; to != r.header.destination() {
		p.route = p.fact(Translated{From: r.header.destination(), To: to})
		p.header.Dst, p.header.DstPort = to.Addr(), to.Port()
	}
	if p.src != r.header.source() {
		p.route = p.fact(Translated{Source: true, From: r.header.source(), To: p.src})
	}
	p.answers = l.lookup(w.question(l, p.route, in))
	if walker, err := l.walker(p.header.Dst.Is6()); err == nil && walker != nil {
		packet := netfilter.Packet{Proto: string(r.header.Proto), Src: r.header.source(), Dst: p.header.destination(), In: in, Out: p.answers[0].Dev, State: "ESTABLISHED"}
		if outcomes, err := walker.Walk(packet); err == nil && len(outcomes) > 0 {
			if o := outcomes[0]; o.Verdict != netfilter.Accepted {
				p.dropped = whyDropped(o)
			}
			if steps := stepsOf(outcomes[0], r.header.Dst.Is6()); len(steps) > 0 {
				p.route = p.fact(Filtered{Steps: steps})
			}
		}
	}
	return []passed{p}
}
