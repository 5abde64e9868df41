package capture

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"netlab/trace"
)

// chain is a chain of netfilter.
type chain struct{ family, table, name string }

// explain gives events the number and the text of their rules: the kernel
// tells handles, and iptables-save lists the rules of a chain in the same
// order. A rule that was made without iptables keeps its number only.
func (s *space) explain(ctx context.Context, r *Request, events []trace.Event) error {
	known := map[chain][]uint64{}
	hooked := map[chain]string{}
	var texts map[chain][]string
	for i := range events {
		e := &events[i]
		c := chain{e.Family, e.Table, e.Chain}
		hook, ok := hooked[c]
		if !ok && !isBuiltIn(c) {
			var err error
			if hook, err = s.table.hook(c.family, c.table, c.name); err != nil {
				return fmt.Errorf("look for the hook of chain %s in %s: %w", c.name, s.name, err)
			}
			hooked[c] = hook
		}
		if e.Hook = hook; e.Handle == 0 {
			continue
		}
		list, ok := known[c]
		if !ok {
			var err error
			if list, err = s.table.handles(c.family, c.table, c.name); err != nil {
				return fmt.Errorf("list the rules of %s in %s: %w", c.name, s.name, err)
			}
			known[c] = list
		}
		e.Number = slices.Index(list, e.Handle) + 1
		if texts == nil && r.Rules != nil {
			save, err := r.Rules(ctx, s.name, r.To.Addr().Is6())
			if err != nil {
				return fmt.Errorf("read the rules of %s: %w", s.name, err)
			}
			texts = rulesOf(save, r.To.Addr().Is6())
		}
		if lines := texts[c]; e.Number > 0 && len(lines) == len(list) {
			e.Rule = lines[e.Number-1]
		}
	}
	return nil
}

// isBuiltIn reports whether a chain is one of iptables, or one that people made
// with iptables: what hook those are at, if any, their names say.
func isBuiltIn(c chain) bool {
	return (c.family == "ip" || c.family == "ip6") && slices.Contains([]string{"raw", "mangle", "nat", "filter", "security"}, c.table)
}

// rulesOf sorts what iptables-save prints by chain.
func rulesOf(save []byte, ipv6 bool) map[chain][]string {
	family := "ip"
	if ipv6 {
		family = "ip6"
	}
	rules := map[chain][]string{}
	table := ""
	for line := range strings.Lines(string(save)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "*"); ok {
			table = rest
		}
		if rest, ok := strings.CutPrefix(line, "-A "); ok {
			name, _, _ := strings.Cut(rest, " ")
			c := chain{family, table, name}
			rules[c] = append(rules[c], line)
		}
	}
	return rules
}
