package netfilter

import (
	"fmt"
	"slices"
	"strings"
)

// Parse reads the output of iptables-save or ip6tables-save, or input for
// iptables-restore, and returns what is ours in it. The rest is returned for
// people to read, one line each, such as
//
//	filter: -N DOCKER
//	filter: -A FORWARD -i docker0 -j DROP
func Parse(save []byte) (owned Text, foreign []string, err error) {
	return ParseExpecting(save, "")
}

// ParseExpecting is Parse, several times faster where the save holds much of
// expected, a text of the same address family: its rules are in canonical form
// already and need not be taken apart.
func ParseExpecting(save []byte, expected Text) (owned Text, foreign []string, err error) {
	p := saveParser{tables: tables{}, family: familyOf(save), expected: map[string]bool{}}
	for line := range strings.Lines(string(expected)) {
		if strings.HasPrefix(line, "-A ") {
			p.expected[strings.TrimSuffix(line, "\n")] = true
		}
	}
	n := 0
	for line := range strings.Lines(string(save)) {
		n++
		if err := p.line(strings.TrimSpace(line)); err != nil {
			return "", nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return p.tables.text(), p.foreign, nil
}

// saveParser collects the lines of a save.
type saveParser struct {
	family   family
	table    string
	tables   tables
	foreign  []string
	expected map[string]bool // rules of ours in canonical form
}

func (p *saveParser) line(line string) error {
	switch {
	case line == "" || line == "COMMIT" || strings.HasPrefix(line, "#"):
		return nil
	case strings.HasPrefix(line, "*"):
		p.table = line[1:]
		return nil
	case p.table == "":
		return fmt.Errorf("%q stands before any table", line)
	case strings.HasPrefix(line, ":"):
		return p.chain(line[1:])
	}
	return p.rule(line)
}

// chain reads NAME POLICY [COUNTERS].
func (p *saveParser) chain(line string) error {
	f := strings.Fields(line)
	if len(f) < 2 {
		return fmt.Errorf("chain %q has no policy", line)
	}
	name, policy := f[0], f[1]
	switch known := slices.Contains(tableOrder(), p.table); {
	case known && IsOurs(name):
		p.tables.table(p.table).add(name)
	case known && isBuiltin(name):
		if policy != noPolicy && policy != accept {
			p.tables.table(p.table).add(name).policy = policy
		}
	case !isBuiltin(name):
		p.foreign = append(p.foreign, p.table+": -N "+name)
	case policy != accept:
		p.foreign = append(p.foreign, p.table+": -P "+name+" "+policy)
	}
	return nil
}

// rule reads [COUNTERS] -A CHAIN RULE.
func (p *saveParser) rule(line string) error {
	if p.expected[line] && slices.Contains(tableOrder(), p.table) {
		c := p.tables.table(p.table).add(ruleChain(line))
		c.rules = append(c.rules, line)
		return nil
	}
	words, err := split(line)
	if err != nil {
		return fmt.Errorf("%q: %w", line, err)
	}
	if len(words) > 0 && strings.HasPrefix(words[0], "[") {
		words = words[1:]
	}
	if len(words) < 2 || words[0] != "-A" || strings.ContainsAny(words[1], " \t\"") {
		return fmt.Errorf("%q is not a rule", line)
	}
	name, text := words[1], line[strings.Index(line, "-A"):]
	ours := IsOurs(name)
	if r, err := parseRule(name, words[2:], p.family); err == nil {
		ours = ours || IsOurs(r.target.name)
		if ours {
			text = r.String()
		}
	} else { // nothing that a Builder made: it differs as it stands
		ours = ours || leadsToOurs(words)
	}
	if !ours || !slices.Contains(tableOrder(), p.table) {
		p.foreign = append(p.foreign, p.table+": "+text)
		return nil
	}
	c := p.tables.table(p.table).add(name)
	c.rules = append(c.rules, text)
	return nil
}

// leadsToOurs reports whether a rule that cannot be taken apart seems to jump
// or go to one of our chains.
func leadsToOurs(words []string) bool {
	for i, w := range words[:len(words)-1] {
		switch w {
		case "-j", "--jump", "-g", "--goto":
			if IsOurs(words[i+1]) {
				return true
			}
		}
	}
	return false
}

// familyOf tells the address family of a save by its addresses. One without
// addresses counts as IPv4: iptables-save writes out everything that depends
// on the family.
func familyOf(save []byte) family {
	for line := range strings.Lines(string(save)) {
		words, _ := split(line)
		for i, w := range words[:max(0, len(words)-1)] {
			if n := longName(w); n == "-s" || n == "-d" {
				return strings.Contains(words[i+1], ":") == bool(familyIPv6)
			}
		}
	}
	return familyIPv4
}

// Emptied returns input for iptables-restore that leaves the tables of a save
// without rules, without chains but the kernel's own, and with their policies
// at ACCEPT.
func Emptied(save []byte) []byte {
	var b strings.Builder
	for line := range strings.Lines(string(save)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case strings.HasPrefix(word, "*"), word == "COMMIT":
			b.WriteString(word + "\n")
		case strings.HasPrefix(word, ":") && isBuiltin(word[1:]):
			b.WriteString(word + " " + accept + " [0:0]\n")
		}
	}
	return []byte(b.String())
}
