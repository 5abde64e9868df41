package labs

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// indentStep is how much deeper the inside of a map or list stands, in spaces.
const indentStep = 2

// Tidy returns a lab file as netlab writes it: indented by two spaces, lists
// deeper than their key, one space after colons, commas and dashes, none at the
// ends of lines, no two empty lines in a row. What the file says stays the
// same, and so do comments, quotes, the order of keys, and what is written in
// braces. Tidying twice changes nothing.
//
// The file need not be a lab that resolves, but YAML. The diagnostics say why
// it is not; then there is no result.
func Tidy(file string, data []byte) ([]byte, Diagnostics) {
	r := &report{file: file}
	root := r.document(data)
	if root == nil {
		return nil, r.sorted()
	}
	t := newTidier(data)
	out := data
	if t.layout(root, 0) {
		out = t.write()
	}
	if !sameYAML(data, out) { // an unusual file is better left alone than changed
		out = data
	}
	return out, nil
}

// tidier lays out the lines of one file.
type tidier struct {
	lines  []string
	starts []lineStart // by line
}

// lineStart says what a line begins with.
type lineStart struct {
	token  bool // a key or a dash of a map or list without braces
	inside bool // of a text over several lines, which stays as it is
	key    bool // the first colon ends a key
	old    int  // indentation as it is
	indent int  // as it is to be; of tokens
}

func newTidier(data []byte) *tidier {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	t := &tidier{lines: strings.Split(strings.TrimRight(text, "\n"), "\n")}
	t.starts = make([]lineStart, len(t.lines))
	for i, line := range t.lines {
		t.starts[i].old = len(line) - len(strings.TrimLeft(line, " "))
	}
	return t
}

// layout finds out where the lines of a value without braces are to begin. It
// reports whether it knows.
func (t *tidier) layout(n *yaml.Node, indent int) bool {
	flow := n.Style&yaml.FlowStyle != 0
	switch {
	case n.Kind == yaml.MappingNode && !flow:
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			if k.Kind != yaml.ScalarNode && k.Kind != yaml.AliasNode || !t.begins(k, indent, i == 0) || !t.layoutBelow(v, k.Column-1, indent) {
				return false
			}
			t.starts[k.Line-1].key = true
		}
	case n.Kind == yaml.SequenceNode && !flow:
		for _, item := range n.Content {
			dash := t.dashBefore(item)
			if dash < 0 || !t.mark(item.Line, dash, indent) || !t.layoutBelow(item, dash, indent) {
				return false
			}
		}
	}
	return true
}

// layoutBelow lays out the value of a key or the item after a dash that stands
// in column old and is to be indented by indent.
func (t *tidier) layoutBelow(v *yaml.Node, old, indent int) bool {
	switch {
	case v.Kind == yaml.ScalarNode && v.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		t.blockText(v, old)
		return true
	case v.Kind == yaml.ScalarNode && v.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		return t.quotedText(v)
	case v.Kind == yaml.AliasNode:
		return true
	}
	return t.layout(v, indent+indentStep)
}

// begins marks the line that a key begins. The first key of a map may stand
// behind a dash.
func (t *tidier) begins(k *yaml.Node, indent int, first bool) bool {
	before, ok := t.before(k)
	switch {
	case !ok:
		return false
	case strings.TrimSpace(before) == "":
		return t.mark(k.Line, k.Column-1, indent)
	}
	trimmed := strings.TrimRight(before, " \t")
	return first && strings.HasSuffix(trimmed, "-") && t.starts[k.Line-1].token
}

func (t *tidier) mark(line, old, indent int) bool {
	s := &t.starts[line-1]
	if s.token {
		return true // a dash inside a list that begins behind another dash
	}
	if s.old != old {
		return false
	}
	s.token, s.indent = true, indent
	return true
}

// before returns what stands on the line of n in front of it.
func (t *tidier) before(n *yaml.Node) (string, bool) {
	if n.Line < 1 || n.Line > len(t.lines) {
		return "", false
	}
	line := t.lines[n.Line-1]
	at := 0
	for range n.Column - 1 {
		_, size := utf8.DecodeRuneInString(line[at:])
		at += size
	}
	return line[:at], true
}

// dashBefore returns the column, from 0, of the dash in front of an item, or -1
// if there is none on its line.
func (t *tidier) dashBefore(item *yaml.Node) int {
	before, ok := t.before(item)
	if !ok {
		return -1
	}
	for i := len(before) - 1; i >= 0; i-- {
		if before[i] == '-' && (i == 0 || before[i-1] == ' ') && i+1 < len(before) && (before[i+1] == ' ' || before[i+1] == '\t') {
			return utf8.RuneCountInString(before[:i])
		}
	}
	return -1
}

// blockText marks the lines of a text after | or >: those that are indented
// deeper than what it belongs to.
func (t *tidier) blockText(n *yaml.Node, parent int) {
	for i := n.Line; i < len(t.lines); i++ {
		if strings.TrimSpace(t.lines[i]) != "" && t.starts[i].old <= parent {
			return
		}
		t.starts[i].inside = true
	}
}

// quotedText marks the further lines of a text in quotes.
func (t *tidier) quotedText(n *yaml.Node) bool {
	before, ok := t.before(n)
	if !ok {
		return false
	}
	line := t.lines[n.Line-1][len(before):]
	at := strings.IndexAny(line, `"'`) // an anchor or a tag may come first
	if at < 0 {
		return false
	}
	quote := line[at]
	rest := line[at+1:]
	for i := n.Line; ; i++ {
		if _, closed := afterQuote(rest, quote); closed {
			return true
		}
		if i >= len(t.lines) {
			return false
		}
		t.starts[i].inside = true
		rest = t.lines[i]
	}
}

// afterQuote returns the index behind the quote that ends a text in s, and
// whether there is one.
func afterQuote(s string, quote byte) (int, bool) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote == '"':
			i++
		case s[i] == quote && quote == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		case s[i] == quote:
			return i + 1, true
		}
	}
	return len(s), false
}

// write puts the file together.
func (t *tidier) write() []byte {
	var out []string
	var s spacer
	shift := 0 // of what goes on from the line above
	for i, line := range t.lines {
		start := t.starts[i]
		trimmed := strings.TrimSpace(line)
		switch {
		case start.inside:
			out = append(out, t.shifted(line, shift))
			s.skip(line)
			continue
		case trimmed == "":
			if len(out) > 0 && out[len(out)-1] != "" {
				out = append(out, "")
			}
			continue
		case trimmed[0] == '#' && s.depth == 0:
			out = append(out, strings.Repeat(" ", t.commentIndent(i))+strings.TrimRight(trimmed, " \t"))
			continue
		}
		indent := start.old + shift
		if start.token {
			indent = start.indent
			shift = indent - start.old
		}
		out = append(out, s.line(line, max(indent, 0), start))
	}
	for len(out) > 0 && out[len(out)-1] == "" && !t.starts[len(t.lines)-1].inside {
		out = out[:len(out)-1]
	}
	return []byte(strings.Join(out, "\n") + "\n")
}

// shifted moves a line of a text over several lines with what it belongs to.
func (t *tidier) shifted(line string, shift int) string {
	switch {
	case strings.TrimSpace(line) == "":
		return line
	case shift >= 0:
		return strings.Repeat(" ", shift) + line
	}
	return line[min(-shift, len(line)-len(strings.TrimLeft(line, " "))):]
}

// commentIndent returns how far the comment on line i is to be indented: as
// what it stood in one column with, below it or above.
func (t *tidier) commentIndent(i int) int {
	old := t.starts[i].old
	next := -1
	for k := i + 1; k < len(t.lines) && next < 0; k++ {
		if t.starts[k].token {
			next = k
		}
	}
	if next >= 0 && t.starts[next].old == old {
		return t.starts[next].indent
	}
	for k := i - 1; k >= 0; k-- {
		if s := t.starts[k]; s.token && s.old <= old {
			return s.indent + old - s.old // deeper than it, or as deep
		}
	}
	if next >= 0 {
		return t.starts[next].indent
	}
	return old
}

// sameYAML reports whether two files say the same, in the same way, with the
// same comments.
func sameYAML(a, b []byte) bool {
	one, errA := parseYAML(a)
	two, errB := parseYAML(b)
	return errors.Join(errA, errB) == nil && slices.EqualFunc(one, two, sameNode) && slices.Equal(comments(one), comments(two))
}

func sameNode(a, b *yaml.Node) bool {
	if a.Kind == yaml.AliasNode || b.Kind == yaml.AliasNode {
		return a.Kind == b.Kind && a.Value == b.Value
	}
	return a.Kind == b.Kind && a.Style == b.Style && a.Tag == b.Tag && a.Value == b.Value && a.Anchor == b.Anchor &&
		slices.EqualFunc(a.Content, b.Content, sameNode)
}

// comments lists the comments of documents, in an order that does not depend
// on what each of them is said to belong to.
func comments(docs []*yaml.Node) []string {
	var list []string
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for _, c := range []string{n.HeadComment, n.LineComment, n.FootComment} {
			for line := range strings.SplitSeq(c, "\n") {
				if line = strings.TrimSpace(line); line != "" {
					list = append(list, line)
				}
			}
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	for _, d := range docs {
		walk(d)
	}
	slices.Sort(list)
	return list
}
