package provision

import (
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// State is a set of kernel objects of one lab, desired or observed. The zero
// State is empty: it is what a lab that is down looks like. A State is built
// once and then only read, from any number of goroutines.
type State struct {
	Lab     string // name of the lab
	objects map[Key]Object

	// free holds the namespaces in which links, addresses, routes, rules,
	// neighbours and FDB entries that the lab does not ask for stay: the nodes
	// of a lab in mode none, where the student does the wiring.
	free map[string]bool

	// secondary holds the addresses that go with another of their subnet.
	secondary map[Key]bool

	// former is what the lab was when it was applied last; see After.
	former map[Key]Object

	brief bool // see Briefly

	uplinks []uplink       // of a desired state: what may have to be placed elsewhere
	taken   []netip.Prefix // of an observed state: see WithTaken
}

// NewState returns the state of a lab that consists of objects. Of two objects
// with the same key the later one counts.
func NewState(lab string, objects ...Object) State {
	s := State{Lab: lab, objects: make(map[Key]Object, len(objects))}
	for _, o := range objects {
		s.objects[o.Key()] = o
	}
	return s
}

// Get returns the object with key k.
func (s State) Get(k Key) (Object, bool) {
	o, ok := s.objects[k]
	return o, ok
}

// Len returns the number of objects.
func (s State) Len() int { return len(s.objects) }

// Namespaces returns the names of the namespaces in s, in no particular order.
func (s State) Namespaces() []string {
	var names []string
	for k := range s.objects {
		if k.Kind == KindNamespace {
			names = append(names, k.NS)
		}
	}
	return names
}

// All yields the objects in no particular order.
func (s State) All() iter.Seq[Object] {
	return func(yield func(Object) bool) {
		for _, o := range s.objects {
			if !yield(o) {
				return
			}
		}
	}
}

// Sorted returns the objects ordered by kind, namespace and name.
func (s State) Sorted() []Object {
	all := slices.Collect(s.All())
	slices.SortFunc(all, func(a, b Object) int { return compareKeys(a.Key(), b.Key()) })
	return all
}

// String lists the objects, a line each, for people and golden files.
func (s State) String() string {
	var b strings.Builder
	for _, o := range s.Sorted() {
		fmt.Fprintln(&b, describe(o))
	}
	return b.String()
}

// After returns s with the knowledge of what the lab was when it was applied
// last. What former had and s has not is ours to remove, also where people may
// add things of their own, and its sysctls go back to the kernel's default.
func (s State) After(former State) State {
	s.former = former.objects
	return s
}

// WithSecondary returns s with the knowledge of which addresses are secondary:
// the kernel removes them together with the first one of their subnet.
func (s State) WithSecondary(addrs map[Key]bool) State {
	s.secondary = addrs
	return s
}

// Briefly returns s for a look that need not tell what is in namespaces that s
// does not have: whoever only wants to be rid of them is spared the reading.
func (s State) Briefly() State {
	s.brief = true
	return s
}

// Brief reports whether [State.Briefly] was called.
func (s State) Brief() bool { return s.brief }

// Hint returns what to observe for s: its objects, and the sysctls and addresses
// that the lab had when it was applied last, some of which look like the
// kernel's own.
func (s State) Hint() State {
	hint := State{Lab: s.Lab, objects: make(map[Key]Object, len(s.objects))}
	for k, o := range s.former {
		if k.Kind == KindSysctl || k.Kind == KindLinkSysctl || k.Kind == KindAddr {
			hint.objects[k] = o
		}
	}
	maps.Copy(hint.objects, s.objects)
	return hint
}

// usual are attributes that say nothing when they have these values.
var usual = map[Attr]bool{
	{"lo", "up"}: true, {"rules", "default"}: true, {"names", "on"}: true, {"witness", "on"}: true,
	{"type", string(Unicast)}: true, {"via", "none"}: true, {"onlink", "off"}: true, {"route", "present"}: true, {"mode", "0644"}: true, {"src", "none"}: true,
	{"process", Running}: true, {"dst", "none"}: true, {"state", "up"}: true, {"peer-state", "up"}: true, {"stp", "off"}: true, {"snooping", "off"}: true,
}

// describe writes an object's key and attributes on one line. A ruleset and a
// file are too long for that; they say how many lines they have.
func describe(o Object) string {
	var b strings.Builder
	b.WriteString(o.Key().String())
	for _, a := range o.Attrs() {
		switch {
		case a.Value == "" || usual[a]:
		case strings.Contains(a.Value, "\n"):
			fmt.Fprintf(&b, " (%d lines)", strings.Count(a.Value, "\n"))
		default:
			b.WriteString(" " + a.Name + " " + a.Value)
		}
	}
	return b.String()
}

// Strict returns s without the freedom to add things in the given namespaces.
func (s State) Strict(namespaces []string) State {
	free := maps.Clone(s.free)
	for _, ns := range namespaces {
		delete(free, ns)
	}
	s.free = free
	return s
}

// Within returns what have becomes if only the given namespaces become what s
// says, and the far ends of the cables that lead there. Where routes by way of a
// gateway hang on such an end, all that decides about routes becomes so as well:
// the kernel looks for the gateway by the rules and routes that are there.
func (s State) Within(have State, namespaces []string) State {
	inside := map[Key]bool{} // names that are in the namespaces, or hang on a cable from there
	for _, state := range []State{s, have} {
		for _, o := range state.objects {
			claims := o.Claims()
			if slices.ContainsFunc(claims, func(k Key) bool { return slices.Contains(namespaces, k.NS) }) {
				for _, c := range claims {
					inside[c] = true
				}
			}
		}
	}
	hangs := func(o Object) bool {
		return slices.ContainsFunc(o.Needs(), func(k Key) bool { return k.Kind == KindLink && inside[k] })
	}
	routed := map[string]bool{} // namespaces at far ends that route by way of them
	for _, o := range s.objects {
		r, ok := o.(Route)
		if !ok || !hangs(r) || !slices.ContainsFunc(r.AllHops(), func(h Hop) bool { return h.Via.IsValid() }) {
			continue
		}
		if ns, ok := have.objects[nsKey(r.NS)].(Namespace); ok && ns.Condition == Sound {
			routed[r.NS] = true
		}
	}
	touched := func(o Object) bool {
		switch o := o.(type) {
		case Namespace:
			if routed[o.Name] {
				return true
			}
		case Rule:
			if routed[o.NS] {
				return true
			}
		case Route:
			if routed[o.NS] {
				return true
			}
		}
		return slices.ContainsFunc(o.Claims(), func(k Key) bool { return inside[k] }) || hangs(o)
	}
	part := s
	part.objects = map[Key]Object{}
	for k, o := range s.objects {
		if touched(o) {
			part.objects[k] = o
		}
	}
	for k, o := range have.objects {
		if n, ok := o.(Namespace); ok && n.Condition == Foreign {
			continue
		}
		if !touched(o) {
			part.objects[k] = o
		}
	}
	// A cable cannot lead to a namespace that is not there and is to stay so, nor
	// can anything hang on it.
	for again := true; again; {
		again = false
		names := map[Key]bool{}
		for _, o := range part.objects {
			if n, ok := o.(Namespace); ok && n.Condition != Sound {
				continue // a name with nothing behind it
			}
			for _, c := range o.Claims() {
				names[c] = true
			}
		}
		for k, o := range part.objects {
			if _, there := have.objects[k]; there {
				continue
			}
			if slices.ContainsFunc(o.Needs(), func(n Key) bool { return (n.Kind == KindNamespace || n.Kind == KindLink) && !names[n] }) {
				delete(part.objects, k)
				again = true
			}
		}
	}
	return part
}
