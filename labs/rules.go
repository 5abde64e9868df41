package labs

import "net/netip"

// rules resolves the policy routing rules of n.
func (r *resolver) rules(n *node) {
	type key struct {
		ipv6     bool
		priority int
	}
	first := map[key]Pos{}
	for i := range n.spec.Rules.Items {
		spec := &n.spec.Rules.Items[i]
		ru := Rule{Pos: spec.Pos, IPv6: spec.IPv6.Value, Table: r.table(spec.Table), Iif: r.ruleIface(n, spec.Iif)}
		ru.Priority = r.inRange(spec.Priority, firstPriority+i, 1, 32765)
		if !spec.Table.Written() {
			r.missing(spec.Place, "table")
		}
		ru.From, _ = r.prefixOrAddress(spec.From)
		ru.To, _ = r.prefixOrAddress(spec.To)
		r.ruleFamily(spec, &ru)
		k := key{ru.IPv6, ru.Priority}
		if before, twice := first[k]; twice {
			at := spec.Priority.Place
			if !at.Written() {
				at = spec.Place
			}
			r.errorf(at, "", "there is already a rule of priority %d%s", ru.Priority, lineOf(before))
			continue
		}
		first[k] = spec.Pos
		n.Rules = append(n.Rules, ru)
	}
}

// ruleIface returns the interface a rule looks at, which may also be lo: that
// is where packets of the node itself come from.
func (r *resolver) ruleIface(n *node, a At[string]) string {
	if a.Value == "lo" {
		return "lo"
	}
	return r.ifaceOf(n, a)
}

// ruleFamily decides on the family of a rule.
func (r *resolver) ruleFamily(spec *RuleSpec, ru *Rule) {
	for _, p := range []struct {
		at  At[string]
		val netip.Prefix
	}{{spec.From, ru.From}, {spec.To, ru.To}} {
		if !p.val.IsValid() {
			continue
		}
		if ru.From.IsValid() && ru.From.Addr().Is4() != p.val.Addr().Is4() ||
			spec.IPv6.OK() && spec.IPv6.Value == p.val.Addr().Is4() {
			r.errorf(p.at.Place, "", "from, to and ipv6 are not of one address family")
			return
		}
		ru.IPv6 = p.val.Addr().Is6()
	}
}
