package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"netlab/labs"
)

// Running is the state of a process that is as the lab wants it.
const Running = "running"

// Pause is the process that holds a pod: it is in the pod's network namespace
// and owns the pod's IPC and UTS namespaces.
type Pause struct {
	NS       string // of the pod
	Hostname string

	// Process is Running, or what is wrong with it: "none" where only the
	// namespaces it owned are left, "astray" where it is in others.
	Process string
}

// What a [Pause] or a [Supervisor] may be instead of running.
const (
	NoProcess = "none"
	Astray    = "astray"
)

// Key implements [Object].
func (p Pause) Key() Key { return Key{KindPause, p.NS, ""} }

// Needs implements [Object].
func (p Pause) Needs() []Key { return []Key{nsKey(p.NS)} }

// Claims implements [Object].
func (p Pause) Claims() []Key { return []Key{p.Key()} }

// Attrs implements [Object].
func (p Pause) Attrs() []Attr { return []Attr{{"hostname", p.Hostname}, {"process", p.Process}} }

func (p Pause) recreate(Object) string { return "" }

// Supervisor is the process that runs the containers of a lab.
type Supervisor struct {
	Lab  string
	Spec string // the containers, as [Workload] writes them

	// Process is Running or NoProcess.
	Process string

	// Stray names the containers that are in a namespace which is no longer
	// their pod's. Empty is what a lab wants.
	Stray string
}

// Key implements [Object].
func (s Supervisor) Key() Key { return Key{KindSupervisor, "", s.Lab} }

// Needs implements [Object].
func (s Supervisor) Needs() []Key { return nil }

// Claims implements [Object].
func (s Supervisor) Claims() []Key { return []Key{s.Key()} }

// Attrs implements [Object].
func (s Supervisor) Attrs() []Attr {
	w, _ := ParseWorkload(s.Spec)
	return []Attr{
		{"containers", fmt.Sprint(w.Count())}, {"spec", s.Digest()}, {"process", s.Process}, {"stray", s.Stray},
	}
}

func (s Supervisor) recreate(Object) string { return "" }

// Digest is a short name for the spec.
func (s Supervisor) Digest() string { return digest(s.Spec) }

func digest(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// changes lists what differs from old, container by container, each on an
// indented line of its own.
func (s Supervisor) changes(old Object) string {
	o := old.(Supervisor)
	var b strings.Builder
	for _, d := range (Step{Op: Update, Object: s, Old: o}).Differences() {
		if d.Attr == "process" || d.Attr == "stray" {
			b.WriteString("\n    " + d.String())
		}
	}
	was, _ := ParseWorkload(o.Spec)
	is, _ := ParseWorkload(s.Spec)
	before, after := was.digests(), is.digests()
	both := maps.Clone(before)
	maps.Copy(both, after)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		switch {
		case before[name] == "":
			b.WriteString("\n    + container " + name)
		case after[name] == "":
			b.WriteString("\n    - container " + name)
		case before[name] != after[name]:
			b.WriteString("\n    ~ container " + name)
		}
	}
	return b.String()
}

// Workload is what a supervisor runs.
type Workload struct {
	Pods []PodWorkload
}

// PodWorkload is a pod with containers.
type PodWorkload struct {
	ID            string // NAMESPACE/NAME
	Name          string
	Namespace     string
	NS            string // network namespace
	Node          string
	Addrs         []string
	RestartPolicy labs.RestartPolicy
	Containers    []labs.Container
}

// ParseWorkload reads what String wrote.
func ParseWorkload(spec string) (Workload, error) {
	var w Workload
	if spec == "" {
		return w, nil
	}
	err := json.Unmarshal([]byte(spec), &w)
	return w, err
}

// String writes w as JSON. Equal workloads have equal texts.
func (w Workload) String() string {
	text, err := json.Marshal(w)
	if err != nil { // no value of these types can fail
		return ""
	}
	return string(text)
}

// Count returns the number of containers.
func (w Workload) Count() int {
	n := 0
	for _, p := range w.Pods {
		n += len(p.Containers)
	}
	return n
}

// ContainerDigest names everything that container c of p depends on: one that
// runs and has the same digest is left alone.
func (p PodWorkload) ContainerDigest(c labs.Container) string {
	c.Readiness = nil // another probe needs no other process
	p.RestartPolicy = ""
	p.Containers = []labs.Container{c}
	return digest(Workload{[]PodWorkload{p}}.String())
}

// digests maps NAMESPACE/POD/CONTAINER to a name for the container's text.
func (w Workload) digests() map[string]string {
	all := map[string]string{}
	for _, p := range w.Pods {
		for _, c := range p.Containers {
			one := p
			one.Containers = []labs.Container{c}
			all[p.ID+"/"+c.Name] = digest(Workload{[]PodWorkload{one}}.String())
		}
	}
	return all
}
