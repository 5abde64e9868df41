package provision

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"netlab/labs"
)

// TestWithinMakesNoCableIntoNothing resets a node while the namespace of one of
// its pods is gone: what leads there has to wait for that.
func TestWithinMakesNoCableIntoNothing(t *testing.T) {
	want, have := standing(t, "name: l\nnodes: [{name: a}]\npods: [{name: p, node: a}, {name: q, node: a}]\n")
	clear(have.objects)
	isP := func(k Key) bool { return k.NS == "l.p" }
	for k, o := range want.objects {
		gone := isP(k) || slices.ContainsFunc(o.Claims(), isP) || slices.ContainsFunc(o.Needs(), isP) ||
			k == linkKey("l.a", "cni0") || k == linkKey("l.a", "veth-p")
		if !gone {
			have.objects[k] = o
		}
	}
	for _, condition := range []Condition{"gone", Remains, Double} {
		t.Run(string(condition), func(t *testing.T) {
			have := have
			if condition != "gone" {
				have.objects = maps.Clone(have.objects)
				name := Namespace{Name: "l.p", Condition: condition}
				have.objects[name.Key()] = name
			}
			checkWithin(t, have, want)
		})
	}
}

// checkWithin resets node a of a lab without pod p.
func checkWithin(t *testing.T, have, want State) {
	t.Helper()
	isP := func(k Key) bool { return k.NS == "l.p" }
	plan := Diff(have, want.Within(have, []string{"l.a"}))
	for _, s := range plan.Steps {
		if slices.ContainsFunc(s.Object.Claims(), isP) || slices.ContainsFunc(s.Object.Needs(), isP) {
			t.Errorf("the namespace of p is not there: %v", s)
		}
	}
	if !slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Object.Key() == linkKey("l.a", "cni0") }) {
		t.Errorf("cni0 is not made:\n%v", plan)
	}
}

// TestWithinMendsWaysToGateways resets a node while nothing in a pod leads to its
// gateway: the pod's route hangs on a cable that is made anew, and the kernel
// would refuse it.
func TestWithinMendsWaysToGateways(t *testing.T) {
	want, have := standing(t, "name: l\nnodes: [{name: a}]\npods: [{name: p, node: a}, {name: q, node: a}]\n")
	delete(have.objects, linkKey("l.a", "cni0"))
	for k, o := range have.objects {
		if slices.ContainsFunc(o.Claims(), func(c Key) bool { return c == linkKey("l.a", "veth-p") }) ||
			slices.ContainsFunc(o.Needs(), func(n Key) bool { return n == linkKey("l.p", "eth0") }) {
			delete(have.objects, k)
		}
	}
	ns := have.objects[nsKey("l.p")].(Namespace)
	ns.Rules = "without 32766"
	added := Rule{NS: "l.p", Priority: 5}
	blocked := Route{NS: "l.p", Table: MainTable, To: netip.MustParsePrefix("10.244.1.1/32"), Type: "unreachable"}
	for _, o := range []Object{ns, added, blocked, Rule{NS: "l.q", Priority: 5}} {
		have.objects[o.Key()] = o
	}
	plan := Diff(have, want.Within(have, []string{"l.a"}))
	for _, o := range []Object{ns, added, blocked} {
		if !slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Object.Key() == o.Key() }) {
			t.Errorf("%v stays as it is:\n%v", o.Key(), plan)
		}
	}
}

// TestLinksWaitForWhatTheyBeginWith makes a cable into a namespace in which
// somebody changed what new interfaces get.
func TestLinksWaitForWhatTheyBeginWith(t *testing.T) {
	want, have := standing(t, "name: l\nnodes: [{name: a}]\npods: [{name: p, node: a}]\n")
	delete(have.objects, linkKey("l.p", "eth0"))
	wrong := []Key{}
	for _, name := range []string{"net.ipv4.conf.default.arp_ignore", "net.ipv4.conf.default.arp_filter"} {
		s := Sysctl{NS: "l.a", Name: name, Value: "1", Unset: "0"}
		have.objects[s.Key()] = s
		wrong = append(wrong, s.Key())
	}
	steps := Diff(have, want).Steps
	i := slices.IndexFunc(steps, func(s Step) bool { return s.Op == Create && s.Object.Key() == linkKey("l.p", "eth0") })
	if i < 0 {
		t.Fatal("no link is made")
	}
	for _, k := range wrong {
		if !slices.ContainsFunc(steps[i].After, func(j int) bool { return steps[j].Object.Key() == k }) {
			t.Errorf("%v does not wait for %v:\n%v", steps[i], k, Plan{Steps: steps})
		}
	}
}

// standing returns a lab as it is wanted, and as it is when it is up.
func standing(t *testing.T, text string) (want, have State) {
	t.Helper()
	lab, diagnostics := labs.Load("lab", []byte(text))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	want = Desired(lab)
	return want, State{Lab: lab.Name, objects: maps.Clone(want.objects)}
}
