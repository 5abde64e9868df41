package labs

import (
	"strings"
	"unicode/utf8"
)

// spacer puts the spaces of a line right. It remembers from line to line
// whether braces or quotes are open.
type spacer struct {
	depth int  // of braces and brackets
	quote byte // that is open, or 0
}

// skip goes over a line that stays as it is and may end a text in quotes.
func (s *spacer) skip(line string) {
	if s.quote == 0 {
		return
	}
	if end, closed := afterQuote(line, s.quote); closed {
		s.quote = 0
		s.code(line[end:], lineStart{})
	}
}

// line returns a line with some indentation. A comment behind it keeps its
// column where it can.
func (s *spacer) line(line string, indent int, start lineStart) string {
	body := strings.TrimLeft(line, " \t")
	if strings.HasPrefix(body, "---") || strings.HasPrefix(body, "...") || strings.HasPrefix(body, "%") {
		return strings.TrimRight(line, " \t")
	}
	code, comment := s.code(body, start)
	code = strings.Repeat(" ", indent) + code
	if comment == "" {
		return strings.TrimRight(code, " \t")
	}
	code = strings.TrimRight(code, " \t")
	column := utf8.RuneCountInString(line) - utf8.RuneCountInString(strings.TrimLeft(line[strings.Index(line, comment):], " "))
	comment = strings.TrimRight(comment, " \t")
	if code == "" {
		return strings.Repeat(" ", indent) + comment
	}
	return code + strings.Repeat(" ", max(1, column-utf8.RuneCountInString(code))) + comment
}

// code returns what a line says with its spaces put right, and the comment
// behind it.
func (s *spacer) code(body string, start lineStart) (code, comment string) {
	var b strings.Builder
	dashes := start.token // dashes may still come
	key := start.key      // the colon of the key may still come
	fresh := true         // at the beginning of a value
	for i := 0; i < len(body); {
		c := body[i]
		switch {
		case c == ' ' || c == '\t':
			end := i + len(body[i:]) - len(strings.TrimLeft(body[i:], " \t"))
			if end < len(body) && body[end] == '#' {
				return b.String(), body[end:]
			}
			b.WriteString(s.space(b.String(), body[i:end], body[end:], dashes))
			i = end
			continue
		case fresh && (c == '"' || c == '\''):
			end, closed := afterQuote(body[i+1:], c)
			b.WriteString(body[i : i+1+end])
			if !closed {
				s.quote = c
			}
			i += 1 + end
			fresh, dashes = false, false
			continue
		case c == '#' && i == 0:
			return "", body
		case (c == '{' || c == '[') && (fresh || s.depth > 0):
			s.depth++
			b.WriteByte(c)
			fresh = true
		case (c == '}' || c == ']') && s.depth > 0:
			s.depth--
			b.WriteByte(c)
			fresh = false
		case c == ',' && s.depth > 0:
			b.WriteByte(c)
			if i+1 < len(body) && !strings.ContainsRune(" \t]}", rune(body[i+1])) {
				b.WriteByte(' ')
			}
			fresh = true
		case c == ':' && (i+1 == len(body) || body[i+1] == ' ' || body[i+1] == '\t'):
			b.WriteByte(c)
			fresh = true
			if s.depth == 0 && key {
				key = false
				if rest := strings.TrimLeft(body[i+1:], " \t"); rest != "" && rest[0] != '#' {
					b.WriteByte(' ')
					i = len(body) - len(rest)
					dashes = false
					continue
				}
			}
			dashes = false
		case c == '-' && dashes && i+1 < len(body) && (body[i+1] == ' ' || body[i+1] == '\t'):
			b.WriteByte(c)
			fresh = true
		case (c == '&' || c == '!') && fresh: // an anchor or a tag: the value comes after it
			end := i + strings.IndexAny(body[i:]+" ", " \t,]}")
			b.WriteString(body[i:end])
			i = end
			continue
		default:
			b.WriteByte(c)
			fresh, dashes = false, false
		}
		i++
	}
	return b.String(), ""
}

// space returns what is left of spaces between what was written and the rest.
func (s *spacer) space(before, space, rest string, dashes bool) string {
	if before == "" || rest == "" {
		return space
	}
	last, next := before[len(before)-1], rest[0]
	switch {
	case dashes && last == '-':
		return " "
	case s.depth == 0:
		return space
	case last == '{' || last == '[' || next == ',' || next == '}' || next == ']':
		return ""
	case last == ',' || last == ':':
		return " "
	}
	return space
}
