package netfilter

import (
	"bytes"
	"slices"
	"strings"
)

// Script returns input for iptables-restore --noflush that turns tables which
// hold from into tables that hold to. It is empty if they are equal.
//
// Only what differs is touched. A chain that differs is flushed and filled
// again, one that is not wanted is removed in the same transaction. Where the
// rules of a built-in chain that lead to our chains are not the wanted ones,
// all of them are taken out and the wanted ones put in at the top. What is
// foreign stays, and stays in its order.
//
// There is one kind of rule that iptables cannot delete by its own text: one
// that uses the recent match. If somebody puts such a jump to a chain of ours
// into a chain that is not, iptables-restore fails and changes nothing in that
// table.
func Script(from, to Text) []byte {
	var b bytes.Buffer
	have, want := from.parse(), to.parse()
	for _, name := range tableOrder() {
		lines := tableScript(have[name], want[name])
		if len(lines) == 0 {
			continue
		}
		b.WriteString("*" + name + "\n")
		for _, line := range lines {
			b.WriteString(line + "\n")
		}
		b.WriteString("COMMIT\n")
	}
	return b.Bytes()
}

// tableScript returns the lines between the name of a table and its COMMIT.
// Declarations come first, because a rule may only lead to a chain that
// exists; removals last, when nothing leads to the chains any more.
func tableScript(have, want table) []string {
	var declare, unlink, fill, link, remove []string
	for _, name := range unionNames(have, want) {
		h, w := have.chain(name), want.chain(name)
		if !IsOurs(name) {
			if h.policy != w.policy {
				declare = append(declare, ":"+name+" "+orAccept(w.policy)+" [0:0]")
			}
			if !slices.Equal(h.rules, w.rules) {
				unlink = append(unlink, deletions(h.rules)...)
				link = append(link, insertions(w.rules)...)
			}
			continue
		}
		if have.has(name) && want.has(name) && slices.Equal(h.rules, w.rules) {
			continue
		}
		declare = append(declare, ":"+name+" - [0:0]")
		fill = append(fill, w.rules...)
		if !want.has(name) {
			remove = append(remove, "-X "+name)
		}
	}
	return slices.Concat(declare, unlink, fill, link, remove)
}

// unionNames returns the names of the chains of both, sorted.
func unionNames(a, b table) []string {
	names := slices.Concat(a.names(), b.names())
	slices.Sort(names)
	return slices.Compact(names)
}

func orAccept(policy string) string {
	if policy == "" {
		return accept
	}
	return policy
}

// deletions turns rules into commands that delete them.
func deletions(rules []string) []string {
	lines := make([]string, len(rules))
	for i, r := range rules {
		lines[i] = "-D" + strings.TrimPrefix(r, "-A")
	}
	return lines
}

// insertions turns rules into commands that insert them at the top, in order.
// The last goes in first, so that each is number 1 when it is inserted.
func insertions(rules []string) []string {
	lines := make([]string, len(rules))
	for i, r := range rules {
		lines[len(rules)-1-i] = "-I" + strings.TrimPrefix(r, "-A")
	}
	return lines
}
