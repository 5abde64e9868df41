package trace

import (
	"strconv"
	"strings"

	"netlab/labs"
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

// end says where a path ends. What stopped a packet is told as far as the
// kernel told it.
func (b *builder) end(l leg, p *Path) {
	last := p.last()
	p.End = End{Kind: Stopped, NS: last.NS}
	if len(p.Hops) == 1 && b.ev.Result.State == Unsent {
		p.End.Fault = Fault{Step: "send", Why: b.ev.Result.Detail}
	}
	for _, f := range last.Facts {
		switch f := f.(type) {
		case Filtered:
			if s := f.Steps[len(f.Steps)-1]; s.Verdict == Drop {
				p.End.Fault = Fault{Step: "netfilter", Why: "netfilter drops it: " + s.where()}
				return
			}
		case Routed:
			switch {
			case f.Answer.Err != "":
				p.End.Fault = Fault{Step: "route lookup", Why: "route lookup for " + f.Dst.String() + " says: " + f.Answer.Err}
			case f.Answer.Local && last.Dir == In:
				p.End = End{Kind: Delivered, NS: last.NS}
				return
			}
		case Resolved:
			if f.MAC == (labs.MAC{}) {
				p.End.Fault = Fault{Step: "neighbour", Why: "nobody answers for " + f.IP.String() + " on " + f.Dev}
			}
		}
	}
}

// where names a rule, or the policy of a chain.
func (s FilterStep) where() string {
	if s.Number == 0 {
		return "policy of " + s.Table + " " + s.Chain
	}
	text := s.Table + " " + s.Chain + " rule " + itoa(s.Number)
	if s.Rule != "" {
		text += ": " + s.Rule
	}
	return text
}
