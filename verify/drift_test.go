package verify_test

import (
	"net/netip"
	"slices"
	"testing"

	"netlab/provision"
	"netlab/verify"
)

// TestDrift takes one object after the other out of a lab, puts one too many
// in, or changes one: the check of its namespace and topic says so, and no
// other does.
func TestDrift(t *testing.T) {
	lab := shipped(t, "two-node")
	want := provision.Desired(lab)
	find := func(kind provision.Kind, ns, name string) provision.Object {
		o, ok := want.Get(provision.Key{Kind: kind, NS: ns, Name: name})
		if !ok {
			t.Fatalf("no %v %s %s", kind, ns, name)
		}
		return o
	}
	without := func(gone provision.Object) provision.State {
		var all []provision.Object
		for o := range want.All() {
			if o != gone {
				all = append(all, o)
			}
		}
		return provision.NewState(lab.Name, all...)
	}
	with := func(more ...provision.Object) provision.State {
		return provision.NewState(lab.Name, append(slices.Collect(want.All()), more...)...)
	}
	cable := find(provision.KindLink, "two-node.client", "eth0").(provision.Veth)
	small, down := cable, cable
	small.A.MTU, down.B.Up = 1400, false
	bridge := find(provision.KindLink, "two-node.node-b", "cni0").(provision.Bridge)
	bridge.STP = true
	extra := provision.Route{NS: "two-node.client", Table: provision.MainTable, To: netip.MustParsePrefix("10.77.0.0/16"), Type: provision.Blackhole}
	for _, tt := range []struct {
		name, check, text string
		have              provision.State
	}{
		{"a small MTU at the far end", "state default/client mtu", "link two-node.client/eth0: mtu is 1400, lab says 1450", with(small)},
		{"a cable that is down", "state node-a links", "link two-node.node-a/veth-client: state is down, lab says up", with(down)},
		{"spanning tree", "state node-b links", "link two-node.node-b/cni0: stp is on, lab says off", with(bridge)},
		{"an extra route", "state default/client routes", "extra: route two-node.client 10.77.0.0/16", with(extra)},
		{"no hosts file", "state the lab files", "missing: file hosts (8 lines)", without(find(provision.KindFile, "", "hosts"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			drift := verify.NewDrift(provision.Diff(tt.have, want))
			found := false
			for _, c := range verify.Checks(lab) {
				if c.Kind != verify.State {
					continue
				}
				switch got := drift.Of(&c); {
				case c.ID() == tt.check:
					found = true
					if !slices.Equal(got, []string{tt.text}) {
						t.Errorf("%s says %q, want %q", c.ID(), got, tt.text)
					}
				case len(got) > 0:
					t.Errorf("%s says %q too", c.ID(), got)
				}
			}
			if !found {
				t.Errorf("there is no check %q", tt.check)
			}
		})
	}
}

// TestDriftIsComplete: whatever of a lab is missing is found by some check.
func TestDriftIsComplete(t *testing.T) {
	for _, name := range []string{"three-node", "routed", "router", "dns"} {
		lab := shipped(t, name)
		want := provision.Desired(lab)
		checks := verify.Checks(lab)
		for _, gone := range want.Sorted() {
			if gone.Key().Kind == provision.KindNamespace {
				continue // nothing can be looked at from there
			}
			var all []provision.Object
			for o := range want.All() {
				if o != gone {
					all = append(all, o)
				}
			}
			drift := verify.NewDrift(provision.Diff(provision.NewState(lab.Name, all...), want))
			if !slices.ContainsFunc(checks, func(c verify.Check) bool { return c.Kind == verify.State && len(drift.Of(&c)) > 0 }) {
				t.Errorf("%s: nobody misses %s", name, gone.Key())
			}
		}
	}
}
