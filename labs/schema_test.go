package labs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// TestSchemaIsCurrent compares labs/schema.json with what the structs say.
func TestSchemaIsCurrent(t *testing.T) {
	if *update {
		if err := os.WriteFile("schema.json", Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(committed), string(Schema())); diff != "" {
		t.Errorf("schema.json (-committed +current), go test -update rewrites it:\n%s", diff)
	}
}

// compile gives the schema to a validator that is not ours.
func compile(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON reads YAML as a validator of JSON wants it.
func asJSON(data []byte) (any, error) {
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	text, err := json.Marshal(plain(v))
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(text))
}

// plain replaces what YAML has and JSON has not.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.DateOnly)
	case map[any]any:
		m := map[string]any{}
		for k, e := range v {
			m[fmt.Sprint(k)] = plain(e)
		}
		return m
	case map[string]any:
		for k, e := range v {
			v[k] = plain(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
	}
	return v
}

// TestSchemaAccepts holds the schema to all lab files of the repository that
// are right: it may refuse none of them.
func TestSchemaAccepts(t *testing.T) {
	s := compile(t)
	count := 0
	accept := func(name string, data []byte) {
		t.Helper()
		if lab, _ := Load(name, data); lab == nil {
			return
		}
		count++
		v, err := asJSON(data)
		if err == nil {
			err = s.Validate(v)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range Shipped() {
		data, _ := ShippedFile(name)
		accept(name, data)
	}
	for file, data := range filesLike(t, "../cmd/netlab/*.yaml", "../examples/*.yaml", "../examples/*/*.yaml", "../vagrant/*.yaml") {
		accept(file, data)
	}
	archives, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../*/testdata/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(archives, more...) {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range ar.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				accept(file, f.Data)
			}
		}
	}
	if count < len(Shipped())+20 {
		t.Errorf("only %d files", count)
	}
}

// TestSchemaOfBroken says of each broken file whether an editor with the schema
// shows that something is wrong: testdata/schema.txt has one line a file. What
// is missing from the schema there takes a look at two places at once, at
// addresses, or at the text itself.
func TestSchemaOfBroken(t *testing.T) {
	s := compile(t)
	files, err := filepath.Glob("testdata/broken/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		verdict := "passes"
		v, err := asJSON(ar.Files[0].Data)
		switch {
		case err != nil:
			verdict = "no YAML"
		case s.Validate(v) != nil:
			verdict = "refused"
		}
		fmt.Fprintf(&b, "%-30s %s\n", strings.TrimSuffix(filepath.Base(file), ".txtar"), verdict)
	}
	if *update {
		if err := os.WriteFile("testdata/schema.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/schema.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("testdata/schema.txt (-want +got), go test -update accepts it:\n%s", diff)
	}
}

// TestEveryKeyOfTheSchema goes through the schema itself: each key has a
// description, an example that it accepts, and a default unless it is required
// or the description says in words what it is.
func TestEveryKeyOfTheSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	keys := 0
	var walk func(at string, v any, required bool)
	walk = func(at string, v any, required bool) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		needed := map[string]bool{}
		for _, name := range sliceOf(m["required"]) {
			needed[name.(string)] = true
		}
		properties, _ := m["properties"].(map[string]any)
		for name, p := range properties {
			keys++
			here := at + "/properties/" + name
			key := p.(map[string]any)
			about, _ := key["description"].(string)
			_, literal := key["default"]
			if about == "" {
				t.Errorf("%s has no description", here)
			}
			if ways := count(literal, needed[name], strings.Contains(about, "\n\nDefault: ")); ways != 1 && !strings.Contains(here, "serve/properties") {
				t.Errorf("%s says in %d ways what its default is", here, ways)
			}
			compiled, err := c.Compile("schema.json#" + here)
			if err != nil {
				t.Fatal(err)
			}
			examples := sliceOf(key["examples"])
			if literal {
				examples = append(examples, key["default"])
			}
			if len(sliceOf(key["examples"])) == 0 && !strings.Contains(here, "serve/properties") {
				t.Errorf("%s has no example", here)
			}
			for _, e := range examples {
				if err := compiled.Validate(e); err != nil {
					t.Errorf("%s: %v", here, err)
				}
			}
			walk(here, p, needed[name])
		}
		walk(at+"/items", m["items"], required)
	}
	walk("", doc, true)
	if keys < 90 {
		t.Errorf("only %d keys", keys)
	}
}

func sliceOf(v any) []any {
	list, _ := v.([]any)
	return list
}

func count(truths ...bool) int {
	n := 0
	for _, b := range truths {
		if b {
			n++
		}
	}
	return n
}
