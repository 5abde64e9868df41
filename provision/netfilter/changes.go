package netfilter

import (
	"fmt"
	"slices"
)

// Changes says in words how from, which was seen, differs from to, which is
// wanted. The lines are in a fixed order: by table, by chain, by rule.
func Changes(from, to Text) []string {
	var lines []string
	have, want := from.parse(), to.parse()
	for _, t := range tableOrder() {
		for _, c := range unionNames(have[t], want[t]) {
			for _, what := range chainChanges(c, have[t], want[t]) {
				lines = append(lines, t+" "+c+": "+what)
			}
		}
	}
	return lines
}

// Describe lists the chains of t that are ours by their names, the rules that
// lead to them and the policies.
func Describe(t Text) []string {
	var lines []string
	tables := t.parse()
	for _, name := range tableOrder() {
		for _, c := range tables[name].names() {
			chain := tables[name].chain(c)
			switch {
			case IsOurs(c):
				lines = append(lines, name+": -N "+c)
			case chain.policy != "":
				lines = append(lines, name+": -P "+c+" "+chain.policy)
			}
			for _, r := range chain.rules {
				lines = append(lines, name+": "+r)
			}
		}
	}
	return lines
}

// chainChanges says how one chain differs.
func chainChanges(name string, have, want table) []string {
	h, w := have.chain(name), want.chain(name)
	switch {
	case !IsOurs(name):
		return append(policyChanges(h, w), jumpChanges(h, w)...)
	case !have.has(name):
		return []string{"chain is missing, with " + count(len(w.rules), "rule")}
	case !want.has(name):
		return []string{"chain is extra, with " + count(len(h.rules), "rule")}
	case len(h.rules) == 0 && len(w.rules) > 1:
		return []string{"chain is empty, " + count(len(w.rules), "rule") + " missing"}
	}
	return ruleChanges(h.rules, w.rules)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func policyChanges(have, want chain) []string {
	h, w := orAccept(have.policy), orAccept(want.policy)
	if h == w {
		return nil
	}
	return []string{fmt.Sprintf("policy is %s, lab says %s", h, w)}
}

// jumpChanges says how the rules differ that lead from a chain that is not
// ours to chains that are.
func jumpChanges(have, want chain) []string {
	var lines []string
	missing, extra := without(want.rules, have.rules), without(have.rules, want.rules)
	for _, r := range missing {
		lines = append(lines, "jump to "+target(r)+" is missing")
	}
	for _, r := range extra {
		lines = append(lines, "jump to "+target(r)+" is extra: "+r)
	}
	if len(lines) == 0 && !slices.Equal(have.rules, want.rules) {
		lines = append(lines, "jumps are in another order")
	}
	return lines
}

// target returns where a canonical rule leads.
func target(line string) string {
	words, _ := split(line)
	for i, w := range words[:len(words)-1] {
		if w == "-j" || w == "-g" {
			return words[i+1]
		}
	}
	return ""
}

// without returns a less the elements of b, each as often as it stands there.
func without(a, b []string) []string {
	left := map[string]int{}
	for _, s := range b {
		left[s]++
	}
	var rest []string
	for _, s := range a {
		if left[s]--; left[s] < 0 {
			rest = append(rest, s)
		}
	}
	return rest
}

// ruleChanges says which rules of a chain of ours are missing, numbered as
// they are wanted, and which are extra, numbered as they were seen.
func ruleChanges(have, want []string) []string {
	if slices.Equal(have, want) {
		return nil
	}
	missing, extra := without(want, have), without(have, want)
	if len(missing)+len(extra) == 0 {
		return []string{"rules are in another order"}
	}
	return append(numbered(want, missing, "missing"), numbered(have, extra, "extra")...)
}

// numbered names each of some rules, which stand in this order among all.
func numbered(all, some []string, what string) []string {
	var lines []string
	// From the end: of equal rules the last are the ones too many.
	for i := len(all) - 1; i >= 0 && len(some) > 0; i-- {
		if last := len(some) - 1; all[i] == some[last] {
			lines = append(lines, fmt.Sprintf("rule %d is %s: %s", i+1, what, all[i]))
			some = some[:last]
		}
	}
	slices.Reverse(lines)
	return lines
}
