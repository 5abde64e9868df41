package labs

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryKeyIsDocumented goes through the keys of the format: each has a
// line of help, a default or the word that it is required, and an example.
func TestEveryKeyIsDocumented(t *testing.T) {
	keys := 0
	for k := range Format().All {
		keys++
		if k.Doc == "" || strings.HasSuffix(k.Doc, ".") || strings.Contains(k.Doc, "\n") {
			t.Errorf("%s: doc is %q", k.Path, k.Doc)
		}
		if (k.Default == "") != k.Required {
			t.Errorf("%s: default is %q, required: %v", k.Path, k.Default, k.Required)
		}
		if k.Example == "" {
			t.Errorf("%s has no example", k.Path)
		}
	}
	if keys < 80 {
		t.Errorf("only %d keys", keys)
	}
}

var (
	mdLink   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	mdHeader = regexp.MustCompile("^\\| key(?: of `([a-zA-Z.]+)`)? \\| default \\| meaning \\|$")
)

// words takes what makes Markdown look good off a cell of a table.
func words(cell string) string {
	return strings.TrimSpace(strings.ReplaceAll(mdLink.ReplaceAllString(cell, "$1"), "`", ""))
}

// TestReferenceTables holds the tables of docs/lab-file.md to the format: each
// key has one row, in order, with its default and its meaning. With -update
// rows that differ are written anew, without the quotes of code.
func TestReferenceTables(t *testing.T) {
	const file = "../docs/lab-file.md"
	reference, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(reference), "\n"), "\n")
	tables := map[string]bool{}
	for _, line := range lines {
		if m := mdHeader.FindStringSubmatch(line); m != nil {
			tables[m[1]] = true
		}
	}
	var out []string
	listed := map[string]bool{}
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		m := mdHeader.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		i++
		out = append(out, lines[i]) // the rule below the header
		old := map[string]string{}
		for ; i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|"); i++ {
			cell := strings.Split(lines[i+1], " | ")[0]
			old[strings.Trim(cell, "|` ")] = lines[i+1]
		}
		at := Format()
		if m[1] != "" {
			if at, err = at.Find(m[1]); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range referenceRows(at, "", tables) {
			listed[r.path] = true
			if words(old[r.name]) != words(r.text) {
				old[r.name] = r.text
			}
			out = append(out, old[r.name])
		}
	}
	for k := range Format().All {
		if !listed[k.Path] {
			t.Errorf("%s is in no table of docs/lab-file.md", k.Path)
		}
	}
	now := strings.Join(out, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(reference), now); diff != "" {
		t.Errorf("docs/lab-file.md (-is +should be), go test -update rewrites it:\n%s", diff)
	}
}

type referenceRow struct{ name, path, text string }

// referenceRows lists the rows of the table of a key: its keys, and those below
// them that have no table of their own.
func referenceRows(k Key, prefix string, tables map[string]bool) []referenceRow {
	var rows []referenceRow
	for _, sub := range k.Keys {
		def := sub.Default
		switch {
		case sub.Required:
			def = "required"
		case sub.literal && def != "none":
			def = "`" + def + "`"
		}
		meaning := sub.Doc
		if len(sub.Enum) > 1 {
			meaning += " (`" + strings.Join(sub.Enum[:len(sub.Enum)-1], "`, `") + "` or `" + sub.Enum[len(sub.Enum)-1] + "`)"
		}
		if sub.ranged && !strings.Contains(meaning, "from ") && sub.high < maxUser && sub.high != maxPort {
			meaning += fmt.Sprintf(" (%v to %v)", sub.low, int64(sub.high))
		}
		name := prefix + sub.Name
		rows = append(rows, referenceRow{name, sub.Path, fmt.Sprintf("| `%s` | %s | %s |", name, def, meaning)})
		if !tables[sub.Path] {
			rows = append(rows, referenceRows(sub, name+".", tables)...)
		}
	}
	return rows
}

// TestReferenceExamples loads the YAML of docs/lab-file.md.
func TestReferenceExamples(t *testing.T) {
	reference, err := os.ReadFile("../docs/lab-file.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(reference), "```")
	examples := 0
	for i := 1; i < len(parts); i += 2 {
		text, isYAML := strings.CutPrefix(parts[i], "yaml\n")
		if !isYAML {
			continue
		}
		examples++
		_, diags := Parse("lab-file.md", []byte(text))
		if len(diags) > 0 {
			t.Errorf("%v in:\n%s", diags, text)
		}
	}
	if examples < 8 {
		t.Errorf("only %d examples", examples)
	}
}
