package explain

import (
	"net/netip"
	"slices"
	"strings"

	"netlab/provision"
	"netlab/trace"
	"netlab/verify"
)

// touched is what packets of a check meet.
type touched struct {
	spaces  map[string]bool
	devices map[[2]string]bool // namespace, interface
	addrs   map[netip.Addr]bool
	chains  map[[3]string]int // namespace, table, chain: the how-manieth
	filters map[string]bool   // namespaces in which netfilter ends a packet
	lookups map[lookup]bool
}

type lookup struct {
	ns  string
	dst netip.Addr
}

func newTouched() *touched {
	return &touched{
		spaces: map[string]bool{}, devices: map[[2]string]bool{}, addrs: map[netip.Addr]bool{},
		chains: map[[3]string]int{}, filters: map[string]bool{}, lookups: map[lookup]bool{},
	}
}

// add takes note of what packets meet on some ways.
func (t *touched) add(ways []trace.Way) {
	for i := range ways {
		for _, p := range []*trace.Path{&ways[i].There, &ways[i].Back} {
			t.path(p)
		}
	}
}

func (t *touched) path(p *trace.Path) {
	for i := range p.Hops {
		h := &p.Hops[i]
		t.spaces[h.NS] = true
		t.devices[[2]string{h.NS, h.Iface}] = true
		t.addrs[h.Header.Src], t.addrs[h.Header.Dst] = true, true
		for _, f := range h.Facts {
			t.fact(h.NS, f)
		}
	}
	if p.End.NS != "" {
		t.spaces[p.End.NS] = true
	}
	if p.End.Fault.Step == "netfilter" {
		t.filters[p.End.NS] = true
		if n := len(p.Hops); n > 0 { // rules behind the routing decision
			t.lookups[lookup{p.End.NS, p.Hops[n-1].Header.Dst}] = true
		}
	}
}

func (t *touched) fact(ns string, f trace.Fact) {
	switch f := f.(type) {
	case trace.Routed:
		t.lookups[lookup{ns, f.Dst}] = true
		t.devices[[2]string{ns, f.Answer.Dev}] = true
		t.addrs[f.NextHop] = true
	case trace.Bridged:
		t.devices[[2]string{ns, f.Bridge}] = true
		t.devices[[2]string{ns, f.Port}] = true
	case trace.Encapsulated:
		t.devices[[2]string{ns, f.Dev}] = true
	case trace.Decapsulated:
		t.devices[[2]string{ns, f.Dev}] = true
	case trace.Filtered:
		for _, s := range f.Steps {
			if k := [3]string{ns, s.Table, s.Chain}; t.chains[k] == 0 {
				t.chains[k] = len(t.chains) + 1
			}
		}
	}
}

// meets reports whether packets meet what f is about.
func (t *touched) meets(f *fault) bool {
	return slices.ContainsFunc(f.steps, func(s provision.Step) bool { return t.step(s) && matters(s) })
}

func (t *touched) step(s provision.Step) bool {
	k := s.Object.Key()
	switch o := s.Object.(type) {
	case provision.Namespace, provision.Pause, provision.Sysctl, provision.Rule:
		if sysctl, ok := o.(provision.Sysctl); ok && sysctl.Dev != "" && !t.devices[[2]string{k.NS, sysctl.Dev}] {
			return false
		}
		return t.spaces[nsOf(k)]
	case provision.Port:
		return t.devices[[2]string{o.NS, o.Dev}] || t.devices[[2]string{o.NS, o.Bridge}]
	case provision.Addr:
		return t.addrs[o.Prefix.Addr()] || s.Op != provision.Delete && t.devices[[2]string{o.NS, o.Dev}]
	case provision.Neigh:
		return t.devices[[2]string{o.NS, o.Dev}] && t.addrs[o.Addr]
	case provision.FDB:
		return t.spaces[o.NS] // it may lead away from where packets should go
	case provision.Route:
		for l := range t.lookups {
			if l.ns == o.NS && o.To.Contains(l.dst) {
				return true
			}
		}
		return false
	case provision.Ruleset:
		return t.spaces[o.NS]
	case provision.File, provision.Supervisor:
		return false
	}
	for _, c := range s.Object.Claims() {
		if t.devices[[2]string{c.NS, c.Name}] {
			return true
		}
	}
	return false
}

func nsOf(k provision.Key) string { return k.NS }

// rule returns the difference of a set of rules that packets meet first, "" if
// none.
func (t *touched) rule(f *fault) string {
	ns, first, found := f.step.Object.Key().NS, 0, ""
	for _, line := range f.lines {
		table, rest, _ := strings.Cut(line, " ")
		chain, what, _ := strings.Cut(rest, ": ")
		switch {
		case strings.HasPrefix(what, "policy "):
			if t.filters[ns] {
				return line
			}
		default:
			if at := t.chains[[3]string{ns, table, chain}]; at > 0 && (first == 0 || at < first) {
				first, found = at, line
			}
		}
	}
	return found
}

// direct reports whether a check that looks at tables and settings itself is
// about f.
func (e *explainer) direct(c *verify.Check, f *fault) bool {
	if c.Kind == verify.State {
		if f.drift == nil {
			d := verify.NewDrift(provision.Plan{Steps: f.steps})
			f.drift = &d
		}
		return len(f.drift.Of(c)) > 0
	}
	return slices.ContainsFunc(f.steps, func(s provision.Step) bool {
		k := s.Object.Key()
		if k.Kind == provision.KindNamespace {
			return k.NS == c.From.NS && (s.Op == provision.Create || c.Kind != verify.Control)
		}
		if k.NS != c.From.NS && !claims(s.Object, c.From.NS) {
			return false
		}
		switch c.Kind {
		case verify.Doors:
			return k.Kind == provision.KindLink && s.Op == provision.Delete
		case verify.Control:
			sysctl, ok := s.Object.(provision.Sysctl)
			return ok && sysctl.Name == c.More.Name
		case verify.Device:
			return k.Kind == provision.KindLink && (k.Name == c.More.Device.Name || k.Name == c.More.Device.Parent)
		case verify.Table:
			dev := c.More.Device.Name
			switch o := s.Object.(type) {
			case provision.Route:
				return c.More.Table == verify.TableRoutes && (slices.ContainsFunc(o.AllHops(), func(h provision.Hop) bool { return h.Dev == dev }) || slices.ContainsFunc(c.More.Must, func(m verify.Entry) bool { return m.To == o.To }))
			case provision.Neigh:
				return c.More.Table == verify.TableNeighbours && o.Dev == dev
			case provision.FDB:
				return c.More.Table == verify.TableFDB && o.Dev == dev
			}
			return k.Kind == provision.KindLink && k.Name == dev && carries(s)
		case verify.Neigh:
			return k.Kind == provision.KindNeigh
		case verify.Process:
			return k.Kind == provision.KindPause || k.Kind == provision.KindSupervisor
		}
		return false
	})
}

func claims(o provision.Object, ns string) bool {
	return slices.ContainsFunc(o.Claims(), func(k provision.Key) bool { return k.NS == ns })
}
