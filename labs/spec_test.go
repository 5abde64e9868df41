package labs

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestEveryKeyIsDocumented goes through the structs of the Spec: each key has a
// line of help and stands in the reference.
func TestEveryKeyIsDocumented(t *testing.T) {
	reference, err := os.ReadFile("../docs/lab-file.md")
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			key, tagged := f.Tag.Lookup("yaml")
			if !tagged {
				continue
			}
			keys++
			doc := f.Tag.Get("doc")
			if doc == "" || strings.HasSuffix(doc, ".") || strings.Contains(doc, "\n") {
				t.Errorf("%s.%s: doc is %q", typ.Name(), f.Name, doc)
			}
			if !strings.Contains(string(reference), key) {
				t.Errorf("%s is not in docs/lab-file.md", key)
			}
			switch items, isList := f.Type.FieldByName("Items"); {
			case isList && items.Type.Elem().Kind() == reflect.Struct:
				walk(items.Type.Elem())
			case f.Type.Kind() == reflect.Struct:
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[Spec]())
	if keys < 80 {
		t.Errorf("only %d keys", keys)
	}
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
