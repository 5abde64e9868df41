package netfilter

import (
	"fmt"
	"net/netip"
)

// Packet is the first packet of a connection, or a later one if State says so.
type Packet struct {
	Proto    string         // as in rules: tcp, udp, sctp, icmp
	Src, Dst netip.AddrPort // port 0 where the protocol has none
	In       string         // interface it came in by; "" if it was made in this namespace
	Out      string         // interface it leaves by, if a rule asks
	Mark     uint32
	State    string   // of its connection; "" is NEW
	Recent   []string // lists of the recent match that hold its source
}

// Verdict is what becomes of a packet.
type Verdict string

// The verdicts.
const (
	Accepted Verdict = "accept"
	Dropped  Verdict = "drop"
	Rejected Verdict = "reject"
)

// Outcome is one of the ways that a packet may take through the rules. There
// are several where rules draw lots.
type Outcome struct {
	Verdict    Verdict
	Packet     Packet // as it ends up: Dst and Mark may have changed
	DNAT       bool   // the destination was rewritten
	Masquerade bool   // the source is rewritten to an address of this namespace
	Chance     float64
	Steps      []Step // the rules that matched, in order
}

// Step is a rule that a packet matched.
type Step struct {
	Table, Chain string
	Number       int // of the rule in its chain, from 1
	Rule         string
}

// Walker follows packets through the rules of one namespace. It is safe for
// concurrent use.
//
// A Text holds only what is ours: foreign rules may treat a packet otherwise.
type Walker struct {
	tables tables
	rules  map[string]*rule // by text
	local  func(netip.Addr) bool
}

// NewWalker returns a Walker for t. local tells the addresses of the
// namespace; loopback addresses are local without asking.
func NewWalker(t Text, local func(netip.Addr) bool) (*Walker, error) {
	w := &Walker{tables: t.parse(), rules: map[string]*rule{}, local: local}
	for _, table := range w.tables {
		for name, c := range table {
			for _, line := range c.rules {
				words, err := split(line)
				if err != nil {
					return nil, fmt.Errorf("rule %q: %w", line, err)
				}
				if w.rules[line], err = parseRule(name, words[2:], familyIPv4); err != nil {
					return nil, err
				}
			}
		}
	}
	return w, nil
}

func (w *Walker) isLocal(a netip.Addr) bool {
	return a.IsLoopback() || w.local != nil && w.local(a)
}

// Walk sends a packet through all hooks, from where it comes in or is made to
// where it leaves or is taken in. The error says that a rule on its way asks
// for something that cannot be judged on paper.
func (w *Walker) Walk(p Packet) ([]Outcome, error) {
	first := "OUTPUT"
	if p.In != "" {
		first = "PREROUTING"
	}
	start := Outcome{Verdict: Accepted, Packet: p, Chance: 1}
	ways, err := w.hook(first, []Outcome{start})
	if err != nil {
		return nil, err
	}
	var all []Outcome
	for _, o := range ways {
		here := w.isLocal(o.Packet.Dst.Addr())
		var rest []string
		switch {
		case p.In == "" && here:
			rest = []string{"POSTROUTING", "INPUT"} // through the loopback device
		case p.In == "":
			rest = []string{"POSTROUTING"}
		case here:
			rest = []string{"INPUT"}
		default:
			rest = []string{"FORWARD", "POSTROUTING"}
		}
		branch := []Outcome{o}
		for _, h := range rest {
			if branch, err = w.hook(h, branch); err != nil {
				return nil, err
			}
		}
		all = append(all, branch...)
	}
	return all, nil
}

// hook sends every way that is still open through the tables of a hook.
func (w *Walker) hook(name string, ways []Outcome) ([]Outcome, error) {
	for _, table := range tableOrder() {
		var next []Outcome
		for _, o := range ways {
			tracked := o.Packet.state() == "NEW" || o.Packet.state() == "RELATED"
			if o.Verdict != Accepted || table == "nat" && !tracked {
				next = append(next, o)
				continue
			}
			ended, fell, err := w.chain(table, name, []Outcome{o})
			if err != nil {
				return nil, err
			}
			for _, f := range fell {
				if w.tables[table].chain(name).policy == "DROP" {
					f.Verdict = Dropped
				}
				ended = append(ended, f)
			}
			next = append(next, ended...)
		}
		ways = next
	}
	return ways, nil
}

// chain sends ways through one chain. Those that met a verdict are ended; the
// others fell through or returned.
func (w *Walker) chain(table, name string, ways []Outcome) (ended, fell []Outcome, err error) {
	for i, line := range w.tables[table].chain(name).rules {
		r := w.rules[line]
		var next []Outcome
		for _, o := range ways {
			chance, err := w.matches(r, &o.Packet, o.DNAT)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %s: %w", table, line, err)
			}
			if chance < 1 {
				miss := o
				miss.Chance *= 1 - chance
				next = append(next, miss)
			}
			if chance == 0 {
				continue
			}
			o.Chance *= chance
			o.Steps = append(o.Steps[:len(o.Steps):len(o.Steps)], Step{table, name, i + 1, line})
			e, f, n, err := w.target(table, r, o)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %s: %w", table, line, err)
			}
			ended, fell, next = append(ended, e...), append(fell, f...), append(next, n...)
		}
		ways = next
	}
	return ended, append(fell, ways...), nil
}
