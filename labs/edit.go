package labs

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// editor changes the text of a file in places, and leaves the rest of it alone.
type editor struct {
	text  string
	lines []int // offsets of the beginnings of lines
	edits []edit
}

// edit replaces some bytes of a text by others.
type edit struct {
	at, remove int
	insert     string
}

func newEditor(data []byte) *editor {
	e := &editor{text: strings.TrimPrefix(string(data), "\ufeff"), lines: []int{0}}
	for i := range len(e.text) {
		if e.text[i] == '\n' {
			e.lines = append(e.lines, i+1)
		}
	}
	return e
}

// offset returns where a line and a column, both counted from 1, are in the
// text.
func (e *editor) offset(line, column int) int {
	at := e.lines[line-1]
	for range column - 1 {
		_, size := utf8.DecodeRuneInString(e.text[at:])
		at += size
	}
	return at
}

// apply returns the text with all edits made.
func (e *editor) apply() []byte {
	slices.SortStableFunc(e.edits, func(a, b edit) int { return cmp.Compare(a.at, b.at) })
	var b strings.Builder
	done := 0
	for _, x := range e.edits {
		b.WriteString(e.text[done:x.at] + x.insert)
		done = x.at + x.remove
	}
	b.WriteString(e.text[done:])
	return []byte(b.String())
}

// insertInBraces adds words at the end of a map in braces.
func (e *editor) insertInBraces(n *yaml.Node, words string) {
	open := e.offset(n.Line, n.Column)
	open += strings.IndexByte(e.text[open:], '{') // an anchor may come first
	last, empty, comma := e.lastOf(open)
	switch {
	case empty:
	case comma:
		words = " " + words
	default:
		words = ", " + words
	}
	e.edits = append(e.edits, edit{at: last, insert: words})
}

// lastOf returns the offset behind the last thing in the braces or brackets
// that open at some offset, whether there is nothing in them, and whether it
// is a comma.
func (e *editor) lastOf(open int) (last int, empty, comma bool) {
	depth, fresh, first := 0, true, true
	last = open + 1
	empty = true
	for i := open; i < len(e.text); i++ {
		c := e.text[i]
		switch {
		case c == '{' || c == '[':
			depth++
			fresh = true
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return last, empty, comma
			}
			fresh = false
		case c == '#' && strings.ContainsRune(" \t\n", rune(e.text[i-1])):
			i += strings.IndexByte(e.text[i:]+"\n", '\n')
			continue
		case fresh && (c == '"' || c == '\''):
			end, _ := afterQuote(e.text[i+1:], c)
			i += end
			fresh = false
		case c == ',' || c == ':':
			fresh = true
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			fresh = false
		}
		if !first && i < len(e.text) && !strings.ContainsRune(" \t\n\r", rune(e.text[i])) {
			last, empty, comma = i+1, false, c == ',' && depth == 1
		}
		first = false
	}
	return last, empty, comma
}

// insertLine adds a line below another one, with words in some column.
func (e *editor) insertLine(line, column int, words string) {
	text := strings.Repeat(" ", column-1) + words
	if line >= len(e.lines) { // the last line, without an end
		e.edits = append(e.edits, edit{at: len(e.text), insert: "\n" + text})
		return
	}
	e.edits = append(e.edits, edit{at: e.lines[line], insert: text + "\n"})
}

// insertBefore adds words on a line of their own in front of a key.
func (e *editor) insertBefore(key *yaml.Node, words string) {
	at := e.offset(key.Line, key.Column)
	e.edits = append(e.edits, edit{at: at, insert: words + "\n" + strings.Repeat(" ", key.Column-1)})
}

// replace puts words in the place of a scalar on one line or a list in
// brackets, and reports whether it could.
func (e *editor) replace(n *yaml.Node, words string) bool {
	at := e.offset(n.Line, n.Column)
	size := len(n.Value)
	switch {
	case n.Kind == yaml.SequenceNode && n.Style&yaml.FlowStyle != 0 && e.text[at] == '[':
		last, _, _ := e.lastOf(at)
		size = last + strings.IndexByte(e.text[last:], ']') + 1 - at
	case n.Kind != yaml.ScalarNode:
		return false
	case e.text[at] == '"' || e.text[at] == '\'':
		end, _ := afterQuote(e.text[at+1:], e.text[at])
		size = end + 1
	}
	e.edits = append(e.edits, edit{at: at, remove: size, insert: words})
	return true
}

// alike reports whether two labs are the same but for where things stand in
// their files.
func alike(a, b *Lab) bool { return alikeValues(reflect.ValueOf(*a), reflect.ValueOf(*b)) }

func alikeValues(a, b reflect.Value) bool {
	switch a.Interface().(type) {
	case Pos:
		return true
	case netip.Addr, netip.Prefix:
		return a.Interface() == b.Interface()
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Type().Field(i).IsExported() && !alikeValues(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !alikeValues(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() && b.IsNil()
		}
		return alikeValues(a.Elem(), b.Elem())
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
