package trace

import (
	"slices"

	"netlab/provision"
)

// Watch returns the namespaces in which to look for a packet: those on the ways
// it may take, and those that are one cable away and pass packets on, so that a
// detour is noticed.
func Watch(s provision.State, ways []Way) []string {
	g := newGround(s)
	on := map[string]bool{}
	for _, w := range ways {
		for _, p := range []*Path{&w.There, &w.Back} {
			for _, ns := range p.Namespaces() {
				on[ns] = true
			}
			if p.End.NS != "" {
				on[p.End.NS] = true
			}
		}
	}
	all := map[string]bool{}
	for ns := range on {
		all[ns] = true
		l := g.at(ns)
		for name, d := range l.links {
			if _, port := l.ports[name]; port || d.peer == nil {
				continue
			}
			if far := g.at(d.peer.NS); len(far.ports) > 0 || far.forwards(d.peer.Name, false) {
				all[far.ns] = true
			}
		}
	}
	var list []string
	for ns := range all {
		list = append(list, ns)
	}
	slices.Sort(list)
	return list
}
