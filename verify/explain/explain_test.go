package explain_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"netlab/labs"
	"netlab/provision"
	"netlab/trace"
	"netlab/verify"
	"netlab/verify/explain"
)

const labText = `name: l
nodes: [{name: a}, {name: b}]
pods: [{name: client, node: a}, {name: near, node: a}, {name: web, node: b, labels: {app: web}}]
services: [{name: web, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}]
`

// blind eyes see nothing.
type blind struct{}

var errBlind = errors.New("nobody looks")

func (blind) Trace(context.Context, trace.Question, []string, []explain.Listener) (trace.Evidence, error) {
	return trace.Evidence{}, errBlind
}
func (blind) Look(context.Context, string) (explain.Scene, error) { return explain.Scene{}, errBlind }

// broken returns a report in which the traffic checks between pods fail that a
// filter chooses, and a subject whose state lacks some objects.
func broken(t *testing.T, fails func(*verify.Check) bool, lacks func(provision.Object) bool) (verify.Report, explain.Subject) {
	t.Helper()
	lab, found := labs.Load("lab.yaml", []byte(labText))
	if found.HasErrors() {
		t.Fatal(found)
	}
	desired := provision.Desired(lab)
	var have []provision.Object
	for o := range desired.All() {
		if !lacks(o) {
			have = append(have, o)
		}
	}
	r := verify.Report{Lab: lab.Name}
	for _, c := range verify.Checks(lab) {
		res := verify.Result{Check: &c, Verdict: verify.Pass}
		if fails(&c) {
			res.Verdict, res.Reason, res.Seen = verify.Fail, "no answer", "no answer"
		}
		r.Results = append(r.Results, res)
	}
	return r, explain.Subject{Lab: lab, Desired: desired, Observed: provision.NewState(lab.Name, have...)}
}

func isRoute(ns, to string) func(provision.Object) bool {
	return func(o provision.Object) bool {
		r, ok := o.(provision.Route)
		return ok && r.NS == ns && r.To.String() == to
	}
}

func across(c *verify.Check) bool {
	return c.To != nil && (c.Kind == verify.ICMP || c.Kind == verify.TCP) && c.Group == verify.Pods && c.From.Node != c.To.Node
}

// TestOneCauseForAll wants everything that fails by a route to be one
// explanation, without anybody looking.
func TestOneCauseForAll(t *testing.T) {
	r, s := broken(t, across, isRoute("l.a", "10.244.2.0/24"))
	open, err := explain.Failures(t.Context(), &r, s, blind{})
	if err != nil || len(open) > 0 {
		t.Fatalf("unexplained: %v, error %v", open, err)
	}
	if len(r.Explanations) != 1 {
		t.Fatalf("%d explanations: %+v", len(r.Explanations), r.Explanations)
	}
	e := r.Explanations[0]
	if want := "l.a (node a): the route 10.244.2.0/24 via 10.244.2.0 dev vxlan1 onlink is missing, the lab has it"; e.Fault != want {
		t.Errorf("fault is %q, want %q", e.Fault, want)
	}
	if n := r.Counts().Failed; len(e.Checks) != n || !slices.IsSorted(e.Checks) {
		t.Errorf("%d checks fail by it (%v), want %d in order", len(e.Checks), e.Checks, n)
	}
	if e.Remedy != "netlab up l" || len(e.Evidence) != 1 || !strings.HasPrefix(e.Evidence[0], "stops on ") {
		t.Errorf("remedy %q, evidence %q", e.Remedy, e.Evidence)
	}
}

// TestTwoFaultsAreTwo wants each of two faults on one way to be named.
func TestTwoFaultsAreTwo(t *testing.T) {
	here, there := isRoute("l.a", "10.244.2.0/24"), isRoute("l.b", "10.244.1.0/24")
	r, s := broken(t, across, func(o provision.Object) bool { return here(o) || there(o) })
	if _, err := explain.Failures(t.Context(), &r, s, blind{}); err != nil {
		t.Fatal(err)
	}
	var faults []string
	for _, e := range r.Explanations {
		faults = append(faults, e.Fault)
	}
	all := strings.Join(faults, "\n")
	if len(faults) != 2 || !strings.Contains(all, "l.a (node a): the route 10.244.2.0/24") || !strings.Contains(all, "l.b (node b): the route 10.244.1.0/24") {
		t.Errorf("explanations:\n%s", all)
	}
}

// TestUnrelatedDriftIsNotBlamed wants a difference that no failing packet meets
// to be left out, and what nothing explains to be returned.
func TestUnrelatedDriftIsNotBlamed(t *testing.T) {
	onlyNear := func(c *verify.Check) bool {
		return c.Group == verify.Pods && c.Kind == verify.ICMP && c.From.Name == "default/client" && c.To.Name == "default/near"
	}
	r, s := broken(t, onlyNear, isRoute("l.b", "10.244.1.0/24"))
	open, err := explain.Failures(t.Context(), &r, s, blind{})
	if !errors.Is(err, errBlind) {
		t.Errorf("nobody could look, and the error is %v", err)
	}
	if len(open) != 1 || !onlyNear(r.Results[open[0]].Check) {
		t.Errorf("unexplained: %v", open)
	}
	for _, e := range r.Explanations {
		if strings.Contains(e.Fault, "route") {
			t.Errorf("blamed: %s", e.Fault)
		}
	}
}

// TestFullTableIsTold wants the host's full table to be named where nothing
// else explains a failure.
func TestFullTableIsTold(t *testing.T) {
	r, s := broken(t, across, func(provision.Object) bool { return false })
	r.Obstacle = "the neighbour table was full 7 times"
	open, _ := explain.Failures(t.Context(), &r, s, blind{})
	if len(open) == 0 || len(r.Explanations) == 0 || r.Explanations[0].Fault != "host: the neighbour table was full 7 times" {
		t.Errorf("explanations: %+v; %d to look at again", r.Explanations, len(open))
	}
}

// TestPromisesAgainstTheirOwnFile wants a promise that the rest of the file
// contradicts to be named as what is wrong, and not the lab.
func TestPromisesAgainstTheirOwnFile(t *testing.T) {
	for _, tt := range []struct {
		promise, more string
		answered      bool
		want          string
	}{
		{`{from: client, to: "svc/web:81"}`, "", false, "verify[0]: service default/web has no port 81/TCP; it has 80/TCP"},
		{`{from: client, to: pod/web, expect: unreachable}`, "", true, "verify[0]: the network of the lab file reaches default/web (10.244.2.2) from default/client, and this says unreachable"},
		{`{from: client, to: 192.0.2.1}`, "", false, "verify[0]: the network of the lab file does not reach 192.0.2.1 from default/client: at l.fabric (bridge fabric), "},
		{`{from: client, to: pod/web}`, "", false, ""},                        // should work: something is wrong with the lab
		{`{from: client, to: "pod/web:9", expect: refused}`, "", true, ""},    // somebody listens there
		{`{from: client, to: pod/web}`, "network: {mode: none}\n", false, ""}, // left to whoever learns
	} {
		lab, found := labs.Load("lab.yaml", []byte(labText+tt.more+"verify:\n  - "+tt.promise+"\n"))
		if found.HasErrors() {
			t.Fatal(tt.promise, found)
		}
		r := verify.Report{Lab: lab.Name, File: "lab.yaml"}
		for _, c := range verify.Checks(lab) {
			res := verify.Result{Check: &c, Verdict: verify.Pass}
			if c.Group == verify.Lab {
				outcome := labs.Timeout
				if tt.answered {
					outcome = labs.Reachable
				}
				res = verify.Judge(&c, verify.Observation{Outcome: outcome}, nil)
			}
			r.Results = append(r.Results, res)
		}
		desired := provision.Desired(lab)
		_, _ = explain.Failures(t.Context(), &r, explain.Subject{Lab: lab, Desired: desired, Observed: desired}, blind{})
		if len(r.Explanations) != 1 {
			t.Errorf("%s: %d explanations: %+v", tt.promise, len(r.Explanations), r.Explanations)
			continue
		}
		e := r.Explanations[0]
		if named := strings.HasPrefix(e.Fault, "verify[0]: "); named != (tt.want != "") || !strings.HasPrefix(e.Fault, tt.want) {
			t.Errorf("%s: fault is %q, want %q", tt.promise, e.Fault, tt.want)
		}
		if tt.want != "" && !strings.HasPrefix(e.Remedy, "correct this promise") {
			t.Errorf("%s: remedy %q", tt.promise, e.Remedy)
		}
	}
}
