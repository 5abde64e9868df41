package runtime

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netlab/labs"
)

func TestStateComesBack(t *testing.T) {
	dir := Dir(t.TempDir())
	code := 3
	want := State{
		Supervisor: Identity{PID: 7, Start: 8}, Spec: "abc",
		Pods: []PodState{{ID: "default/a", NS: "l.a", Containers: []ContainerState{
			{Name: "up", Phase: Running, Ready: true, Identity: Identity{PID: 9, Start: 10}, Digest: "d"},
			{Name: "down", Phase: Waiting, Reason: BackOff, Restarts: 2, ExitCode: &code, Message: "why"},
		}}},
	}
	if err := want.save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := LoadState(dir)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	not, hope := got.unready()
	if diff := cmp.Diff([]string{"container down of pod default/a: CrashLoopBackOff, exit code 3: why"}, not); diff != "" || hope {
		t.Errorf("hope is %v\n%s", hope, diff)
	}
	if got.starting() != 0 {
		t.Error("a container in back-off counts as one that was never started")
	}
	got.Pods[0].Containers[1].Reason = Creating
	if got.starting() != 1 {
		t.Error("a container that is being created counts as started")
	}
}

// TestBeginnings waits as long as further containers are started, however many
// there are, and no longer.
func TestBeginnings(t *testing.T) {
	const all = 100
	s := State{Pods: []PodState{{ID: "default/a", Containers: make([]ContainerState, all)}}}
	list := s.Pods[0].Containers
	for i := range list {
		list[i] = ContainerState{Phase: Waiting, Reason: Creating}
	}
	now := time.Unix(0, 0)
	b := beginnings{since: now}
	for i := range list[1:] {
		now = now.Add(startsWithin)
		if b.stuck(s, now) {
			t.Fatalf("given up when %d of %d were started, one each %v", i, all, startsWithin)
		}
		list[i].Phase = Running
	}
	if b.stuck(s, now) {
		t.Error("given up when one had just been started")
	}
	list[0].Phase = Waiting // started, and now anew: nothing has got on
	if now = now.Add(startsWithin + 1); !b.stuck(s, now) {
		t.Error("a container that never starts is waited for without end")
	}
}

func TestReadinessOfPods(t *testing.T) {
	lab, diagnostics := labs.Load("l.yaml", []byte(`
name: l
nodes: [{name: n}]
pods:
  - {name: known, node: n, containers: [{name: c, serve: {http: 80}}]}
  - {name: plain, node: n, containers: [{name: c, serve: {http: 80}}]}
  - {name: probed, node: n, containers: [{name: c, serve: {http: 80}, readinessProbe: {http: 80}}]}
`))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	dir := Dir(t.TempDir())
	check := func(when string, want map[string]bool) {
		t.Helper()
		ready := Readiness(dir, lab)
		for id, is := range want {
			if got := ready(id); got != is {
				t.Errorf("%s: %s is ready: %v", when, id, got)
			}
		}
	}
	check("before anything ran", map[string]bool{"default/known": true, "default/plain": true, "default/probed": false})
	s := State{Pods: []PodState{{ID: "default/known", Containers: []ContainerState{{Name: "c", Phase: Waiting}}}}}
	if err := s.save(dir); err != nil {
		t.Fatal(err)
	}
	check("when one is known", map[string]bool{"default/known": false, "default/plain": true, "default/probed": false})
}
