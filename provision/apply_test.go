package provision_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"netlab/provision"
	"netlab/provision/fake"
	"netlab/provision/kerneltest"
)

var chains = flag.Int("chains", 300, "how many chains of random labs, each made out of the one before, converge on the fake")

func randomState(t *testing.T, seed uint64) provision.State {
	t.Helper()
	return provision.Desired(load(t, fmt.Sprintf("seed-%d.yaml", seed), kerneltest.RandomLab(rand.New(rand.NewPCG(seed, 1)), "x")))
}

// TestApplyConverges is the property that makes netlab a reconciler: from any
// lab to any other, one Apply leaves nothing to do.
func TestApplyConverges(t *testing.T) {
	ctx := t.Context()
	labs := *chains
	if testing.Short() {
		labs /= 10
	}
	for seed := range uint64(labs) {
		k := &fake.Kernel{}
		former := provision.State{Lab: "x"}
		for i := range uint64(4) {
			want := randomState(t, seed*10+i).After(former)
			if i == 3 {
				want = provision.State{Lab: "x"}
			}
			former = want
			plan, _, err := provision.Converge(ctx, k, want, provision.Options{})
			if err != nil {
				t.Fatalf("seed %d.%d: %v\nplan:\n%v", seed, i, err, plan)
			}
			have, _ := k.Observe(ctx, want)
			if rest := provision.Diff(have, want); !rest.Empty() {
				t.Fatalf("seed %d.%d: left to do after Apply:\n%vplan was:\n%v", seed, i, rest, plan)
			}
		}
	}
}

// TestApplyRepairs removes things at random, with all that the kernel takes
// along, and expects one Apply to bring everything back.
func TestApplyRepairs(t *testing.T) {
	ctx := t.Context()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		want := randomState(t, seed)
		k := &fake.Kernel{}
		if _, _, err := provision.Converge(ctx, k, want, provision.Options{}); err != nil {
			t.Fatal(err)
		}
		objects := want.Sorted()
		for range 1 + rng.IntN(4) {
			k.Remove(objects[rng.IntN(len(objects))].Key())
		}
		plan, _, err := provision.Converge(ctx, k, want, provision.Options{})
		if err != nil {
			t.Fatalf("seed %d: %v\nplan:\n%v", seed, err, plan)
		}
		have, _ := k.Observe(ctx, want)
		if rest := provision.Diff(have, want); !rest.Empty() {
			t.Fatalf("seed %d: left to do after Apply:\n%v", seed, rest)
		}
	}
}

// TestApplyInterrupted lets steps fail at random and expects the next run to
// finish the work.
func TestApplyInterrupted(t *testing.T) {
	ctx := t.Context()
	broken := errors.New("no luck")
	for seed := range uint64(200) {
		want := randomState(t, seed)
		var n atomic.Uint64
		k := &fake.Kernel{Fail: func(provision.Step) error {
			if (n.Add(1)*2654435761+seed)%7 == 0 {
				return broken
			}
			return nil
		}}
		if _, _, err := provision.Converge(ctx, k, want, provision.Options{}); err != nil && !errors.Is(err, broken) {
			t.Fatalf("seed %d: a follow-on error came through: %v", seed, err)
		}
		k.Fail = nil
		if _, _, err := provision.Converge(ctx, k, want, provision.Options{}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		have, _ := k.Observe(ctx, want)
		if rest := provision.Diff(have, want); !rest.Empty() {
			t.Fatalf("seed %d: left to do:\n%v", seed, rest)
		}
	}
}

// TestApplyStops checks that a cancelled context begins no further step and is
// reported, and that no failure of a step is lost.
func TestApplyStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	k := &fake.Kernel{Fail: func(provision.Step) error {
		if n.Add(1) == 5 {
			cancel()
		}
		return nil
	}}
	want := randomState(t, 7)
	res, err := provision.Apply(ctx, provision.Diff(provision.State{}, want), k, provision.Options{Parallel: 1})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
	if done := res.Count(provision.Done); done != 5 {
		t.Errorf("%d steps done, want 5", done)
	}
}

// TestApplyRefusesConflicts checks that a foreign namespace of a wanted name
// stops everything before it begins.
func TestApplyRefusesConflicts(t *testing.T) {
	k := &fake.Kernel{}
	k.Put(provision.Namespace{Name: "x.n0", Condition: provision.Foreign})
	want := randomState(t, 3)
	plan, _, err := provision.Converge(t.Context(), k, want, provision.Options{})
	var conflict provision.Conflict
	if !errors.As(err, &conflict) || len(plan.Steps) > 0 {
		t.Fatalf("error %v and %d steps, want a conflict and none", err, len(plan.Steps))
	}
	have, _ := k.Observe(t.Context(), want)
	if have.Len() != 1 {
		t.Errorf("the kernel was touched:\n%v", have)
	}
}

// TestStepErrorNamesTheObject checks the text that a user has to act on.
func TestStepErrorNamesTheObject(t *testing.T) {
	lab := load(t, "a.yaml", "name: a\nnodes: [{name: n}]\n")
	k := &fake.Kernel{Fail: func(s provision.Step) error {
		if s.Object.Key().Kind == provision.KindAddr {
			return errors.New("no space left on device")
		}
		return nil
	}}
	_, err := provision.Apply(t.Context(), provision.Diff(provision.State{}, provision.Desired(lab)), k, provision.Options{})
	const want = "create addr a.n eth0 172.30.0.2/24: no space left on device"
	if err == nil || err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
}
