package netfilter

import "fmt"

// Builder collects rules and makes a [Text] of them. Rules are given in the
// syntax of iptables, in any spelling it takes.
//
// What a Builder is given is part of the program, not input: it panics on a
// rule that is not valid, and on one that netlab would not own.
type Builder struct {
	family family
	tables tables
	record *Part // what is added is noted down here, too, unless nil
}

// Part is rules that one Builder brought into canonical form, for others to add
// as they are.
type Part struct{ lines []partLine }

type partLine struct{ table, chain, rule string } // rule "" is the chain alone

// NewBuilder returns a Builder for the rules of one address family.
func NewBuilder(ipv6 bool) *Builder {
	b := &Builder{tables: tables{}}
	if ipv6 {
		b.family = familyIPv6
	}
	return b
}

// Chain makes one of our chains. Append makes chains too: Chain is needed for
// one that may stay empty.
func (b *Builder) Chain(table, name string) {
	if !IsOurs(name) {
		panic(fmt.Sprintf("netfilter: chain %s is not ours", name))
	}
	b.tables.table(table).add(name)
	b.note(partLine{table, name, ""})
}

// Record calls add, which gives b chains and rules at the end of chains, and
// returns what it gave.
func (b *Builder) Record(add func()) Part {
	var p Part
	before := b.record
	b.record = &p
	defer func() { b.record = before }()
	add()
	return p
}

func (b *Builder) note(l partLine) {
	if b.record != nil {
		b.record.lines = append(b.record.lines, l)
	}
}

// Add adds what another Builder of the same address family recorded.
func (b *Builder) Add(p Part) {
	for _, l := range p.lines {
		c := b.tables.table(l.table).add(l.chain)
		if l.rule != "" {
			c.rules = append(c.rules, l.rule)
		}
		b.note(l)
	}
}

// Append adds a rule at the end of a chain: one of ours, or any other if the
// rule jumps to one of ours. Each argument is one word, as a shell would pass
// it to iptables: a comment is one argument and carries no quotes.
func (b *Builder) Append(table, chain string, args ...string) {
	c := b.tables.table(table).add(chain)
	line := b.rule(chain, args)
	c.rules = append(c.rules, line)
	b.note(partLine{table, chain, line})
}

// Prepend is like Append but adds the rule at the beginning.
func (b *Builder) Prepend(table, chain string, args ...string) {
	if b.record != nil {
		panic("netfilter: only what is appended can be recorded")
	}
	c := b.tables.table(table).add(chain)
	c.rules = append([]string{b.rule(chain, args)}, c.rules...)
}

// Rule adds a rule written as one line, such as
//
//	-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
//
// at the end of its chain; with -I instead of -A at the beginning.
func (b *Builder) Rule(table, line string) {
	words, err := split(line)
	if err != nil || len(words) < 2 {
		panic(fmt.Sprintf("netfilter: rule %q is not valid: %v", line, err))
	}
	switch words[0] {
	case "-A":
		b.Append(table, words[1], words[2:]...)
	case "-I":
		b.Prepend(table, words[1], words[2:]...)
	default:
		panic(fmt.Sprintf("netfilter: rule %q begins with neither -A nor -I", line))
	}
}

// rule brings one rule into canonical form.
func (b *Builder) rule(chain string, args []string) string {
	r, err := parseRule(chain, args, b.family)
	if err != nil {
		panic("netfilter: " + err.Error())
	}
	if !IsOurs(chain) && (!isBuiltin(chain) || !IsOurs(r.target.name)) {
		panic(fmt.Sprintf("netfilter: rule %q is neither in a chain of ours nor leads there from a built-in one", r))
	}
	return r.String()
}

// Build returns what was collected.
func (b *Builder) Build() Text { return b.tables.text() }
