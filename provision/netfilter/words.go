package netfilter

import (
	"errors"
	"strings"
)

// split takes a rule apart into words as iptables-restore does: words end at
// white space, double quotes hold words together, and a backslash inside
// quotes makes the next character ordinary.
func split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	started, quoted, escaped := false, false, false
	for _, c := range line {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted, started = !quoted, true
		case !quoted && (c == ' ' || c == '\t' || c == '\n'):
			if started {
				words = append(words, word.String())
				word.Reset()
				started = false
			}
		default:
			word.WriteRune(c)
			started = true
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}

// quote writes a word of a rule so that split and iptables read it back.
func quote(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\"'\\") {
		return word
	}
	return quoted(word)
}

// quoteText writes free text, such as a comment, as iptables-save does: with
// quotes unless it is made of letters, digits, - and _ only.
func quoteText(word string) string {
	plain := func(c rune) bool {
		return c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	if word != "" && strings.IndexFunc(word, func(c rune) bool { return !plain(c) }) < 0 {
		return word
	}
	return quoted(word)
}

func quoted(word string) string {
	if !strings.ContainsAny(word, `\"'`) {
		return `"` + word + `"`
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `'`, `\'`).Replace(word) + `"`
}
