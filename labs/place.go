package labs

import "slices"

// Place says where in a lab file something was written.
type Place struct {
	Pos  Pos
	Path string // path in the document, such as pods[0].node

	// Bad says that what stands there could not be read, or not all of it. It
	// has been reported; nothing that may follow from it should be.
	Bad bool

	meant []string // keys of a map that the author probably misspelt
}

// before reports whether p comes before q in the file.
func (p Pos) before(q Pos) bool {
	return p.Line < q.Line || p.Line == q.Line && p.Column < q.Column
}

// Written reports whether the author wrote it.
func (p Place) Written() bool { return p.Pos.Line > 0 }

// OK reports whether it was written and could be read.
func (p Place) OK() bool { return p.Written() && !p.Bad }

func (p *Place) setPlace(at Place) { *p = at }

func (p *Place) spoil() { p.Bad = true }

func (p *Place) means(key string) { p.meant = append(p.meant, key) }

// mayHave reports whether a map that lacks a key may have it all the same: it
// could not be read, or the key is misspelt.
func (p Place) mayHave(keys ...string) bool {
	return p.Bad || slices.ContainsFunc(keys, func(k string) bool { return slices.Contains(p.meant, k) })
}

// join appends a key to a path in the document.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// At is a scalar together with the place it was written.
type At[T any] struct {
	Place
	Value T
}

// Or returns the value, or def where there is none.
func (a At[T]) Or(def T) T {
	if a.OK() {
		return a.Value
	}
	return def
}

// List is a list of a lab file. Entries that could not be read are not in it.
type List[T any] struct {
	Place
	Items []T
}

// Several is one scalar or a list of them.
type Several[T any] struct {
	Place
	Items []At[T]
}

// Map is a map of a lab file with keys of the author's choosing, in the order
// of the file.
type Map[T any] struct {
	Place
	Entries []Entry[T]
}

// Entry is one key of a [Map] and its value.
type Entry[T any] struct {
	Key   At[string]
	Value At[T]
}

// Reserved is a key that has no meaning yet and is refused.
type Reserved struct{ Place }

// Loose is a text that may also be written as a number or as true or false,
// which become 1 and 0.
type Loose string

// Seconds is a number of seconds that may have decimals.
type Seconds float64
