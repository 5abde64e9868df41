package netfilter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// rule is one rule taken apart, with everything in canonical form.
type rule struct {
	chain   string
	general []option // -s, -d, -i, -o, -p, -f, in this order, at most one of each
	matches []extension
	target  extension // name "" for a rule without one
	jump    string    // "-j" or "-g", before the target
}

// extension is a match or a target with its options.
type extension struct {
	name    string
	options []option
}

// option is one option with its values.
type option struct {
	not  bool
	name string // with its dashes
	args []string
}

// generalOrder is the order in which iptables-save prints what stands before
// the matches.
func generalOrder() []string { return []string{"-s", "-d", "-i", "-o", "-p", "-f"} }

// get returns an option from before the matches.
func (r *rule) get(name string) (option, bool) {
	i := slices.IndexFunc(r.general, func(o option) bool { return o.name == name })
	if i < 0 {
		return option{}, false
	}
	return r.general[i], true
}

// get returns an option of an extension.
func (e *extension) get(name string) (option, bool) {
	i := slices.IndexFunc(e.options, func(o option) bool { return o.name == name })
	if i < 0 {
		return option{}, false
	}
	return e.options[i], true
}

// has reports whether an extension has an option.
func (e *extension) has(name string) bool {
	_, ok := e.get(name)
	return ok
}

// arg returns the first value of o.
func (o option) arg() string {
	if len(o.args) == 0 {
		return ""
	}
	return o.args[0]
}

// String renders r as iptables-save does.
func (r *rule) String() string {
	words := []string{"-A", r.chain}
	for _, o := range r.general {
		words = o.append(words)
	}
	for _, m := range r.matches {
		words = append(words, "-m", quote(m.name))
		for _, o := range m.options {
			words = o.append(words)
		}
	}
	if r.target.name != "" {
		words = append(words, r.jump, quote(r.target.name))
		for _, o := range r.target.options {
			words = o.append(words)
		}
	}
	return strings.Join(words, " ")
}

func (o option) append(words []string) []string {
	if o.not {
		words = append(words, "!")
	}
	words = append(words, quote(o.name))
	for _, a := range o.args {
		if isText(o.name) {
			words = append(words, quoteText(a))
		} else {
			words = append(words, quote(a))
		}
	}
	return words
}

// isText reports whether the value of an option is free text.
func isText(name string) bool {
	return name == "--comment" || name == "--log-prefix" || name == "--nflog-prefix" || name == "--string"
}

// parseRule reads the words of a rule, without -A and the chain.
func parseRule(chain string, words []string, f family) (*rule, error) {
	p := ruleParser{rule: &rule{chain: chain}, words: words}
	if err := p.parse(); err != nil {
		return nil, fmt.Errorf("rule %q of chain %s: %w", strings.Join(words, " "), chain, err)
	}
	if err := p.rule.canonicalise(f); err != nil {
		return nil, fmt.Errorf("rule %q of chain %s: %w", strings.Join(words, " "), chain, err)
	}
	return p.rule, nil
}

// ruleParser reads words into a rule.
type ruleParser struct {
	rule  *rule
	words []string
	owner *extension // of options that come next
}

func (p *ruleParser) parse() error {
	for len(p.words) > 0 {
		not := p.words[0] == "!"
		if not {
			p.words = p.words[1:]
		}
		if len(p.words) == 0 || !strings.HasPrefix(p.words[0], "-") {
			return fmt.Errorf("an option is expected at %q", strings.Join(p.words, " "))
		}
		name := longName(p.words[0])
		p.words = p.words[1:]
		o := option{not: not, name: name, args: p.values(name)}
		if err := p.add(o); err != nil {
			return err
		}
	}
	return nil
}

// values takes the values of an option off the words.
func (p *ruleParser) values(name string) []string {
	n, known := arity(name)
	for i := 0; !known && i < len(p.words) && p.words[i] != "!" && !strings.HasPrefix(p.words[i], "-"); i++ {
		n++
	}
	n = min(n, len(p.words))
	args := slices.Clone(p.words[:n])
	p.words = p.words[n:]
	return args
}

// add puts an option where it belongs.
func (p *ruleParser) add(o option) error {
	if n, known := arity(o.name); known && len(o.args) != n {
		return fmt.Errorf("%s lacks a value", o.name)
	}
	r := p.rule
	switch o.name {
	case "-m":
		r.matches = append(r.matches, extension{name: o.arg()})
		p.owner = &r.matches[len(r.matches)-1]
		return nil
	case "-j", "-g":
		if r.jump != "" {
			return errors.New("it has two targets")
		}
		r.jump, r.target.name = o.name, o.arg()
		p.owner = &r.target
		return nil
	}
	if slices.Contains(generalOrder(), o.name) {
		r.general = append(r.general, o)
		return nil
	}
	owner := p.owner
	if isPortOption(o.name) && (owner == nil || !isTransport(owner.name) && owner.name != "multiport") {
		var err error
		if owner, err = p.transport(); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	if owner == nil {
		return fmt.Errorf("%s belongs to no match and no target", o.name)
	}
	owner.options = append(owner.options, o)
	return nil
}

// transport returns the match for the rule's protocol. iptables loads it by
// itself when an option of it is met.
func (p *ruleParser) transport() (*extension, error) {
	r := p.rule
	o, ok := r.get("-p")
	if !ok {
		return nil, errors.New("needs -p before it")
	}
	name := protocolName(o.arg())
	if name == "ipv6-icmp" {
		name = "icmp6"
	}
	i := slices.IndexFunc(r.matches, func(m extension) bool { return m.name == name })
	if i < 0 {
		r.matches = append(r.matches, extension{name: name})
		i = len(r.matches) - 1
	}
	p.owner = &r.matches[i]
	return p.owner, nil
}
