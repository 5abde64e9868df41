package provision

import (
	"fmt"
	"iter"
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

// describe writes an object's key and attributes on one line. A ruleset and a
// file are too long for that; they say how many lines they have.
func describe(o Object) string {
	var b strings.Builder
	b.WriteString(o.Key().String())
	for _, a := range o.Attrs() {
		switch {
		case a.Value == "" || a.Value == "none" || a.Value == "unicast" || (a.Name == "onlink" && a.Value == "off"):
		case strings.Contains(a.Value, "\n"):
			fmt.Fprintf(&b, " (%d lines)", strings.Count(a.Value, "\n"))
		default:
			b.WriteString(" " + a.Name + " " + a.Value)
		}
	}
	return b.String()
}
