package labs

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxLabel   = 63 // of any name, as DNS has it
	maxLabName = 40 // of a lab's name, so that paths with it stay short
)

// MaxName is how many characters the name of a lab has at most.
const MaxName = maxLabName

var label = newPattern(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// label returns the name in n, or reports that it is missing in owner or is
// not a DNS label.
func (r *resolver) label(n At[string], owner Place, key string, longest int) string {
	if !n.Written() {
		r.missing(owner, key)
		return ""
	}
	if n.Bad {
		return ""
	}
	if why := notALabel(n.Value, longest); why != "" {
		r.errorf(n.Place, labelHint(n.Value, longest), "%s %s", quote(n.Value), why)
	}
	return n.Value
}

// missing reports that owner lacks a key, unless owner has a key that could
// not be read and may have been that one.
func (r *resolver) missing(owner Place, key string) {
	if !owner.mayHave(key) {
		r.errorf(owner, "", "%s is missing", key)
	}
}

// notALabel says what keeps name from being a DNS label, or "".
func notALabel(name string, longest int) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > longest:
		return fmt.Sprintf("has %d characters, more than %d", len(name), longest)
	case !label.MatchString(name):
		return "is not a name: lower-case letters, digits and dashes, no dash at the ends"
	}
	return ""
}

// labelHint proposes the nearest DNS label.
func labelHint(name string, longest int) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		if b.Len() >= longest {
			break
		}
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		} else if b.Len() > 0 {
			b.WriteByte('-')
		}
	}
	if near := strings.Trim(b.String(), "-"); near != "" {
		return "for instance " + quote(near)
	}
	return ""
}

// claimName records the name of a node, a bridge or a pod of namespace
// default. They share one space of names, since a command may name any.
func (r *resolver) claimName(n At[string], kind string) {
	if !n.OK() {
		return
	}
	if before, taken := r.names[n.Value]; taken {
		r.errorf(n.Place, "names of nodes, bridges and pods are unique", "%s is already the name of %s", quote(n.Value), before)
		return
	}
	r.names[n.Value] = owner{"a " + kind, n.Pos}
}

func lineOf(p Pos) string { return fmt.Sprintf(" on line %d", p.Line) }

// oneOf returns the value of a, or def if there is none, and reports a value
// that is not among those allowed.
func (r *resolver) oneOf(a At[string], def string, allowed ...string) string {
	if !a.OK() {
		return def
	}
	for _, v := range allowed {
		if a.Value == v {
			return v
		}
	}
	hint := ""
	if near := r.nearest(a.Value, allowed); near != "" {
		hint = "did you mean " + quote(near) + "?"
	}
	r.errorf(a.Place, hint, "%s should be %s", quote(a.Value), or(allowed))
	return def
}

// or joins words as in "a, b or c".
func or(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// inRange returns the value of a, or def if there is none, and reports a
// number that is not from low to high.
func (r *resolver) inRange(a At[int], def, low, high int) int {
	if !a.OK() {
		return def
	}
	if a.Value < low || a.Value > high {
		r.errorf(a.Place, "", "%d should be from %d to %d", a.Value, low, high)
		return def
	}
	return a.Value
}

// counted writes a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// ValidName reports whether a lab may be called name.
func ValidName(name string) bool { return notALabel(name, maxLabName) == "" }
