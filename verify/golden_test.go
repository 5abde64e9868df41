package verify_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netlab/labs"
)

var update = flag.Bool("update", false, "rewrite golden files; read the diff before you commit")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test ./verify -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// load reads a lab that has no mistakes.
func load(t *testing.T, file, text string) *labs.Lab {
	t.Helper()
	lab, found := labs.Load(file, []byte(text))
	if found.HasErrors() {
		t.Fatalf("%s:\n%v", file, found)
	}
	return lab
}

func shipped(t *testing.T, name string) *labs.Lab {
	t.Helper()
	text, ok := labs.ShippedFile(name)
	if !ok {
		t.Fatalf("no lab called %s ships", name)
	}
	return load(t, "labs/"+name+".yaml", string(text))
}
