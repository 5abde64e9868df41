package provision_test

import (
	"strings"
	"testing"

	"netlab/labs"
	"netlab/provision"
)

const processLab = `
name: c
nodes: [{name: n}]
pods:
  - {name: a, node: n, containers: [{name: web, serve: {http: 80}}]}
  - {name: bare, node: n}
`

func TestDesiredProcesses(t *testing.T) {
	has := func(s provision.State, k provision.Key) bool { _, ok := s.Get(k); return ok }
	lab := load(t, "c.yaml", processLab)
	s := provision.Desired(lab)
	a := provision.Pause{NS: "c.a", Hostname: "a", Process: provision.Running}
	if o, ok := s.Get(a.Key()); !ok || o != a {
		t.Errorf("pause of a: %+v", o)
	}
	if has(s, provision.Pause{NS: "c.bare"}.Key()) {
		t.Error("a pod without containers has a pause process")
	}
	for name, value := range map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"} {
		want := provision.Sysctl{NS: "c.a", Name: name, Value: value}
		if o, _ := s.Get(want.Key()); o != want {
			t.Errorf("%s: %+v", name, o)
		}
	}
	paused := provision.Desired(load(t, "c.yaml", processLab+"pause: true\n"))
	if !has(paused, provision.Pause{NS: "c.bare"}.Key()) {
		t.Error("with pause: true a pod without containers has no pause process")
	}
	none := provision.Desired(lab.WithoutContainers())
	if has(none, a.Key()) || has(none, provision.Supervisor{Lab: "c"}.Key()) {
		t.Error("something runs in a lab without containers")
	}
}

// TestSupervisorDoesNotDependOnThePlaceInTheFile checks that a comment in the
// lab file restarts nothing.
func TestSupervisorDoesNotDependOnThePlaceInTheFile(t *testing.T) {
	before := provision.Desired(load(t, "c.yaml", processLab))
	after := provision.Desired(load(t, "c.yaml", "# a comment\n"+processLab))
	if plan := provision.Diff(before, after); !plan.Empty() {
		t.Errorf("plan:\n%v", plan)
	}
}

func TestContainerDigest(t *testing.T) {
	p := provision.PodWorkload{ID: "default/a", NS: "c.a", RestartPolicy: labs.RestartAlways}
	c := labs.Container{Name: "web", Command: []string{"sleep", "1d"}}
	base := p.ContainerDigest(c)
	other := c
	other.Readiness = &labs.Probe{TCP: 80}
	never := p
	never.RestartPolicy = labs.RestartNever
	if p.ContainerDigest(other) != base || never.ContainerDigest(c) != base {
		t.Error("a probe or a policy needs another process")
	}
	other = c
	other.User = 7
	moved := p
	moved.NS = "c.b"
	if p.ContainerDigest(other) == base || moved.ContainerDigest(c) == base {
		t.Error("another user or namespace needs no other process")
	}
}

func TestProcessDrift(t *testing.T) {
	want := provision.Desired(load(t, "c.yaml", processLab))
	pause := provision.Pause{NS: "c.a", Hostname: "a", Process: provision.NoProcess}
	o, _ := want.Get(provision.Supervisor{Lab: "c"}.Key())
	dead := o.(provision.Supervisor)
	dead.Process = provision.NoProcess
	astray := o.(provision.Supervisor)
	astray.Stray = "default/a/web"
	for _, tt := range []struct {
		name string
		is   provision.Object
		want string
	}{
		{"a dead pause", pause, "~ pause c.a: process is none, lab says running\n"},
		{"a dead supervisor", dead, "~ supervisor c\n    process is none, lab says running\n"},
		{"a container in a namespace that has gone", astray, "~ supervisor c\n    stray is default/a/web, lab says none\n"},
	} {
		var have []provision.Object
		for o := range want.All() {
			if o.Key() == tt.is.Key() {
				o = tt.is
			}
			have = append(have, o)
		}
		if got := provision.Diff(provision.NewState("c", have...), want).String(); got != tt.want {
			t.Errorf("%s:\n%s", tt.name, got)
		}
	}
}

// TestProcessesEndFirst checks that a pause process is ended although its
// namespace goes, and before it.
func TestProcessesEndFirst(t *testing.T) {
	plan := provision.Diff(provision.Desired(load(t, "c.yaml", processLab)), provision.State{})
	pause := -1
	for i, s := range plan.Steps {
		switch o := s.Object.(type) {
		case provision.Pause:
			pause = i
		case provision.Namespace:
			if o.Name == "c.a" && (pause < 0 || len(s.After) == 0 || s.After[len(s.After)-1] < pause) {
				t.Errorf("the namespace does not wait for step %d: %v", pause, s.After)
			}
		}
	}
	if pause < 0 || !strings.Contains(plan.String(), "- supervisor c\n") {
		t.Errorf("plan:\n%v", plan)
	}
}
