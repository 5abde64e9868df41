package provision

import (
	"fmt"
	"slices"
	"strings"
)

// Op is what a step does to its object.
type Op byte

// The operations, which are also the marks in a printed plan.
const (
	Create Op = '+'
	Update Op = '~' // change in place, keeping the object's identity
	Delete Op = '-'
)

// String returns the operation as a verb.
func (o Op) String() string {
	switch o {
	case Create:
		return "create"
	case Update:
		return "update"
	case Delete:
		return "delete"
	}
	return "op " + string(rune(o))
}

// Step is one change to one kernel object.
type Step struct {
	Op     Op
	Object Object // for Delete the object to remove, otherwise the object to end with
	Old    Object // the object before an Update, otherwise nil

	// Reason says why the object is made anew instead of changed, on the
	// Create of a pair of Delete and Create. Otherwise empty.
	Reason string

	// After holds the indexes of the steps of the same plan that must have
	// succeeded first. They are all lower than the step's own index.
	After []int
}

// Difference is one attribute that is not as the lab says.
type Difference struct{ Attr, Is, Wanted string }

// Differences lists the attributes that an Update changes.
func (s Step) Differences() []Difference {
	if s.Op != Update || s.Old == nil {
		return nil
	}
	var ds []Difference
	old, want := s.Old.Attrs(), s.Object.Attrs()
	for _, w := range want {
		i := slices.IndexFunc(old, func(o Attr) bool { return o.Name == w.Name })
		switch {
		case i < 0:
			ds = append(ds, Difference{w.Name, "none", w.Value})
		case old[i].Value != w.Value:
			ds = append(ds, Difference{w.Name, old[i].Value, w.Value})
		}
	}
	for _, o := range old {
		if !slices.ContainsFunc(want, func(w Attr) bool { return w.Name == o.Name }) {
			ds = append(ds, Difference{o.Name, o.Value, "none"})
		}
	}
	return ds
}

// String renders s for people. A changed ruleset takes several lines, the
// further ones indented.
func (s Step) String() string {
	mark := string(rune(s.Op)) + " "
	switch s.Op {
	case Delete:
		if sys, ok := s.Object.(Sysctl); ok && sys.Unset != "" {
			return fmt.Sprintf("%s%s: value is %s, lab expects %s", mark, sys.Key(), sys.Value, sys.Unset)
		}
		return mark + s.Object.Key().String()
	case Update:
		if set, ok := s.Object.(Ruleset); ok {
			return mark + set.Key().String() + set.changes(s.Old)
		}
		if sup, ok := s.Object.(Supervisor); ok {
			return mark + sup.Key().String() + sup.changes(s.Old)
		}
		var parts []string
		for _, d := range s.Differences() {
			parts = append(parts, d.String())
		}
		return mark + s.Object.Key().String() + ": " + strings.Join(parts, "; ")
	}
	if s.Reason != "" {
		return mark + describe(s.Object) + " (recreate: " + s.Reason + ")"
	}
	return mark + describe(s.Object)
}

// String says what is and what the lab says.
func (d Difference) String() string {
	if strings.Contains(d.Is+d.Wanted, "\n") {
		return d.Attr + " differs"
	}
	return fmt.Sprintf("%s is %s, lab says %s", d.Attr, orNone(d.Is), orNone(d.Wanted))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Conflict is a wanted name that something else holds, of which nothing says
// that it is ours. It is never touched.
type Conflict struct{ Object Object }

// Error says what stands in the way and what to do.
func (c Conflict) Error() string {
	ns := c.Object.Key().NS
	return fmt.Sprintf("namespace %s exists and is not netlab's: remove it with \"ip netns del %s\" or give the lab another name", ns, ns)
}

// Plan is an ordered list of steps. Carrying them out one by one in order is
// always right; After says which of them may overlap. The zero Plan changes
// nothing.
type Plan struct {
	Steps     []Step
	Conflicts []Conflict // if there are any, there are no steps
}

// Empty reports whether p changes nothing.
func (p Plan) Empty() bool { return len(p.Steps) == 0 && len(p.Conflicts) == 0 }

// String lists the steps, in order, for people and golden files.
func (p Plan) String() string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintln(&b, s)
	}
	for _, c := range p.Conflicts {
		fmt.Fprintln(&b, "! "+c.Error())
	}
	return b.String()
}

// Count returns how many steps do each operation. Delete and Create of an
// object that is made anew count as both.
func (p Plan) Count() (created, updated, deleted int) {
	for _, s := range p.Steps {
		switch s.Op {
		case Create:
			created++
		case Update:
			updated++
		case Delete:
			deleted++
		}
	}
	return created, updated, deleted
}
