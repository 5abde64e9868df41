package labs

import (
	"math"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Hints on how a value of the right kind is written.
const (
	listHint = "write it as [ONE, TWO], or each on a line of its own after a dash"
	mapHint  = "write it as {KEY: VALUE}, or each KEY: VALUE on a line of its own"
)

var decimal = newPattern(`^[+-]?[0-9]+$`)

func (a *At[T]) decode(d *decoder, n *yaml.Node, at Place) {
	a.Place = at
	ok := false
	switch v := any(&a.Value).(type) {
	case *string:
		*v, ok = d.text(n, at)
	case *Loose:
		var s string
		s, ok = d.loose(n, at)
		*v = Loose(s)
	case *int:
		*v, ok = d.number(n, at)
	case *bool:
		*v, ok = d.truth(n, at)
	case *Seconds:
		*v, ok = d.seconds(n, at)
	}
	a.Bad = !ok
}

// text reads a text. A number is taken as it is written.
func (d *decoder) text(n *yaml.Node, at Place) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.wrongKind(n, at, "a text", "")
	case isNull(n):
		d.errorf(at, "give it a value or leave the key out", "is empty")
	case n.ShortTag() == "!!bool":
		d.wrongKind(n, at, "a text", "put it in quotes if that is what you mean")
	default:
		return n.Value, true
	}
	return "", false
}

func (d *decoder) loose(n *yaml.Node, at Place) (string, bool) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		if strings.EqualFold(n.Value, "true") {
			return "1", true
		}
		return "0", true
	}
	return d.text(n, at)
}

func (d *decoder) number(n *yaml.Node, at Place) (int, bool) {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	plain := n.Kind == yaml.ScalarNode && n.Style&quoted == 0 && decimal.MatchString(n.Value)
	if !plain && (n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int") {
		hint := ""
		if n.Kind == yaml.ScalarNode && decimal.MatchString(n.Value) {
			hint = "leave the quotes out"
		}
		d.wrongKind(n, at, "a whole number", hint)
		return 0, false
	}
	digits := strings.TrimLeft(n.Value, "+-")
	if !decimal.MatchString(n.Value) || len(digits) > 1 && digits[0] == '0' {
		d.errorf(at, "", "%s should be a whole number in plain decimal digits", quote(n.Value))
		return 0, false
	}
	i, err := strconv.Atoi(n.Value)
	if err != nil {
		d.errorf(at, "", "%s is too large a number", quote(n.Value))
		return 0, false
	}
	return i, true
}

func (d *decoder) truth(n *yaml.Node, at Place) (value, ok bool) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
		switch strings.ToLower(n.Value) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	hint := ""
	if n.Kind == yaml.ScalarNode {
		switch strings.ToLower(n.Value) {
		case "true", "false":
			hint = "leave the quotes out"
		case "yes", "on", "y":
			hint = "write true"
		case "no", "off", "n":
			hint = "write false"
		}
	}
	d.wrongKind(n, at, "true or false", hint)
	return false, false
}

// maxSeconds bounds what a probe may wait, a day, so that no arithmetic on
// durations can overflow.
const maxSeconds = 86400

func (d *decoder) seconds(n *yaml.Node, at Place) (Seconds, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" && n.ShortTag() != "!!float" {
		d.wrongKind(n, at, "a number of seconds", "")
		return 0, false
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > maxSeconds {
		d.errorf(at, "", "%s should be a number of seconds from 0 to %d", quote(n.Value), maxSeconds)
		return 0, false
	}
	return Seconds(f), true
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func (d *decoder) wrongKind(n *yaml.Node, at Place, want, hint string) {
	d.errorf(at, hint, "is %s, should be %s", kind(n), want)
}

// kind says in the author's words what n is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!bool":
		return n.Value
	case "!!int", "!!float":
		return "the number " + n.Value
	}
	return "the text " + quote(n.Value)
}
