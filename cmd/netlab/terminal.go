package main

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// fileOf returns the file that w writes to, or nil.
func fileOf(w io.Writer) *os.File {
	if a, ok := w.(asciiWriter); ok {
		w = a.to
	}
	f, _ := w.(*os.File)
	return f
}

func isTerminal(w io.Writer) bool {
	f := fileOf(w)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// widthOf returns how many columns fit on a line of w, or 0 where lines may
// have any length: in a file or a pipe.
func widthOf(w io.Writer) int {
	f := fileOf(w)
	if f == nil {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 1 {
		return 0
	}
	return width
}

// utf8Locale reports whether the user's locale can show more than ASCII. As
// POSIX has it, the first of three variables that is set decides, and none
// means no.
func utf8Locale(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// asciiWriter writes text for people whose locale has only ASCII. It takes
// whole characters.
type asciiWriter struct{ to io.Writer }

func (a asciiWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(a.to, toASCII(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// glyphs are the characters beyond ASCII that netlab prints, and what stands
// for them.
var glyphs = map[rune]string{
	'→': "->", '←': "<-", '↔': "<->", '⇄': "<->", '↓': "v", '↑': "^", '▶': ">", '▸': ">", '…': "...", '×': "x", '·': ".", '•': "*", '●': "*", '○': "o",
	'–': "-", '—': "-", '−': "-", '─': "-", '━': "=", '│': "|", '┃': "|", '├': "|", '└': "`", '┌': ",", '┐': ".", '┘': "'", '┤': "|", '┬': "+", '┴': "+", '┼': "+",
	'✓': "ok", '✅': "ok", '❌': "FAIL", '✔': "ok", '✗': "x", '✘': "x", '█': "#", '▓': "#", '▒': ":", '░': ".", '≥': ">=", '≤': "<=", '≠': "!=", '≈': "~", 'µ': "u",
	'“': `"`, '”': `"`, '„': `"`, '‘': "'", '’': "'",
}

// toASCII replaces what is not ASCII by what looks like it, or by a question
// mark.
func toASCII(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch g, known := glyphs[r]; {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case known:
			b.WriteString(g)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}
