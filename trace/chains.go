package trace

import (
	"slices"
	"strings"
)

// passage is what happened to a packet in one base chain.
type passage struct {
	table string
	chain string
	deeds []deed
	end   Verdict // of the base chain's policy, "" if a rule decided
}

// deed is a rule that did something, and the chains that led to it.
type deed struct {
	chains []string
	step   FilterStep
}

// passages sorts steps by base chain, and leaves out chains that were left
// without anything having been done.
func passages(steps []FilterStep) []passage {
	var list []passage
	var stack []string
	for _, s := range steps {
		depth := slices.Index(stack, s.Chain)
		if len(list) == 0 || depth < 0 || list[len(list)-1].table != s.Table {
			list = append(list, passage{table: s.Table, chain: s.Chain})
			stack, depth = []string{s.Chain}, 0
		}
		stack = stack[:depth+1]
		now := &list[len(list)-1]
		switch {
		case s.Number == 0 && s.Rule == "" && s.Target == "":
			if depth == 0 && s.Verdict != Continue {
				now.end = s.Verdict
			}
		case s.Target != "":
			stack = append(stack, s.Target)
		case targetOf(s.Rule) == "RETURN" || s.Verdict == Return:
		default:
			now.deeds = append(now.deeds, deed{slices.Clone(stack), s})
		}
	}
	return list
}

// text says what a rule did, and how the packet got there.
func (d deed) text(table string) string {
	s := table + " " + strings.Join(d.chains, " → ")
	what := string(d.step.Verdict)
	words := strings.Fields(d.step.Rule)
	if i := slices.Index(words, "-j"); i >= 0 && i+1 < len(words) {
		what = strings.Join(words[i+1:], " ")
		what = strings.Replace(what, "DNAT --to-destination ", "DNAT to ", 1)
		what = strings.Replace(what, "MARK --set-xmark ", "mark ", 1)
	}
	if d.step.Number > 0 {
		s += " rule " + itoa(d.step.Number)
	}
	return s + ": " + what
}

// hook returns where a base chain is met, "" for another chain. Those of
// iptables are called as their hooks.
func (s FilterStep) hook() string {
	switch s.Chain {
	case "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING":
		return strings.ToLower(s.Chain)
	}
	return s.Hook
}

// late reports whether a base chain is behind the routing decision.
func (s FilterStep) late() bool {
	h := s.hook()
	return h == "input" || h == "forward" || h == "postrouting"
}

// before splits steps at the first base chain behind the routing decision.
func before(steps []FilterStep) (first, rest []FilterStep) {
	i := slices.IndexFunc(steps, FilterStep.late)
	if i < 0 {
		return steps, nil
	}
	return steps[:i], steps[i:]
}
