package netfilter

import (
	"fmt"
	"slices"
	"strings"
)

// Rule is a rule taken apart, for those who show it.
type Rule struct {
	Chain   string
	Match   []Option // what a packet has to be like, in the rule's order, without the comment
	Comment string
	Goto    bool     // -g in place of -j
	Target  string   // "" if the rule only looks
	With    []Option // of the target
}

// Option is one option of a rule with its values.
type Option struct {
	Not    bool
	Module string // that it belongs to, such as tcp; "" for what every rule may have
	Name   string // with its dashes
	Args   []string
}

// ParseRule takes a rule of a [Text] apart: a line that begins with -A.
func ParseRule(line string) (Rule, error) {
	words, err := split(line)
	if err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", line, err)
	}
	if len(words) < 2 || words[0] != "-A" {
		return Rule{}, fmt.Errorf("rule %q does not begin with -A", line)
	}
	p := ruleParser{rule: &rule{chain: words[1]}, words: words[2:]}
	if err := p.parse(); err != nil {
		return Rule{}, fmt.Errorf("rule %q: %w", line, err)
	}
	out := Rule{Chain: words[1], Target: p.rule.target.name, Goto: p.rule.jump == "-g"}
	for _, o := range p.rule.general {
		out.Match = append(out.Match, Option{o.not, "", o.name, o.args})
	}
	for _, m := range p.rule.matches {
		for _, o := range m.options {
			if o.name == "--comment" {
				out.Comment = o.arg()
				continue
			}
			out.Match = append(out.Match, Option{o.not, m.name, o.name, o.args})
		}
	}
	for _, o := range p.rule.target.options {
		out.With = append(out.With, Option{o.not, p.rule.target.name, o.name, o.args})
	}
	return out, nil
}

// String writes o as iptables-save does.
func (o Option) String() string { return strings.Join(option{o.Not, o.Name, o.Args}.append(nil), " ") }

// Tables returns the names of the tables in which anything is ours, in the
// order in which packets meet them.
func (t Text) Tables() []string {
	tables := t.parse()
	return slices.DeleteFunc(tableOrder(), func(name string) bool { return len(tables[name]) == 0 })
}

// AllChains returns the names of the chains in a table: those that the kernel
// makes in the order in which packets meet them, then ours, sorted.
func (t Text) AllChains(table string) []string {
	var hooks, others []string
	chains := t.parse()[table]
	for _, name := range []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"} {
		if chains.has(name) {
			hooks = append(hooks, name)
		}
	}
	for _, name := range chains.names() {
		if !isBuiltin(name) {
			others = append(others, name)
		}
	}
	return append(hooks, others...)
}
