package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// faultCase is one thing that somebody does to a lab, and what the first line
// of the explanation has to say of it.
type faultCase struct {
	name  string
	spoil string // for sh; LAB stands for the lab's name
	mend  string // what up does not do
	want  []string

	patient bool // all groups look, also those that wait long
}

// explained is what these tests read of a report.
type explained struct {
	Failed, Errors int
	Results        []struct{ ID, Group, Kind, Verdict, Reason string }
	Explanations   []struct {
		Fault, Remedy string
		Evidence      []string
		Checks        []string
	}
}

func verifyJSON(t *testing.T, want int, args ...string) explained {
	t.Helper()
	var r explained
	out := must(t, want, append([]string{"verify", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return r
}

// shell runs a command for sh on a lab.
func shell(t *testing.T, lab, command string) {
	t.Helper()
	if command == "" {
		return
	}
	command = strings.ReplaceAll(command, "LAB", lab)
	if out, err := tool(t, "sh", "-ec", command); err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

// try does c to a lab and wants verify to name it first, and every failure to
// be explained.
func (c faultCase) try(t *testing.T, file, lab string, seen *alarms, skip ...string) {
	t.Cleanup(func() {
		shell(t, lab, c.mend)
		must(t, exitOK, "up", file, "-q")
	})
	shell(t, lab, c.spoil)
	r := verifyJSON(t, exitDiffers, append([]string{file}, skip...)...)
	seen.hear(r)
	if len(r.Explanations) == 0 {
		t.Fatalf("%d checks fail, and nothing is explained: %+v", r.Failed, r.Results)
	}
	first := r.Explanations[0]
	for _, want := range c.want {
		if want = strings.ReplaceAll(want, "LAB", lab); !strings.Contains(first.Fault, want) {
			t.Errorf("the first line lacks %q:\n%s", want, first.Fault)
		}
	}
	if first.Remedy == "" {
		t.Error("there is no remedy")
	}
	told := map[string]bool{}
	for _, e := range r.Explanations {
		for _, id := range e.Checks {
			told[id] = true
		}
	}
	for _, x := range r.Results {
		if (x.Verdict == "fail" || x.Verdict == "error") && !told[x.ID] {
			t.Errorf("nothing explains %s: %s", x.ID, x.Reason)
		}
	}
	if t.Failed() {
		for _, e := range r.Explanations {
			t.Logf("%s\n    %d checks: %v\n    seen %v\n    remedy %s", e.Fault, len(e.Checks), e.Checks, e.Evidence, e.Remedy)
		}
	}
}

// alarms are the kinds and groups of checks that failed by any fault, and those
// that there are. It is safe for concurrent use.
type alarms struct {
	mu      sync.Mutex
	sounded map[string]bool
}

func (a *alarms) hear(r explained) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range r.Results {
		for _, what := range []string{"kind " + x.Kind, "group " + x.Group} {
			a.sounded[what] = a.sounded[what] || x.Verdict == "fail"
		}
	}
}

// unheard are kinds that none of these faults makes fail, and where that is
// tested.
var unheard = map[string]string{
	"kind netns": "package probe: two names for one namespace are no lab that up mends",
}

// check wants every kind and every group of checks to have failed by a fault.
func (a *alarms) check(t *testing.T) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(a.sounded)) {
		if !a.sounded[what] && unheard[what] == "" {
			t.Errorf("no fault makes checks of this %s fail", what)
		}
	}
}

// faultsOfLab is how many faults one lab has, one after the other.
const faultsOfLab = 10

// slow are groups that wait long for what does not come and that other groups
// stand for.
const slow = "ttl,mtu,external,nat"

// TestPrivilegedExplains breaks labs in many ways, each time in one, and wants
// the first line of the explanation to name the fault. Labs are broken side by
// side: most of the time nothing happens but waiting.
func TestPrivilegedExplains(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	seen := alarms{sounded: map[string]bool{}}
	var all sync.WaitGroup
	n := runtime.NumCPU()
	place := make(chan struct{}, 4*n*n) // a single processor is often an emulated one
	for kind, tables := range map[string][]faultCase{
		"links": linkFaults, "tunnels": tunnelFaults, "tables": tableFaults, "rules": ruleFaults, "people": peopleFaults, "flat": flatFaults, "routed": routedFaults, "six": sixFaults, "none": noneFaults,
	} {
		part := 0
		for some := range slices.Chunk(tables, faultsOfLab) {
			part++
			name := fmt.Sprintf("%s%d", kind, part)
			text := cmp.Or(explainLabs[kind], explainLab)
			all.Go(func() {
				place <- struct{}{}
				defer func() { <-place }()
				t.Run(name, func(t *testing.T) { explainFaults(t, name, text, some, &seen) })
			})
		}
	}
	all.Wait()
	if !t.Failed() {
		seen.check(t)
	}
}

// explainFaults does each of some faults to a lab.
func explainFaults(t *testing.T, name, text string, tables []faultCase, seen *alarms) {
	file, lab := writeLab(t, strings.ReplaceAll(text, "LAB", fmt.Sprintf("t%d-x-%s", os.Getpid(), name)))
	bringUp(t, file, lab)
	must(t, exitOK, "verify", file, "--wait", "20s")
	for _, c := range tables {
		t.Run(c.name, func(t *testing.T) {
			if strings.Contains(c.spoil, "nft ") {
				if _, err := exec.LookPath("nft"); err != nil {
					t.Skip("there is no nft")
				}
			}
			skip := []string{"--skip", slow}
			if c.patient {
				skip = nil
			}
			c.try(t, file, lab.Name, seen, skip...)
		})
	}
}
