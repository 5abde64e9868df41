package labs

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	yamlLine   = newPattern(`^line ([0-9]+): `)
	yamlAnchor = newPattern(`^unknown anchor '(.*)' referenced$`)
	yamlDepth  = newPattern(`^exceeded max depth of ([0-9]+)$`)
)

// maxSearched is the size, in bytes, of the largest file that is parsed again
// and again to find the line of a mistake.
const maxSearched = 256 << 10

// syntax reports an error of the YAML library, which knows the line at best,
// in the author's words.
func (r *report) syntax(data []byte, err error) {
	line, text := splitError(err)
	if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		r.errorf(Place{Pos: positionOf(data, "*"+m[1])}, "an anchor is written &"+pathKey(m[1])+" and stands before what refers to it", "there is no anchor %s", quote(m[1]))
		return
	}
	lines := bytes.Split(data, []byte("\n"))
	if strings.HasPrefix(text, "did not find expected ") {
		line = culprit(lines, line+1, text)
	}
	here := ""
	if line >= 1 && line <= len(lines) {
		here = strings.TrimSuffix(string(lines[line-1]), "\r")
	}
	message, hint, column := explain(text, here)
	at := Place{Pos: Pos{line, column}}
	if line < 1 {
		at.Pos = Pos{1, 1}
	}
	r.errorf(at, hint, "%s", message)
}

// splitError returns the line, 0 if there is none, and the text of an error of
// the YAML library.
func splitError(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = strings.TrimPrefix(text, m[0])
	}
	return line, text
}

// culprit returns the line that makes a file fail with the given text: the
// last of the shortest beginning of the file that fails with it. The library
// names the line on which the surrounding list or map began. A bracket that
// is not closed fails at any length; there that line is the right one.
func culprit(lines [][]byte, line int, text string) int {
	size := 0
	for _, l := range lines {
		size += len(l) + 1
	}
	if size > maxSearched || strings.Contains(text, "',' or") {
		return line
	}
	low, high := 1, len(lines)
	for low < high {
		mid := (low + high) / 2
		_, err := parseYAML(bytes.Join(lines[:mid], []byte("\n")))
		same := false
		if err != nil {
			_, t := splitError(err)
			same = t == text
		}
		if same {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// explain says what an error of the YAML library means on a line, what to do,
// and in which column.
func explain(text, line string) (message, hint string, column int) {
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	column = indent + 1
	if tab := strings.IndexByte(line[:indent], '\t'); tab >= 0 {
		return "the line is indented with a tab", "YAML allows spaces only", tab + 1
	}
	switch text {
	case "mapping values are not allowed in this context":
		first := strings.Index(line, ":")
		second := strings.Index(line[first+1:], ": ")
		if first >= 0 && second >= 0 {
			return `a text with ": " in it needs quotes`, "", columnAt(line, first+1+second)
		}
		return "the line is indented deeper than the one above allows", "keys of one map start in the same column", column
	case "did not find expected key":
		return "the line fits none of those above", "keys of one map, and dashes of one list, start in the same column", column
	case "did not find expected '-' indicator":
		return "the list above goes on with a dash or ends with less indentation", "dashes of one list start in the same column", column
	case "did not find expected node content":
		if i := strings.LastIndexAny(line, "[{"); i >= 0 {
			column = columnAt(line, i)
		}
		return "a bracket is not closed, or a value is missing", "", column
	case "did not find expected ',' or ']'":
		return "a list in [ ] is not closed, or lacks a comma", "", open(line, '[', ']', column)
	case "did not find expected ',' or '}'":
		return "a map in { } is not closed, or lacks a comma", "", open(line, '{', '}', column)
	case "could not find expected ':'":
		return "there is no colon after this key", "", column
	case "found character that cannot start any token":
		if i := strings.IndexAny(line, "@`%"); i >= 0 {
			return "a text that starts with " + line[i:i+1] + " needs quotes", "", columnAt(line, i)
		}
		return "a text cannot start with this character", "put it in quotes", column
	case "found unexpected end of stream":
		if i := strings.IndexAny(line, `"'`); i >= 0 {
			column = columnAt(line, i)
		}
		return "a text in quotes is not closed", "", column
	case "found unknown escape character":
		if i := strings.IndexByte(line, '\\'); i >= 0 {
			column = columnAt(line, i)
		}
		return "there is no such escape", `use single quotes, in which \ has no meaning`, column
	case "block sequence entries are not allowed in this context":
		return "a list cannot start here", "put the dash on a line of its own, or write [ONE, TWO]", column
	}
	if m := yamlDepth.FindStringSubmatch(text); m != nil {
		return "nested more than " + m[1] + " deep", "", column
	}
	return "this is no YAML: " + text, "", column
}

// open returns the column of the last bracket on a line that is not closed
// there, or def.
func open(line string, opening, closing byte, def int) int {
	depth := 0
	for i := len(line) - 1; i >= 0; i-- {
		switch line[i] {
		case closing:
			depth++
		case opening:
			if depth == 0 {
				return columnAt(line, i)
			}
			depth--
		}
	}
	return def
}

// columnAt converts an index into a line to a column, which counts characters.
func columnAt(line string, i int) int { return utf8.RuneCountInString(line[:i]) + 1 }

// positionOf returns where a word first stands in the file.
func positionOf(data []byte, word string) Pos {
	for from := 0; ; {
		i := bytes.Index(data[from:], []byte(word))
		if i < 0 {
			return Pos{1, 1}
		}
		i += from
		end := i + len(word)
		if end == len(data) || bytes.IndexByte([]byte(" \t\r\n,]}:"), data[end]) >= 0 {
			before := data[:i]
			start := bytes.LastIndexByte(before, '\n') + 1
			return Pos{bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1}
		}
		from = end
	}
}
