package provision

import (
	"strings"

	"netlab/provision/kubeproxy"
	"netlab/provision/netfilter"
)

// Ruleset is everything that netlab owns in the netfilter tables of one
// namespace and address family. It is one object because it is written in one
// transaction; a change touches only the chains that differ.
type Ruleset struct {
	NS   string
	IPv6 bool
	Text netfilter.Text

	// UDP are the backends of UDP services. Whoever writes the rules also ends
	// the flows that lead elsewhere; nobody can see later for which backends
	// that was done, so what is observed has those that were asked for.
	UDP kubeproxy.UDPBackends

	// Unreadable names the tables of iptables into which somebody put, by nft,
	// what iptables cannot read. They are made anew.
	Unreadable string
}

// Key implements [Object].
func (r Ruleset) Key() Key {
	if r.IPv6 {
		return Key{KindRuleset, r.NS, "ip6tables"}
	}
	return Key{KindRuleset, r.NS, "iptables"}
}

// Needs implements [Object].
func (r Ruleset) Needs() []Key { return []Key{nsKey(r.NS)} }

// Claims implements [Object].
func (r Ruleset) Claims() []Key { return []Key{r.Key()} }

// Attrs implements [Object].
func (r Ruleset) Attrs() []Attr {
	return []Attr{{"rules", string(r.Text)}, {"unreadable", r.Unreadable}}
}

func (r Ruleset) recreate(Object) string { return "" }

// changes lists what differs from old chain by chain, each on an indented
// line of its own.
func (r Ruleset) changes(old Object) string {
	var b strings.Builder
	if tables := old.(Ruleset).Unreadable; tables != "" {
		b.WriteString("\n    " + tables + ": holds what iptables cannot read, made anew")
	}
	for _, c := range netfilter.Changes(old.(Ruleset).Text, r.Text) {
		b.WriteString("\n    " + c)
	}
	return b.String()
}
