package labs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxSize is the size of a lab file, in bytes. A lab of a thousand pods has a
// hundredth of that.
const maxSize = 16 << 20

// Parse reads a lab file. The file's name is used in diagnostics only.
//
// The Spec holds all that could be read and is never nil. It remembers what
// was found wrong, so that [Resolve] adds nothing that follows from it.
func Parse(file string, data []byte) (*Spec, Diagnostics) {
	r := &report{file: file}
	s := &Spec{File: file, text: data, unreadable: true}
	if root := r.document(data); root != nil {
		s.unreadable = false
		d := &decoder{report: r, open: map[*yaml.Node]bool{}, structs: map[reflect.Type][]field{}}
		d.value(root, "", s)
	}
	s.found = r.sorted()
	return s, s.found
}

// document returns the one document of the file, a map, or reports why there
// is none.
func (r *report) document(data []byte) *yaml.Node {
	if len(data) > maxSize {
		r.errorf(Place{}, "", "the file has %d bytes, more than the %d a lab file may have", len(data), maxSize)
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !r.readable(data) {
		return nil
	}
	docs, err := parseYAML(data)
	if err != nil {
		r.syntax(data, err)
		return nil
	}
	if len(docs) == 0 || len(docs) == 1 && isNull(docs[0]) {
		r.errorf(Place{}, "a lab needs a name and nodes; netlab init writes one to start from", "the file is empty")
		return nil
	}
	if len(docs) > 1 {
		r.errorf(Place{Pos: position(docs[1])}, "put each lab in a file of its own", "a second document starts here")
		return nil
	}
	if root := follow(docs[0]); root.Kind != yaml.MappingNode {
		r.errorf(Place{Pos: position(root)}, "it starts with name: NAME and nodes:", "the file is %s, should be a map", kind(root))
		return nil
	}
	return docs[0]
}

// readable reports whether data is text that YAML allows, and if not, where.
func (r *report) readable(data []byte) bool {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		r.errorf(Place{Pos: Pos{1, 1}}, "save it as UTF-8", "the file is UTF-16, should be UTF-8")
		return false
	}
	line, column := 1, 0
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		i += n
		column++
		here := Place{Pos: Pos{line, column}}
		switch {
		case c == utf8.RuneError && n == 1:
			r.errorf(here, "save the file as UTF-8", "this is not UTF-8 text")
			return false
		case c == '\n':
			line, column = line+1, 0
		case c < 0x20 && c != '\t' && c != '\r', c >= 0x7f && c < 0xa0 && c != 0x85, c == 0xfffe, c == 0xffff, c == 0xfeff:
			r.errorf(here, "remove it", "the character U+%04X is not allowed here", c)
			return false
		}
	}
	return true
}

// parseYAML returns the documents of a file, at most two.
func parseYAML(data []byte) (docs []*yaml.Node, err error) {
	// The library signals some errors by panicking; one that it misses must
	// not become a stack trace for whoever wrote the file.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: cannot be parsed (%v)", p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for len(docs) < 2 {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(n.Content) > 0 {
			docs = append(docs, n.Content[0])
		}
	}
	return docs, nil
}
