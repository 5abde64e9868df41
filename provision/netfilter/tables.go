package netfilter

import (
	"maps"
	"slices"
	"strings"
)

const (
	accept   = "ACCEPT"
	noPolicy = "-" // of a chain that is not built in
)

// tableOrder lists the tables that we may own something in.
func tableOrder() []string { return []string{"raw", "mangle", "nat", "filter"} }

// tables is a Text taken apart.
type tables map[string]table

// table holds chains by name. Reading a nil table is reading an empty one.
type table map[string]*chain

// chain is one of our chains, or what is ours in another.
type chain struct {
	policy string // "" unless built in
	rules  []string
}

// table returns the table of that name and makes it if need be.
func (ts tables) table(name string) table {
	if ts[name] == nil {
		ts[name] = table{}
	}
	return ts[name]
}

// add returns the chain of that name and makes it if need be.
func (t table) add(name string) *chain {
	if t[name] == nil {
		t[name] = &chain{}
	}
	return t[name]
}

// chain returns the chain of that name, or an empty one.
func (t table) chain(name string) chain {
	if c := t[name]; c != nil {
		return *c
	}
	return chain{}
}

// has reports whether there is a chain of that name.
func (t table) has(name string) bool { return t[name] != nil }

func (t table) names() []string { return slices.Sorted(maps.Keys(t)) }

// text renders ts in the canonical form.
func (ts tables) text() Text {
	var b strings.Builder
	for _, name := range tableOrder() {
		ts[name].write(&b, name)
	}
	return Text(b.String())
}

func (t table) write(b *strings.Builder, name string) {
	var chains, rules []string
	for _, n := range t.names() {
		c := t[n]
		switch {
		case IsOurs(n):
			chains = append(chains, ":"+n+" "+noPolicy)
		case c.policy != "" && c.policy != accept:
			chains = append(chains, ":"+n+" "+c.policy)
		}
		rules = append(rules, c.rules...)
	}
	if len(chains)+len(rules) == 0 {
		return
	}
	b.WriteString("*" + name + "\n")
	for _, line := range append(chains, rules...) {
		b.WriteString(line + "\n")
	}
	b.WriteString("COMMIT\n")
}
