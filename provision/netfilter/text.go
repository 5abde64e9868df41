package netfilter

import (
	"slices"
	"strings"
)

// Text is what netlab owns in the tables of one namespace and family, in one
// canonical form: two Texts mean the same if and only if they are ==.
//
// It reads like the output of iptables-save without counters, and is valid
// input for iptables-restore. Tables come in the order raw, mangle, nat,
// filter, chains sorted by name, rules in their own order:
//
//   - whole chains whose name begins with one of our prefixes;
//   - from other chains only the rules that jump or go to one of our chains;
//   - the policy of a built-in chain only where it is not ACCEPT.
//
// A table without any of these is left out; the zero Text holds nothing.
type Text string

// Chains returns the names of our chains in a table, sorted.
func (t Text) Chains(table string) []string {
	var names []string
	for _, name := range t.parse()[table].names() {
		if IsOurs(name) {
			names = append(names, name)
		}
	}
	return names
}

// Chain returns the rules of a chain, each beginning with -A. Of a chain that
// is not ours it returns the rules that lead to our chains.
func (t Text) Chain(table, name string) []string {
	return t.parse()[table].chain(name).rules
}

// Policy returns the policy of a built-in chain.
func (t Text) Policy(table, name string) string {
	if p := t.parse()[table].chain(name).policy; p != "" {
		return p
	}
	return accept
}

// parse reads the canonical form back. It needs no canonicalisation.
func (t Text) parse() tables {
	ts := tables{}
	var cur table
	for line := range strings.Lines(string(t)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "*"):
			cur = ts.table(line[1:])
		case strings.HasPrefix(line, ":"):
			name, policy, _ := strings.Cut(line[1:], " ")
			c := cur.add(name)
			if policy != noPolicy {
				c.policy = policy
			}
		case strings.HasPrefix(line, "-A "):
			c := cur.add(ruleChain(line))
			c.rules = append(c.rules, line)
		}
	}
	return ts
}

// ruleChain returns the chain of a rule that begins with -A.
func ruleChain(line string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(line, "-A "), " ")
	return name
}

// prefixes mark the chains that are ours.
func prefixes() []string { return []string{"KUBE-", "FLANNEL-", "cali-", "NETLAB-"} }

// IsOurs reports whether a chain of that name belongs to netlab.
func IsOurs(chain string) bool {
	return slices.ContainsFunc(prefixes(), func(p string) bool { return strings.HasPrefix(chain, p) })
}

// isBuiltin reports whether the kernel makes a chain of that name.
func isBuiltin(chain string) bool {
	switch chain {
	case "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING":
		return true
	}
	return false
}
