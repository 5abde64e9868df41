package labs

import (
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxValues is the number of values a lab file may have, aliases counted as
// often as they are used: a few lines of them can stand for billions.
const maxValues = 200_000

// decoder fills a [Spec] from a YAML document. It goes by the structs of the
// Spec and their tags, and reports what does not fit in the author's words.
type decoder struct {
	*report
	values  int                      // decoded so far
	open    map[*yaml.Node]bool      // maps and lists being decoded, to find what contains itself
	structs map[reflect.Type][]field // fields by type, so that each is looked at once
}

// field is one key of a struct of the Spec.
type field struct {
	index    int
	key      string
	reserved bool
}

// decodable is what knows itself how it is written.
type decodable interface {
	decode(d *decoder, n *yaml.Node, at Place)
}

// value decodes n into v, a pointer to a struct of the Spec or to a decodable.
func (d *decoder) value(n *yaml.Node, path string, v any) {
	at := Place{Pos: position(n), Path: path}
	if !d.count(at) {
		return
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode {
		if d.open[n] {
			d.errorf(at, "", "contains itself, through an alias")
			return
		}
		d.open[n] = true
		defer delete(d.open, n)
	}
	if tag := n.ShortTag(); n.Style&yaml.TaggedStyle != 0 && !knownTag(tag) {
		d.errorf(at, "leave it out", "has the tag %s, which has no meaning in a lab file", quote(tag))
		at.Bad = true
		setPlace(v, at)
		return
	}
	if v, ok := v.(decodable); ok {
		v.decode(d, n, at)
		return
	}
	d.structure(n, at, reflect.ValueOf(v).Elem())
}

// count counts one more value and reports whether there may be so many.
func (d *decoder) count(at Place) bool {
	d.values++
	if d.values == maxValues+1 {
		d.errorf(at, "aliases count as often as they are used", "this is where the file exceeds %d values", maxValues)
	}
	return d.values <= maxValues
}

func setPlace(v any, at Place) {
	if v, ok := v.(interface{ setPlace(Place) }); ok {
		v.setPlace(at)
	}
}

func knownTag(tag string) bool {
	switch tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
		return true
	}
	return false
}

// structure decodes a map with fixed keys.
func (d *decoder) structure(n *yaml.Node, at Place, v reflect.Value) {
	place := v.Addr().Interface().(interface {
		setPlace(Place)
		spoil()
		means(key string)
	})
	if isNull(n) {
		place.setPlace(at)
		return
	}
	if n.Kind != yaml.MappingNode {
		d.wrongKind(n, at, "a map", mapHint)
		at.Bad = true
		place.setPlace(at)
		return
	}
	place.setPlace(at)
	fields := d.fields(v.Type())
	pairs, ok := d.pairs(n, at)
	if !ok {
		place.spoil()
	}
	for _, p := range pairs {
		f, ok := find(fields, p.key)
		if !ok {
			if near := d.unknownKey(p, at, fields); near != "" {
				place.means(near)
			}
			continue
		}
		d.value(p.value, join(at.Path, p.key), v.Field(f.index).Addr().Interface())
	}
}

// unknownKey reports a key that does not exist, and returns the one that was
// probably meant, or "".
func (d *decoder) unknownKey(p pair, at Place, fields []field) string {
	var keys []string
	for _, f := range fields {
		if !f.reserved {
			keys = append(keys, f.key)
		}
	}
	at.Pos = p.pos
	near := d.nearest(p.key, keys)
	hint := "did you mean " + quote(near) + "?"
	if near == "" {
		hint = "the keys are " + strings.Join(keys, ", ")
	}
	d.errorf(at, hint, "unknown key %s", quote(p.key))
	return near
}

// fields lists the keys of a struct of the Spec in the order of the source.
func (d *decoder) fields(t reflect.Type) []field {
	if fields, ok := d.structs[t]; ok {
		return fields
	}
	var fields []field
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			fields = append(fields, field{i, key, t.Field(i).Type == reflect.TypeFor[Reserved]()})
		}
	}
	d.structs[t] = fields
	return fields
}

func find(fields []field, key string) (field, bool) {
	for _, f := range fields {
		if f.key == key {
			return f, true
		}
	}
	return field{}, false
}

func (l *List[T]) decode(d *decoder, n *yaml.Node, at Place) {
	l.Place = at
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.wrongKind(n, at, "a list", listHint)
		l.Bad = true
		return
	}
	for i, c := range n.Content {
		path := at.Path + "[" + strconv.Itoa(i) + "]"
		if d.values > maxValues {
			l.Bad = true
			return
		}
		if isNull(follow(c)) {
			d.errorf(Place{Pos: position(c), Path: path}, "remove it", "is empty")
			l.Bad = true
			continue
		}
		var item T
		d.value(c, path, &item)
		// A map with a mistake in it still has a name that others refer to.
		if p, ok := any(item).(interface{ OK() bool }); ok && !p.OK() && follow(c).Kind != yaml.MappingNode {
			l.Bad = true
			continue
		}
		l.Items = append(l.Items, item)
	}
}

func (s *Several[T]) decode(d *decoder, n *yaml.Node, at Place) {
	if n.Kind == yaml.SequenceNode {
		var l List[At[T]]
		l.decode(d, n, at)
		s.Place, s.Items = l.Place, l.Items
		if len(n.Content) == 0 {
			d.errorf(at, "", "is an empty list")
			s.Bad = true
		}
		return
	}
	var one At[T]
	one.decode(d, n, at)
	s.Place = one.Place
	if one.OK() {
		s.Items = []At[T]{one}
	}
}

func (m *Map[T]) decode(d *decoder, n *yaml.Node, at Place) {
	m.Place = at
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.wrongKind(n, at, "a map", mapHint)
		m.Bad = true
		return
	}
	pairs, ok := d.pairs(n, at)
	m.Bad = !ok
	for _, p := range pairs {
		path := join(at.Path, pathKey(p.key))
		e := Entry[T]{Key: At[string]{Place{Pos: p.pos, Path: path}, p.key}}
		d.value(p.value, path, &e.Value)
		if !e.Value.OK() {
			m.Bad = true
			continue
		}
		m.Entries = append(m.Entries, e)
	}
}

func (r *Reserved) decode(d *decoder, _ *yaml.Node, at Place) {
	r.Place = at
	d.errorf(at, "leave it out", "this key is reserved for later")
}

// pathKey writes a key of the author's choosing for use in a path.
func pathKey(key string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_-./", c)
	}
	if key == "" || len(key) > 80 || strings.ContainsFunc(key, func(c rune) bool { return !plain(c) }) {
		return quote(key)
	}
	return key
}
