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
	var texts map[chain][]string
	for i := range events {
		e := &events[i]
		if e.Handle == 0 {
			continue
		}
		c := chain{e.Family, e.Table, e.Chain}
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
