package provision

import (
	"net/netip"
	"strconv"
)

// Rule is a policy routing rule.
type Rule struct {
	NS       string
	Priority int
	IPv6     bool
	From     netip.Prefix // zero Prefix: any
	To       netip.Prefix // zero Prefix: any
	Iif      string       // "" any
	Table    int
	Other    string // what else an observed rule selects or does, in the words of ip rule
}

// Key implements [Object].
func (r Rule) Key() Key {
	name := strconv.Itoa(r.Priority) + ": from " + anyPrefix(r.From) + " to " + anyPrefix(r.To)
	if r.Iif != "" {
		name += " iif " + r.Iif
	}
	if r.Other != "" {
		name += " " + r.Other
	}
	name += " lookup " + strconv.Itoa(r.Table)
	if r.IPv6 {
		name += " (v6)"
	}
	return Key{KindRule, r.NS, name}
}

// Needs implements [Object].
func (r Rule) Needs() []Key { return []Key{nsKey(r.NS)} }

// Claims implements [Object].
func (r Rule) Claims() []Key { return []Key{r.Key()} }

// Attrs implements [Object].
func (r Rule) Attrs() []Attr { return nil }

func (r Rule) recreate(Object) string { return "" }

func anyPrefix(p netip.Prefix) string {
	if !p.IsValid() {
		return "all"
	}
	return PrefixText(p)
}
