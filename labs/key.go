package labs

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Key is a key of the lab file and all that is known about it. The help, the
// JSON Schema and the reference are made of it. It is built of the tags of the
// structs of [Spec]:
//
//	doc      what it means, one line without a period at its end
//	default  the default as it would be written; "none" for an empty list or map;
//	         "required"; or, after a ~, words for what the file does not hold
//	example  a value as it is written on one line
//	enum     the values it can have, with commas
//	range    the least and the greatest number
//	match    the name of a pattern its texts have (see patterns)
//	keys     the keys that a map can have
//	least    the smallest number of entries
type Key struct {
	Name    string // as it is written; empty for the lab as a whole
	Path    string // with the keys it lies in, such as pods.containers.name
	Type    string // in words, such as list of maps
	Doc     string
	Default string   // as people read it; empty where it is required
	Example string   // YAML on one line
	Enum    []string // allowed values; nil for any
	Keys    []Key    // of the map, or of each map of the list

	Required bool

	literal  bool // the default is a value and not words
	shape    shape
	element  shape // of a list or a map
	low      float64
	high     float64
	ranged   bool
	match    string
	keyNames []string
	least    int
}

// shape is how a value is written.
type shape int

const (
	aText    shape = iota
	aLoose         // text, number or truth
	aNumber        // whole
	aTruth         // true or false
	aSeconds       // a number
	aMap           // with fixed keys
	aFreeMap       // with keys of the author's choosing
	aList
	several // one, or a list of them
)

// Format returns the lab file as a whole: its Keys are those of the top level,
// in the order in which they are documented. Keys that are reserved for later
// are not among them. The result is shared; do not change it.
func Format() Key { return format() }

var format = sync.OnceValue(func() Key {
	k := Key{Type: "map", Doc: "a lab", shape: aMap, Required: true}
	k.Keys = keysOf(reflect.TypeFor[Spec](), "")
	return k
})

func keysOf(t reflect.Type, path string) []Key {
	var keys []Key
	for i := range t.NumField() {
		f := t.Field(i)
		if name := f.Tag.Get("yaml"); name != "" && f.Type != reflect.TypeFor[Reserved]() {
			keys = append(keys, newKey(f, name, join(path, name)))
		}
	}
	return keys
}

func newKey(f reflect.StructField, name, path string) Key {
	tag := f.Tag.Get
	k := Key{Name: name, Path: path, Doc: tag("doc"), Example: tag("example"), match: tag("match"), keyNames: list(tag("keys")), Enum: list(tag("enum"))}
	k.least, _ = strconv.Atoi(tag("least"))
	if low, high, ok := strings.Cut(tag("range"), "-"); ok {
		k.ranged = true
		k.low, _ = strconv.ParseFloat(low, 64)
		k.high, _ = strconv.ParseFloat(high, 64)
	}
	words, isWords := strings.CutPrefix(tag("default"), "~")
	k.Default, k.Required, k.literal = words, words == "required", !isWords && words != "required"
	if k.Required {
		k.Default = ""
	}
	k.shapeOf(f.Type)
	return k
}

func list(tag string) []string {
	if tag == "" {
		return nil
	}
	return strings.Split(tag, ",")
}

// shapeOf finds out how a key is written from the type of its field.
func (k *Key) shapeOf(t reflect.Type) {
	items, isList := t.FieldByName("Items")
	entries, isMap := t.FieldByName("Entries")
	value, isScalar := t.FieldByName("Value")
	switch {
	case isList:
		k.shape, k.element = aList, aMap
		element := items.Type.Elem()
		if v, ok := element.FieldByName("Value"); ok {
			k.element = scalar(v.Type)
			k.Type = "list of " + shapeName(k.element, true)
		} else {
			k.Keys = keysOf(element, k.Path)
			k.Type = "list of maps"
		}
		if strings.HasPrefix(t.Name(), "Several") {
			k.shape = several
			k.Type = shapeName(k.element, false) + ", or a list of them"
		}
	case isMap:
		v, _ := entries.Type.Elem().FieldByName("Value")
		inner, _ := v.Type.FieldByName("Value")
		k.shape, k.element = aFreeMap, scalar(inner.Type)
		k.Type = "map of " + shapeName(k.element, true)
	case isScalar:
		k.shape = scalar(value.Type)
		k.Type = shapeName(k.shape, false)
	default:
		k.shape, k.Type = aMap, "map"
		k.Keys = keysOf(t, k.Path)
	}
}

func scalar(t reflect.Type) shape {
	switch t {
	case reflect.TypeFor[int]():
		return aNumber
	case reflect.TypeFor[bool]():
		return aTruth
	case reflect.TypeFor[Seconds]():
		return aSeconds
	case reflect.TypeFor[Loose]():
		return aLoose
	}
	return aText
}

func shapeName(s shape, plural bool) string {
	name := map[shape]string{aText: "text", aLoose: "text", aNumber: "whole number", aTruth: "true or false", aSeconds: "number"}[s]
	if plural {
		name += "s"
	}
	return name
}

// Allowed says in words which values k can have, or "" where any text will do
// or the type says it all.
func (k Key) Allowed() string {
	switch {
	case len(k.Enum) > 0:
		return strings.Join(k.Enum, ", ")
	case k.ranged:
		text := strconv.FormatFloat(k.low, 'f', -1, 64) + " to " + strconv.FormatFloat(k.high, 'f', -1, 64)
		if k.shape == aText {
			text += ", or a name"
		}
		return text
	case len(k.keyNames) > 0:
		return strings.Join(k.keyNames, ", ")
	}
	return ""
}

// Find returns the key of a path below k: names with dots, in which a list may
// have an index, such as pods[0].containers. The error is a [*RefError].
func (k Key) Find(path string) (Key, error) {
	at := k
	for name := range strings.SplitSeq(path, ".") {
		name, _, _ = strings.Cut(name, "[")
		i := slices.IndexFunc(at.Keys, func(k Key) bool { return k.Name == name })
		if i < 0 {
			return Key{}, k.unknown(at, name)
		}
		at = at.Keys[i]
	}
	return at, nil
}

// unknown says that a key has no key of some name, and where there is one.
func (k Key) unknown(at Key, name string) *RefError {
	e := &RefError{Message: "there is no key " + quote(join(at.Path, name))}
	var names, elsewhere []string
	for _, sub := range at.Keys {
		names = append(names, sub.Name)
	}
	for sub := range k.All {
		if sub.Name == name {
			elsewhere = append(elsewhere, sub.Path)
		}
	}
	switch near := nearest(name, names); {
	case near != "":
		e.Hint = "did you mean " + join(at.Path, near) + "?"
	case len(elsewhere) > 0:
		e.Hint = "there is " + strings.Join(elsewhere, ", ")
	case len(names) > 0:
		e.Hint = "there are " + strings.Join(names, ", ")
	default:
		e.Hint = at.Path + " has no keys below it"
	}
	return e
}

// All yields every key below k, each before those in it.
func (k Key) All(yield func(Key) bool) {
	k.walk(yield)
}

func (k Key) walk(yield func(Key) bool) bool {
	for _, sub := range k.Keys {
		if !yield(sub) || !sub.walk(yield) {
			return false
		}
	}
	return true
}
