package main

import (
	"context"
	"fmt"

	"netlab/graph"
	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netfilter"
)

// drawChains prepares the picture of the chains of a node: of those that the
// kernel has if live, else of those that the lab file asks for.
func drawChains(ctx context.Context, sys system, lab *labs.Lab, name string, live bool, out output, opt graph.Options) (lookable, error) {
	node, err := clusterNode(lab, name)
	if err != nil {
		return nil, err
	}
	if !live {
		return graph.NewChains(lab, node.Name, rulesetsOf(provision.Desired(lab), node.NS), opt), nil
	}
	h, err := sys.open(lab.Name)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	lab = asReady(h, lab)
	out.clock.start("observe")
	want := wanted(h, lab)
	have, err := h.Observe(ctx, want.Hint())
	if err != nil {
		return nil, fmt.Errorf("observe lab %s: %w", lab.Name, err)
	}
	out.clock.stop()
	if _, ok := have.Get(provision.Namespace{Name: node.NS}.Key()); !ok {
		return nil, fmt.Errorf("node %s is missing: it has no network namespace\n    hint: \"netlab up %s\" makes it again; --live=false draws the lab file", node.Name, callAs(lab))
	}
	others, err := h.ForeignRules(ctx, node.NS)
	if err != nil {
		return nil, err
	}
	wanted, sets := rulesetsOf(want, node.NS), rulesetsOf(have, node.NS)
	for i := range sets {
		var none netfilter.Text
		sets[i].Wanted = &none
	}
	for _, w := range wanted {
		found := false
		for i := range sets {
			if sets[i].IPv6 == w.IPv6 {
				sets[i].Wanted, found = &w.Rules, true
			}
		}
		if !found {
			sets = append(sets, graph.Ruleset{IPv6: w.IPv6, Wanted: &w.Rules})
		}
	}
	if len(sets) > 0 {
		sets[0].Others = others
	}
	return graph.NewChains(lab, node.Name, sets, opt), nil
}

// rulesetsOf returns the rules of a namespace in a state.
func rulesetsOf(s provision.State, ns string) []graph.Ruleset {
	var sets []graph.Ruleset
	for _, ipv6 := range []bool{false, true} {
		if o, ok := s.Get(provision.Ruleset{NS: ns, IPv6: ipv6}.Key()); ok {
			sets = append(sets, graph.Ruleset{IPv6: ipv6, Rules: o.(provision.Ruleset).Text})
		}
	}
	return sets
}
