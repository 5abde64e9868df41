package labs

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when it is first used: most
// lab files need few of them, and every start of the program would pay for all.
type pattern func() *regexp.Regexp

func newPattern(expr string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// MatchString reports whether s matches.
func (p pattern) MatchString(s string) bool { return p().MatchString(s) }

// FindStringSubmatch returns the first match and its groups, or nil.
func (p pattern) FindStringSubmatch(s string) []string { return p().FindStringSubmatch(s) }

// String returns the expression.
func (p pattern) String() string { return p().String() }
