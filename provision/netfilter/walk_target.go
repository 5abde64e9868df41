package netfilter

import (
	"fmt"
	"net/netip"
	"strings"
)

// target does to a packet what a rule says that it matched. The packet has
// ended, leaves the chain, or goes on with the next rule.
func (w *Walker) target(table string, r *rule, o Outcome) (ended, left, next []Outcome, err error) {
	t := &r.target
	if w.tables[table].has(t.name) {
		ended, fell, err := w.chain(table, t.name, []Outcome{o})
		if r.jump == "-g" {
			return ended, fell, nil, err
		}
		return ended, nil, fell, err
	}
	switch t.name {
	case "", "LOG", "NFLOG", "TRACE":
		return nil, nil, []Outcome{o}, nil
	case "RETURN":
		return nil, []Outcome{o}, nil, nil
	case "ACCEPT":
	case "DROP":
		o.Verdict = Dropped
	case "REJECT":
		o.Verdict = Rejected
	case "MARK":
		x, _ := t.get("--set-xmark")
		v, mask, err := markMask(x.arg())
		o.Packet.Mark = o.Packet.Mark&^mask ^ v
		return nil, nil, []Outcome{o}, err
	case "DNAT":
		to, _ := t.get("--to-destination")
		if o.Packet.Dst, err = destination(to.arg(), o.Packet.Dst.Port()); err != nil {
			return nil, nil, nil, err
		}
		o.DNAT = true
	case "MASQUERADE", "SNAT":
		o.Masquerade = true
	default:
		return nil, nil, nil, fmt.Errorf("target %s cannot be judged", t.name)
	}
	return []Outcome{o}, nil, nil, nil
}

// destination reads ADDRESS or ADDRESS:PORT.
func destination(s string, port uint16) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, port), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("destination %q is not one address and port", s)
	}
	return ap, nil
}
