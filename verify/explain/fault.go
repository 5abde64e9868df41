package explain

import (
	"slices"
	"strings"

	"netlab/provision"
	"netlab/provision/netfilter"
	"netlab/trace"
	"netlab/verify"
)

// fault is one thing of the lab that is not as its file says: an object, and
// whatever the kernel took along with it.
type fault struct {
	step  provision.Step // the object itself
	steps []provision.Step
	lines []string // of a Ruleset: what differs, rule by rule

	drift *verify.Drift // what State checks see of it; made when it is needed
	paper *trace.Paper  // the lab with this fault and no other; made when it is needed
}

// faultsOf sorts the differences from a lab into faults. What is missing because
// something else is, such as the routes of an interface, goes with that.
func faultsOf(plan provision.Plan) []*fault {
	steps := plan.Steps
	parent := make([]int, len(steps))
	for i := range parent {
		parent[i] = i
	}
	root := func(i int) int {
		for parent[i] != i {
			i = parent[i]
		}
		return i
	}
	provides, frees := map[provision.Key]int{}, map[provision.Key]int{}
	addrs := map[[2]string]int{}
	for i, s := range steps {
		if s.Op == provision.Delete {
			for _, c := range s.Object.Claims() {
				frees[c] = i
			}
			continue
		}
		if !carries(s) {
			continue
		}
		for _, c := range s.Object.Claims() {
			provides[c] = i
		}
		if a, ok := s.Object.(provision.Addr); ok && s.Op == provision.Create {
			addrs[[2]string{a.NS, a.Dev}] = i
		}
	}
	macs := map[[2]string]int{}
	for i, s := range steps { // the kernel forgets neighbours with the MAC of an interface
		if slices.ContainsFunc(s.Differences(), func(d provision.Difference) bool { return d.Attr == "mac" || d.Attr == "peer-mac" }) {
			for _, c := range s.Object.Claims() {
				macs[[2]string{c.NS, c.Name}] = i
			}
		}
	}
	join := func(i, j int) { parent[root(i)] = root(j) }
	for i, s := range steps {
		switch s.Object.(type) {
		case provision.Supervisor, provision.File:
			continue
		}
		for _, n := range s.Object.Needs() {
			if j, ok := provides[n]; ok && s.Op == provision.Create {
				join(i, j)
			}
			if j, ok := frees[n]; ok && s.Op == provision.Delete { // an address of an interface that should not be there
				join(i, j)
			}
		}
		if s.Op == provision.Delete {
			continue
		}
		for _, c := range s.Object.Claims() {
			if j, ok := frees[c]; ok {
				join(i, j)
			}
		}
		if s.Op != provision.Create {
			continue
		}
		for _, dev := range devices(s.Object) {
			for _, from := range []map[[2]string]int{addrs, macs} {
				if j, ok := from[[2]string{s.Object.Key().NS, dev}]; ok && j != i {
					join(i, j)
				}
			}
		}
	}
	for i, s := range steps { // an address that became another one
		gone, ok := s.Object.(provision.Addr)
		if j, has := addrs[[2]string{gone.NS, gone.Dev}]; ok && has && s.Op == provision.Delete && steps[j].Object.(provision.Addr).Prefix.Addr().Is4() == gone.Prefix.Addr().Is4() {
			join(i, j)
		}
	}
	for i, s := range steps { // a rule that leads to a table, and what people put there
		r, ok := s.Object.(provision.Rule)
		for j, o := range steps {
			if t, route := o.Object.(provision.Route); ok && route && t.NS == r.NS && t.Table == r.Table && t.Table != provision.MainTable && o.Op == s.Op {
				join(i, j)
			}
		}
	}
	groups := map[int]*fault{}
	var list []*fault
	for i, s := range steps {
		f := groups[root(i)]
		if f == nil {
			f = &fault{step: s}
			groups[root(i)] = f
			list = append(list, f)
		}
		f.steps = append(f.steps, s)
		if before(s, f.step) {
			f.step = s
		}
	}
	for _, f := range list {
		if now, ok := f.step.Object.(provision.Ruleset); ok && f.step.Op == provision.Update {
			old := f.step.Old.(provision.Ruleset)
			if f.lines = netfilter.Changes(old.Text, now.Text); old.Unreadable != "" {
				f.lines = append(f.lines, old.Unreadable+": holds rules that iptables cannot read")
			}
		}
	}
	return list
}

// devices returns the interfaces with whose addresses an object goes.
func devices(o provision.Object) []string {
	switch o := o.(type) {
	case provision.Route:
		var list []string
		for _, h := range o.AllHops() {
			list = append(list, h.Dev)
		}
		return list
	case provision.Neigh:
		return []string{o.Dev}
	case provision.FDB:
		return []string{o.Dev}
	}
	return nil
}

// carries reports whether a step mends something that other objects went with.
func carries(s provision.Step) bool {
	if s.Op == provision.Create {
		return true
	}
	for _, d := range s.Differences() {
		switch d.Attr {
		case "state", "peer-state", "peer", "name":
			return true
		}
	}
	return false
}

// before reports whether a is rather the fault itself than b, which is of the
// same fault.
func before(a, b provision.Step) bool {
	rank := func(s provision.Step) int {
		r := 4 * int(s.Object.Key().Kind)
		if _, ok := s.Object.(provision.VXLAN); ok {
			r++ // goes with the interface below it
		}
		if s.Op == provision.Delete {
			r += 1000
		}
		return r
	}
	return rank(a) < rank(b)
}

// holds reports whether f is about an object.
func (f *fault) holds(k provision.Key) bool {
	return slices.ContainsFunc(f.steps, func(s provision.Step) bool { return s.Object.Key() == k })
}

// lab returns the lab as it would be with this fault and no other.
func (f *fault) lab(desired provision.State, vxlanPort uint16) *trace.Paper {
	if f.paper != nil {
		return f.paper
	}
	gone, put := map[provision.Key]bool{}, []provision.Object(nil)
	for _, s := range f.steps {
		switch s.Op {
		case provision.Create:
			gone[s.Object.Key()] = true
		case provision.Update:
			put = append(put, s.Old)
		case provision.Delete:
			put = append(put, s.Object)
		}
	}
	var objects []provision.Object
	for o := range desired.All() {
		if !gone[o.Key()] {
			objects = append(objects, o)
		}
	}
	f.paper = trace.NewPaper(provision.NewState(desired.Lab, append(objects, put...)...), vxlanPort)
	return f.paper
}

// harmless are words that people may leave at an interface without any packet
// noticing.
var harmless = []string{"alias ", "altname ", "group ", "txqueuelen ", "addrgenmode "}

// sizes reports whether f changes how large packets may be.
func (f *fault) sizes() bool {
	return slices.ContainsFunc(f.steps, func(s provision.Step) bool {
		return slices.ContainsFunc(s.Differences(), func(d provision.Difference) bool { return strings.HasSuffix(d.Attr, "mtu") }) ||
			strings.Contains(s.Reason, "mtu ")
	})
}

// matters reports whether an update changes anything that a packet can notice.
func matters(s provision.Step) bool {
	if s.Op != provision.Update {
		return true
	}
	for _, d := range s.Differences() {
		switch d.Attr {
		case "mark", "names", "witness", "peer-alias", "condition":
			continue
		case "extra", "peer-extra":
			words := strings.Split(d.Is, ", ")
			if !slices.ContainsFunc(words, func(w string) bool {
				return w != "" && !slices.ContainsFunc(harmless, func(h string) bool { return strings.HasPrefix(w, h) })
			}) {
				continue
			}
		}
		return true
	}
	return false
}
