package explain

import (
	"fmt"
	"strings"

	"netlab/provision/netfilter"
	"netlab/trace"
)

// metRule returns a rule of netfilter on the way of a packet that is not of the
// lab and does something to it; nil if there is none. One that ends the packet
// comes before those that change it.
func (e *explainer) metRule(r *trace.Report, line string) *finding {
	var at *trace.Hop
	var met *trace.FilterStep
	for _, p := range []*trace.Path{&r.Trace.There, &r.Trace.Back} {
		for i := range p.Hops {
			for _, f := range p.Hops[i].Facts {
				f, ok := f.(trace.Filtered)
				if !ok {
					continue
				}
				for k := range f.Steps {
					if s := &f.Steps[k]; isForeign(*s) && (met == nil || ends(*s) && !ends(*met)) {
						at, met = &p.Hops[i], s
					}
				}
			}
		}
	}
	if met == nil {
		return nil
	}
	n := &finding{at: at.NS, proto: protoOf(met.Rule)}
	if line != "" {
		n.evidence = []string{line}
	}
	if at.Header.Inner != nil || n.proto != at.Header.Proto { // of the tunnel, and of all that it carries
		n.proto = ""
	}
	n.first = fmt.Sprintf("%s: %s, the lab has no such rule", e.place(at.NS), ruleText(*met))
	if met.Number == 0 {
		n.first = fmt.Sprintf("%s: %s, the lab says nothing of it", e.place(at.NS), ruleText(*met))
	}
	n.remedy = removal(at.NS, *met) + ", or " + e.reset(at.NS)
	return e.same(n)
}

// ends reports whether a rule ended the packet that met it.
func ends(s trace.FilterStep) bool {
	return s.Verdict == trace.Drop || s.Verdict == trace.Queue || s.Verdict == trace.Stolen || word(s.Rule, "-j") == "REJECT"
}

// moved returns a rule that nft made, of which the kernel tells no more than that
// it accepts, where a packet got other ends than it should; nil if there is none.
func (e *explainer) moved(r *trace.Report, line string) *finding {
	for _, p := range []*trace.Path{&r.Trace.There, &r.Trace.Back} {
		for i := range p.Hops {
			h := &p.Hops[i]
			var change *trace.Translated
			var by *trace.FilterStep
			for _, f := range h.Facts {
				switch f := f.(type) {
				case trace.Translated:
					change = &f
				case trace.Filtered:
					for k := range f.Steps {
						if s := &f.Steps[k]; s.Native() && s.Number > 0 && s.Target == "" && by == nil {
							by = s
						}
					}
				}
			}
			if change == nil || by == nil || change.By != "" {
				continue
			}
			n := &finding{at: h.NS, evidence: []string{line}}
			n.first = fmt.Sprintf("%s: rule %d of the nft chain %s of table %s %s makes %s of %s, the lab has no such rule", e.place(h.NS), by.Number, by.Chain, by.Family, by.Table, change.To, change.From)
			n.remedy = removal(h.NS, *by) + ", or " + e.reset(h.NS)
			return e.same(n)
		}
	}
	return nil
}

// isForeign reports whether a rule is not of the lab and may lose or change a
// packet.
func isForeign(s trace.FilterStep) bool {
	if s.Target != "" || !s.Native() && netfilter.IsOurs(s.Chain) {
		return false
	}
	switch target := word(s.Rule, "-j"); {
	case ends(s):
		return true
	case target == "" || netfilter.IsOurs(target):
		return false
	default:
		return !lossless[target]
	}
}

// lossless are targets by which no packet is lost.
var lossless = map[string]bool{
	"ACCEPT": true, "RETURN": true, "LOG": true, "NFLOG": true, "TRACE": true, "AUDIT": true, "LED": true, "RATEEST": true,
	"MARK": true, "CONNMARK": true, "SECMARK": true, "CONNSECMARK": true, "TOS": true, "DSCP": true, "CLASSIFY": true, "CHECKSUM": true, "SET": true,
}

// word returns what follows a flag in a rule.
func word(rule, flag string) string {
	words := strings.Fields(rule)
	for i := range len(words) - 1 {
		if words[i] == flag {
			return words[i+1]
		}
	}
	return ""
}

func protoOf(rule string) trace.Proto { return trace.Proto(word(rule, "-p")) }

// ruleText writes where a rule stands and what it says, or what the policy of a
// chain is.
func ruleText(s trace.FilterStep) string {
	switch {
	case s.Number == 0 && s.Native():
		return fmt.Sprintf("the policy of the nft chain %s of table %s %s is %s", s.Chain, s.Family, s.Table, s.Verdict)
	case s.Number == 0:
		return fmt.Sprintf("the policy of %s %s is %s", s.Table, s.Chain, strings.ToUpper(string(s.Verdict)))
	case s.Native():
		return fmt.Sprintf("rule %d of the nft chain %s of table %s %s: %s", s.Number, s.Chain, s.Family, s.Table, s.Verdict)
	}
	text := fmt.Sprintf("%s %s rule %d", s.Table, s.Chain, s.Number)
	if s.Rule != "" {
		return text + ": " + s.Rule
	}
	return text + ": " + string(s.Verdict)
}

// removal returns the command that removes a rule, or takes back a policy.
func removal(ns string, s trace.FilterStep) string {
	program := map[string]string{"ip": "iptables", "ip6": "ip6tables"}[s.Family]
	rest, ok := strings.CutPrefix(s.Rule, "-A ")
	switch {
	case program != "" && s.Number == 0 && !s.Native():
		return fmt.Sprintf("ip netns exec %s %s -t %s -P %s ACCEPT", ns, program, s.Table, s.Chain)
	case program == "" || !ok:
		return fmt.Sprintf("ip netns exec %s nft delete table %s %s", ns, s.Family, s.Table)
	}
	return fmt.Sprintf("ip netns exec %s %s -t %s -D %s", ns, program, s.Table, rest)
}
