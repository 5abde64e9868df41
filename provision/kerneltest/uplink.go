package kerneltest

import (
	"context"
	"net/netip"
	"testing"

	"netlab/labs"
	"netlab/provision"
)

// Uplink checks what a kernel does with an uplink of the lab called [Lab]. It
// works in the host's own namespace, which for a real kernel must be one that a
// test may change.
func Uplink(t *testing.T, k provision.Kernel) {
	t.Helper()
	lab, diagnostics := labs.Load("kt.yaml", []byte("name: "+Lab+"\nbridges: [{name: sw, uplink: true}]\nnodes: [{name: a}]\n"))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	c := uplinkContract{contract{k: k, ctx: context.WithoutCancel(t.Context())}, provision.Desired(lab)}
	t.Cleanup(func() { c.converge(t, provision.NewState(Lab)) })
	t.Run("up", c.up)
	t.Run("without one", c.withoutOne)
	t.Run("disturbed", c.disturbed)
	t.Run("added", c.added)
	t.Run("refused", c.refused)
	t.Run("down", c.down)
}

type uplinkContract struct {
	contract
	want provision.State
}

func (c uplinkContract) up(t *testing.T) {
	up := c.converge(t, c.want)
	c.isUp(t)
	for _, s := range up.Steps {
		if err := c.k.Do(c.ctx, s); err != nil {
			t.Errorf("repeating %v: %v", s, err)
		}
	}
	c.isUp(t)
}

// withoutOne deletes each object, twice, and has it put back together with
// whatever the kernel took along.
func (c uplinkContract) withoutOne(t *testing.T) {
	for _, o := range c.want.Sorted() {
		t.Run(name(o), func(t *testing.T) {
			c.do(t, provision.Delete, o)
			c.do(t, provision.Delete, o)
			have, ok := c.observe(t).Get(o.Key())
			if _, isSysctl := o.(provision.Sysctl); ok && !isSysctl && have == o {
				t.Errorf("%v is still there", o.Key())
			}
			c.converge(t, c.want)
			c.isUp(t)
		})
	}
}

// observe looks at what belongs to an uplink, also when there is to be none.
func (c uplinkContract) observe(t *testing.T) provision.State {
	t.Helper()
	have, err := c.k.Observe(c.ctx, c.want)
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	return have
}

// isUp checks that the kernel holds exactly the lab.
func (c uplinkContract) isUp(t *testing.T) {
	t.Helper()
	have := c.observe(t)
	if rest := provision.Diff(have, c.want); !rest.Empty() {
		t.Errorf("left to do:\n%v", rest)
	}
	for o := range have.All() {
		if w, ok := c.want.Get(o.Key()); !ok || w != o {
			t.Errorf("%v is there and not asked for, or differs", o.Key())
		}
	}
}

func (c uplinkContract) cable() provision.Veth {
	for o := range c.want.All() {
		if v, ok := o.(provision.Veth); ok && v.B.NS == "" {
			return v
		}
	}
	return provision.Veth{}
}

func (c uplinkContract) disturbed(t *testing.T) {
	down, far, other, unmarked := c.cable(), c.cable(), c.cable(), c.cable()
	down.B.Up = false
	far.A.Up = false
	other.B.MAC = mac(77)
	unmarked.Alias = ""
	for _, tt := range []change{
		{name: "the end on the host set down", to: down},
		{name: "the other end set down", to: far},
		{name: "another MAC on the host", to: other},
		{name: "no mark", to: unmarked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.do(t, provision.Update, tt.to)
			if have, _ := c.observe(t).Get(tt.to.Key()); have != tt.to {
				t.Errorf("it is not as it was made: %+v", have)
			}
			c.converge(t, c.want)
			c.isUp(t)
		})
	}
}

// added removes from the host what carries our mark and is not wanted.
func (c uplinkContract) added(t *testing.T) {
	for _, o := range []provision.Object{
		provision.Addr{Dev: c.cable().B.Name, Prefix: netip.MustParsePrefix("169.254.255.249/30")},
		provision.HostRule{Lab: Lab, Table: "filter", Rule: `-A FORWARD -s 169.254.255.248/30 -m comment --comment "netlab:` + Lab + `:former" -j ACCEPT`},
	} {
		t.Run(name(o), func(t *testing.T) {
			c.do(t, provision.Create, o)
			plan := c.converge(t, c.want)
			if len(plan.Steps) != 1 || plan.Steps[0].Op != provision.Delete || plan.Steps[0].Object != o {
				t.Errorf("one thing was to be deleted:\n%v", plan)
			}
			c.isUp(t)
		})
	}
}

// refused checks that nothing else of the host can be changed.
func (c uplinkContract) refused(t *testing.T) {
	for _, o := range []provision.Object{
		provision.Addr{Dev: "lo", Prefix: netip.MustParsePrefix("169.254.255.249/30")},
		provision.Addr{Dev: c.cable().A.Name, Prefix: netip.MustParsePrefix("169.254.255.249/30")},
	} {
		if err := c.k.Do(c.ctx, provision.Step{Op: provision.Create, Object: o}); err == nil {
			t.Errorf("%v went through", o.Key())
		}
	}
	c.isUp(t)
}

func (c uplinkContract) down(t *testing.T) {
	nothing := provision.NewState(Lab)
	down := c.converge(t, nothing)
	if have := c.observe(t); have.Len() > 0 {
		t.Errorf("left behind:\n%v", have)
	}
	for _, s := range down.Steps {
		if err := c.k.Do(c.ctx, s); err != nil {
			t.Errorf("repeating %v: %v", s, err)
		}
	}
	if again := c.converge(t, nothing); !again.Empty() {
		t.Errorf("second run is not empty:\n%v", again)
	}
}
