package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"netlab/labs"
)

var remark = regexp.MustCompile(` {3,}.*$| [|>].*$|[)].*$`)

// TestExamplesOfHelp holds the examples of help to the command line: commands
// and flags exist, labs that ship have what is named, and there are enough
// arguments.
func TestExamplesOfHelp(t *testing.T) {
	app := newApp(system{getenv: utf8Env})
	examples := 0
	for _, c := range app.VisibleCommands() {
		for line := range strings.Lines(c.Description) {
			_, example, ok := strings.Cut(line, "netlab ")
			if !ok || !strings.HasPrefix(line, "   ") {
				continue
			}
			examples++
			example = strings.TrimSpace(remark.ReplaceAllString(strings.TrimSpace(example), ""))
			checkExample(t, strings.Fields(example))
		}
	}
	if examples < 40 {
		t.Errorf("only %d examples", examples)
	}
}

// checkExample goes through the words after netlab.
func checkExample(t *testing.T, words []string) {
	t.Helper()
	line := "netlab " + strings.Join(words, " ")
	app := newApp(system{getenv: utf8Env})
	command := app.Command(words[0])
	if command == nil {
		t.Errorf("%s: there is no such command", line)
		return
	}
	ordered, err := reorder(app, append([]string{"netlab"}, words...))
	if err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	var arguments []string
	for i, w := range ordered[2:] {
		if w == "--" {
			arguments = ordered[2+i+1:]
			break
		}
		name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "=")
		if strings.HasPrefix(w, "-") && !strings.Contains(strings.Join(flagNames(command), " ")+" ", name+" ") {
			t.Errorf("%s: there is no flag %s", line, w)
		}
	}
	slots := argumentsOf(command.ArgsUsage)
	var lab *labs.Lab
	for i, arg := range arguments {
		if len(slots) == 0 {
			t.Errorf("%s: %q is one argument too many", line, arg)
			return
		}
		s := slots[min(i, len(slots)-1)]
		switch s.words[0] {
		case "LAB":
			if data, ships := labs.ShippedFile(arg); ships {
				lab, _ = labs.Load(arg, data)
			}
		case "NAME", "FROM", "POD":
			if lab != nil {
				if _, err := lab.FindPlace(strings.SplitN(arg, ":", 2)[0]); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
		case "TO":
			if lab != nil {
				if _, err := lab.Target(arg); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
		}
	}
}

// TestHelpFitsTheTerminal draws all help in 40 columns.
func TestHelpFitsTheTerminal(t *testing.T) {
	app := newApp(system{getenv: utf8Env})
	for _, width := range []int{40, 60, 80, helpWidth} {
		h := helpText{width: width}
		h.app(app)
		for line := range strings.Lines(h.String()) {
			if n := len(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d columns in %d: %q", n, width, line)
			}
		}
	}
}

func TestTablesLoseNothing(t *testing.T) {
	lab, _ := labs.Load("labs/three-node.yaml", must2(labs.ShippedFile("three-node")))
	full := tableWords(t, lab, 0)
	for _, width := range []int{10, 40, 60, 80, 132} {
		got := tableWords(t, lab, width)
		for word := range full {
			if !got[word] {
				t.Errorf("%d columns: %q is missing", width, word)
			}
		}
	}
}

func must2(data []byte, _ bool) []byte { return data }

// tableWords returns the words of a table of addresses in some width.
func tableWords(t *testing.T, lab *labs.Lab, width int) map[string]bool {
	t.Helper()
	g := &grid{width: width}
	g.AppendHeader([]any{"", "", ""})
	for _, r := range viewOf(lab, nil).rows() {
		g.AppendRow([]any{r.name, r.address, r.netns})
	}
	words := map[string]bool{}
	for w := range strings.FieldsSeq(strings.ToLower(render(g))) {
		words[w] = true
	}
	return words
}

func TestASCII(t *testing.T) {
	var b bytes.Buffer
	if _, err := (asciiWriter{&b}).Write([]byte("a → b … Übung\n")); err != nil || b.String() != "a -> b ... ?bung\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	for _, tt := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{}, false},
		{map[string]string{"LANG": "de_DE.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.utf8", "LC_ALL": "C"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "C.UTF-8"}, true},
	} {
		if got := utf8Locale(func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%v: %v", tt.env, got)
		}
	}
}

// TestGlyphsAreKnown finds characters in the source that netlab may print and
// that would become question marks where the locale has only ASCII.
func TestGlyphsAreKnown(t *testing.T) {
	for _, dir := range []string{".", "../../trace", "../../verify", "../../provision"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") || e.Name() == "terminal.go" {
				continue
			}
			data, err := os.ReadFile(dir + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(data)) {
				if code, _, _ := strings.Cut(line, "//"); strings.Contains(toASCII(code), "?") && !strings.Contains(code, "?") {
					t.Errorf("%s/%s: %s: add the character to glyphs in terminal.go", dir, e.Name(), strings.TrimSpace(line))
				}
			}
		}
	}
}
