package labs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestTidyGolden tidies the section before of each file in testdata/tidy.
func TestTidyGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/tidy/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files (err=%v)", err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, diags := Tidy(file, ar.Files[0].Data)
		if diags != nil {
			t.Errorf("%s: %v", file, diags)
		}
		if *update {
			ar.Files[1].Data = got
			if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(string(ar.Files[1].Data), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// checkTidy holds Tidy to its word for one file: the lab stays the same but for
// positions, comments stay, and tidying twice changes nothing.
func checkTidy(t *testing.T, name string, data []byte) {
	t.Helper()
	tidy, diags := Tidy(name, data)
	if (tidy == nil) != diags.HasErrors() {
		t.Fatalf("%s: result %v, diagnostics %v", name, tidy != nil, diags)
	}
	if tidy == nil {
		return
	}
	if !sameYAML(data, tidy) {
		t.Errorf("%s: says something else:\n%s", name, tidy)
	}
	again, _ := Tidy(name, tidy)
	if !bytes.Equal(tidy, again) {
		t.Errorf("%s: tidying twice changes something:\n%s", name, cmp.Diff(string(tidy), string(again)))
	}
	before, beforeDiags := Load(name, data)
	after, afterDiags := Load(name, tidy)
	if diff := cmp.Diff(before, after, labOptions...); diff != "" {
		t.Errorf("%s: another lab (-before +after):\n%s", name, diff)
	}
	if len(beforeDiags) != len(afterDiags) {
		t.Errorf("%s: %d diagnostics before, %d after", name, len(beforeDiags), len(afterDiags))
	}
}

// labOptions compare labs but for where things stand in the file.
var labOptions = []cmp.Option{
	cmpopts.IgnoreTypes(Pos{}), cmpopts.IgnoreUnexported(Lab{}), cmpopts.EquateComparable(),
	cmp.Exporter(func(reflect.Type) bool { return true }),
}

// labFiles returns lab files of all kinds: those that ship, those of tests,
// the broken ones.
func labFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range Shipped() {
		files[name], _ = ShippedFile(name)
	}
	archives, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range archives {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range ar.Files {
			if f.Name == "lab.yaml" || f.Name == "before" {
				files[file] = f.Data
			}
		}
	}
	return files
}

// TestTidyChangesNothing holds Tidy to its word for every file there is, and
// for what they become when they are indented otherwise.
func TestTidyChangesNothing(t *testing.T) {
	for name, data := range labFiles(t) {
		checkTidy(t, name, data)
		wide := reindent(string(data))
		checkTidy(t, name+" wide", []byte(wide))
		checkTidy(t, name+" dos", []byte(strings.ReplaceAll(string(data), "\n", "\r\n")))
	}
}

// reindent doubles the indentation of a file.
func reindent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(line[:len(line)-len(strings.TrimLeft(line, " "))] + line)
	}
	return b.String()
}

// TestShippedAreTidy holds the labs that ship to their own rules.
func TestShippedAreTidy(t *testing.T) {
	for _, name := range Shipped() {
		data, _ := ShippedFile(name)
		tidy, _ := Tidy(name, data)
		if diff := cmp.Diff(string(data), string(tidy)); diff != "" {
			t.Errorf("%s.yaml (-is +tidy):\n%s", name, diff)
		}
	}
}

func FuzzTidy(f *testing.F) {
	for _, data := range labFiles(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkTidy(t, "fuzz", data) })
}

// TestTidyMutants holds Tidy to its word for files with a few letters changed:
// most are no YAML any more, and the others are unusual.
func TestTidyMutants(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	files := labFiles(t)
	names := slices.Sorted(maps.Keys(files))
	const letters = " \n-:#[]{},&*!|>\"'ab?%\t"
	for range 300 {
		name := names[rng.IntN(len(names))]
		data := slices.Clone(files[name])
		for range 1 + rng.IntN(3) {
			if len(data) < 2 {
				break
			}
			i, letter := rng.IntN(len(data)), letters[rng.IntN(len(letters))]
			switch rng.IntN(3) {
			case 0:
				data[i] = letter
			case 1:
				data = slices.Delete(data, i, i+1)
			default:
				data = slices.Insert(data, i, letter)
			}
		}
		checkTidy(t, name+" changed to:\n"+string(data)+"\n", data)
	}
}

// TestShippedNameTheirSchema wants the first line of every lab file of the
// repository to name the schema by a path that leads to it.
func TestShippedNameTheirSchema(t *testing.T) {
	for file, data := range filesLike(t, "*.yaml", "../examples/*/*.yaml", "../examples/*.yaml") {
		if lab, _ := Load(file, data); lab == nil {
			continue // a workflow, or a lab that is broken on purpose
		}
		first, _, _ := strings.Cut(string(data), "\n")
		schema, ok := strings.CutPrefix(first, "# yaml-language-server: $schema=")
		if !ok {
			t.Errorf("%s: the first line names no schema", file)
			continue
		}
		if named, err := os.ReadFile(filepath.Join(filepath.Dir(file), schema)); err != nil || !bytes.Contains(named, []byte(SchemaID)) {
			t.Errorf("%s: %s is not the schema (%v)", file, schema, err)
		}
	}
}

// filesLike reads the files that have names of some patterns.
func filesLike(t *testing.T, patterns ...string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if files[name], err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files
}
