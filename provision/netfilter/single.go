package netfilter

import (
	"fmt"
	"strings"
)

// Standalone is a rule that stands by itself in a chain that is not ours. What
// makes it ours is its comment.
type Standalone struct {
	Table string
	Rule  string // in canonical form, beginning with -A
}

// Single brings one rule, written as for [Builder.Rule], into canonical form. It
// may stand in any chain and lead anywhere. Like a Builder it panics on a rule
// that is not valid.
func Single(ipv6 bool, line string) string {
	words, err := split(line)
	if err != nil || len(words) < 2 || words[0] != "-A" {
		panic(fmt.Sprintf("netfilter: rule %q is not valid: %v", line, err))
	}
	r, err := parseRule(words[1], words[2:], family(ipv6))
	if err != nil {
		panic("netfilter: " + err.Error())
	}
	return r.String()
}

// Words takes a rule apart as iptables wants it: one argument a word.
func Words(rule string) ([]string, error) { return split(rule) }

// Commented returns the rules in the output of iptables-save whose comment
// begins with prefix, in any table and chain.
func Commented(save []byte, prefix string) []Standalone {
	var found []Standalone
	table, f := "", familyOf(save)
	for line := range strings.Lines(string(save)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "*") {
			table = line[1:]
			continue
		}
		words, err := split(line)
		if err != nil || len(words) < 2 {
			continue
		}
		if strings.HasPrefix(words[0], "[") {
			words, line = words[1:], strings.TrimSpace(line[strings.Index(line, "]")+1:])
		}
		if words[0] != "-A" || !commented(words, prefix) {
			continue
		}
		if r, err := parseRule(words[1], words[2:], f); err == nil {
			line = r.String()
		}
		found = append(found, Standalone{table, line})
	}
	return found
}

func commented(words []string, prefix string) bool {
	for i, w := range words[:len(words)-1] {
		if w == "--comment" && strings.HasPrefix(words[i+1], prefix) {
			return true
		}
	}
	return false
}
