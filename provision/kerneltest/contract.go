package kerneltest

import (
	"context"
	"strings"
	"testing"

	"netlab/provision"
)

// Contract checks that k behaves as package provision expects. k must hold
// nothing of the lab called [Lab].
func Contract(t *testing.T, k provision.Kernel) {
	t.Helper()
	c := contract{k: k, ctx: context.WithoutCancel(t.Context())} // t.Context is cancelled before Cleanup runs
	if have := c.observe(t); have.Len() > 0 {
		t.Fatalf("lab %s is there already:\n%v", Lab, have)
	}
	t.Cleanup(func() {
		c.converge(t, provision.NewState(Lab))
		if have := c.observe(t); have.Len() > 0 {
			t.Errorf("left behind:\n%v", have)
		}
	})
	t.Run("up", c.up)
	t.Run("without one", c.withoutOne)
	t.Run("taken along", c.takenAlong)
	t.Run("changed", c.changed)
	t.Run("disturbed", c.disturbed)
	t.Run("added", c.added)
	t.Run("refused", c.refused)
	t.Run("down", c.down)
}

type contract struct {
	k   provision.Kernel
	ctx context.Context
}

func (c contract) observe(t *testing.T) provision.State {
	t.Helper()
	have, err := c.k.Observe(c.ctx, want())
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	return have
}

func (c contract) converge(t *testing.T, to provision.State) provision.Plan {
	t.Helper()
	plan, _, err := provision.Converge(c.ctx, c.k, to, provision.Options{})
	if err != nil {
		t.Fatalf("%v\nplan:\n%v", err, plan)
	}
	return plan
}

// is checks that the kernel holds exactly to.
func (c contract) is(t *testing.T, to provision.State) {
	t.Helper()
	have := c.observe(t)
	if rest := provision.Diff(have, to); !rest.Empty() {
		t.Errorf("left to do:\n%v", rest)
	}
	for o := range have.All() {
		if w, ok := to.Get(o.Key()); !ok || w != o {
			t.Errorf("%v is there and not asked for, or differs", o.Key())
		}
	}
}

func (c contract) do(t *testing.T, op provision.Op, o provision.Object) {
	t.Helper()
	if err := c.k.Do(c.ctx, provision.Step{Op: op, Object: o}); err != nil {
		t.Errorf("%v %v: %v", op, o.Key(), err)
	}
}

// up makes everything, twice: a second run has nothing to do, and every single
// step may be repeated.
func (c contract) up(t *testing.T) {
	up := c.converge(t, want())
	c.is(t, want())
	if again := c.converge(t, want()); !again.Empty() {
		t.Errorf("second run is not empty:\n%v", again)
	}
	for _, s := range up.Steps {
		if err := c.k.Do(c.ctx, s); err != nil {
			t.Errorf("repeating %v: %v", s, err)
		}
	}
	c.is(t, want())
}

// withoutOne deletes each object, twice, and has it put back together with
// whatever the kernel took along.
func (c contract) withoutOne(t *testing.T) {
	for _, o := range want().Sorted() {
		t.Run(name(o), func(t *testing.T) {
			c.do(t, provision.Delete, o)
			c.do(t, provision.Delete, o)
			if have, ok := c.observe(t).Get(o.Key()); ok && have == o {
				if s, isSysctl := o.(provision.Sysctl); !isSysctl || s.Value == "1" { // others are 0 from the start
					t.Errorf("%v is still there", o.Key())
				}
			}
			c.converge(t, want())
			c.is(t, want())
		})
	}
}

// takenAlong checks what goes with what. A plan relies on it.
func (c contract) takenAlong(t *testing.T) {
	for _, tt := range []struct {
		name   string
		delete provision.Object
		gone   []provision.Object
		stays  []provision.Object
	}{
		{
			"with a cable", cableA,
			[]provision.Object{portA, primary, secondary, addr6, vtep, addrVTEP, neighVTEP, fdbVTEP, routeVTEP, neighA, defaultA, routeSrc, route6, ecmp6},
			[]provision.Object{lan, portB, addrCNI, tableRoute, blackhole, rule},
		},
		{
			"with a VXLAN device", vtep,
			[]provision.Object{addrVTEP, neighVTEP, fdbVTEP, routeVTEP},
			[]provision.Object{primary, defaultA, neighA},
		},
		{
			"with a bridge", cni,
			[]provision.Object{portPod, addrCNI, tableRoute},
			[]provision.Object{cablePod, proxyARP, defaultA, rule},
		},
		{
			"with a primary address", primary,
			[]provision.Object{secondary, defaultA, routeSrc, neighA},
			[]provision.Object{addr6, route6, vtep, addrCNI, blackhole},
		},
		{
			"with the last IPv4 address", addrVTEP,
			[]provision.Object{routeVTEP, neighVTEP},
			[]provision.Object{fdbVTEP, vtep, defaultA, neighA},
		},
		{
			"with a preferred source", secondary,
			[]provision.Object{routeSrc},
			nil,
		},
		{
			"with a namespace", namespace(nsPod, "pod"),
			[]provision.Object{addrPod, defaultPod, cablePod},
			[]provision.Object{cni, primary},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.do(t, provision.Delete, tt.delete)
			have := c.observe(t)
			for _, o := range tt.gone {
				if h, ok := have.Get(o.Key()); ok && h == o {
					t.Errorf("%v outlived it", o.Key())
				}
			}
			for _, o := range tt.stays {
				if h, ok := have.Get(o.Key()); !ok || h != o {
					t.Errorf("%v went with it", o.Key())
				}
			}
			c.converge(t, want())
			c.is(t, want())
		})
	}
	t.Run("hairpin mode of a port that is plugged in again", func(t *testing.T) {
		c.do(t, provision.Delete, portPod)
		plain := portPod
		plain.Hairpin = false
		c.do(t, provision.Create, plain)
		if h, ok := c.observe(t).Get(portPod.Key()); !ok || h != plain {
			t.Errorf("hairpin mode was not reset: %+v", h)
		}
		c.converge(t, want())
		c.is(t, want())
	})
}

// changed converges to the lab with one thing different, and back.
func (c contract) changed(t *testing.T) {
	for _, tt := range changes() {
		t.Run(tt.name, func(t *testing.T) {
			to := want(tt.to)
			plan := c.converge(t, to)
			c.is(t, to)
			if tt.inPlace && (len(plan.Steps) != 1 || plan.Steps[0].Op != provision.Update) {
				t.Errorf("not changed in place:\n%v", plan)
			}
			c.converge(t, want())
			c.is(t, want())
		})
	}
}

// disturbed changes one thing by hand and has it put right together with
// whatever the kernel dropped for it.
func (c contract) disturbed(t *testing.T) {
	for _, tt := range disturbances() {
		t.Run(tt.name, func(t *testing.T) {
			c.do(t, provision.Update, tt.to)
			if have, _ := c.observe(t).Get(tt.to.Key()); have != tt.to {
				t.Errorf("it is not as it was made: %+v", have)
			}
			c.converge(t, want())
			c.is(t, want())
		})
	}
}

// added has what nobody asked for removed.
func (c contract) added(t *testing.T) {
	for _, o := range []provision.Object{
		provision.Bridge{NS: nsPod, Name: "extra", MAC: mac(90), MTU: 1500},
		provision.Addr{NS: nsB, Dev: "eth0", Prefix: prefix("10.3.0.1/24")},
		mainTable(provision.Route{NS: nsB, To: prefix("10.4.0.0/16"), Hop: via("10.0.0.1", "eth0")}),
		mainTable(provision.Route{NS: nsB, To: prefix("fd04::/32"), Type: provision.Blackhole}),
		provision.Route{NS: nsB, Table: 1234, To: prefix("10.4.0.0/16"), Metric: 7, Type: provision.Blackhole},
		provision.Rule{NS: nsB, Priority: 77, Table: 1234},
		provision.Neigh{NS: nsB, Dev: "eth0", Addr: addr("10.0.0.200"), MAC: mac(91)},
		provision.FDB{NS: nsSwitch, Dev: "port-a", MAC: mac(92)},
		provision.FDB{NS: nsA, Dev: "vxlan1", Dst: addr("10.0.0.2")},
		provision.File{Lab: Lab, Name: "extra", Content: "x\n", Mode: provision.FileMode},
	} {
		t.Run(name(o), func(t *testing.T) {
			c.do(t, provision.Create, o)
			if h, ok := c.observe(t).Get(o.Key()); !ok || h != o {
				t.Errorf("it is not seen: %+v", h)
			}
			plan := c.converge(t, want())
			if len(plan.Steps) != 1 || plan.Steps[0].Op != provision.Delete {
				t.Errorf("one thing was to be deleted:\n%v", plan)
			}
			c.is(t, want())
		})
	}
}

// refused checks that the kernel does not bend.
func (c contract) refused(t *testing.T) {
	other := cableA
	other.A.MAC = mac(99)
	for _, tt := range []struct {
		name string
		step provision.Step
	}{
		{"a cable of a taken name", provision.Step{Op: provision.Create, Object: other}},
		{"an address without its interface", provision.Step{Op: provision.Create, Object: provision.Addr{NS: nsB, Dev: "nowhere", Prefix: prefix("10.3.0.1/24")}}},
		{"a route nobody can follow", provision.Step{Op: provision.Create, Object: mainTable(provision.Route{NS: nsB, To: prefix("10.4.0.0/16"), Hop: via("10.99.0.1", "eth0")})}},
		{"anything without its namespace", provision.Step{Op: provision.Create, Object: provision.Bridge{NS: Lab + ".nowhere", Name: "br0", MTU: 1500}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := c.k.Do(c.ctx, tt.step); err == nil {
				t.Errorf("%v %v went through", tt.step.Op, tt.step.Object.Key())
			}
			c.is(t, want())
		})
	}
}

// down leaves nothing, and a second time there is nothing to do.
func (c contract) down(t *testing.T) {
	down := c.converge(t, provision.NewState(Lab))
	if have := c.observe(t); have.Len() > 0 {
		t.Errorf("left behind:\n%v", have)
	}
	for _, s := range down.Steps {
		if err := c.k.Do(c.ctx, s); err != nil {
			t.Errorf("repeating %v: %v", s, err)
		}
	}
	if again := c.converge(t, provision.NewState(Lab)); !again.Empty() {
		t.Errorf("second run is not empty:\n%v", again)
	}
}

func name(o provision.Object) string {
	return strings.NewReplacer("/", "_", " ", "_").Replace(o.Key().String())
}
