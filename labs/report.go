package labs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// report collects what is wrong with one lab file.
type report struct {
	file    string
	found   Diagnostics
	seen    map[remark]bool
	guesses int // how often guess looked for a near name
}

// remark identifies a diagnostic: an anchor that is used twice would repeat it.
type remark struct {
	pos     Pos
	message string
}

// errorf reports a mistake. The hint may be empty.
func (r *report) errorf(at Place, hint, format string, args ...any) {
	r.add(Error, at, hint, fmt.Sprintf(format, args...))
}

// warnf reports what is allowed, but hardly meant. The hint may be empty.
func (r *report) warnf(at Place, hint, format string, args ...any) {
	r.add(Warning, at, hint, fmt.Sprintf(format, args...))
}

func (r *report) add(severity Severity, at Place, hint, message string) {
	if at.Written() {
		key := remark{at.Pos, message}
		if r.seen[key] {
			return
		}
		if r.seen == nil {
			r.seen = map[remark]bool{}
		}
		r.seen[key] = true
	}
	r.found = append(r.found, Diagnostic{
		File: r.file, Pos: at.Pos, Path: at.Path, Message: message, Hint: hint, Severity: severity,
	})
}

// sorted returns everything found so far in the order of the file.
func (r *report) sorted() Diagnostics {
	slices.SortStableFunc(r.found, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column),
		)
	})
	return r.found
}

// maxQuoted is the length, in characters, at which quoted values are cut.
const maxQuoted = 60

// quote puts what the author wrote in quotation marks, on one line and not
// longer than a reader wants it.
func quote[T ~string](s T) string {
	if utf8.RuneCountInString(string(s)) > maxQuoted {
		s = T([]rune(string(s))[:maxQuoted-3]) + "..."
	}
	return strconv.Quote(string(s))
}
