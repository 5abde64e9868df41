package labs

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite golden files; read the diff before you commit")

// TestBroken loads the lab.yaml of each file in testdata/broken and compares
// the diagnostics with its section want.
func TestBroken(t *testing.T) {
	files, err := filepath.Glob("testdata/broken/*.txtar")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files (err=%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(ar.Files) != 2 || ar.Files[0].Name != "lab.yaml" || ar.Files[1].Name != "want" {
				t.Fatal("should hold lab.yaml and want")
			}
			lab, diags := Load("lab.yaml", ar.Files[0].Data)
			if (lab == nil) != diags.HasErrors() {
				t.Errorf("lab is nil: %v, there are errors: %v", lab == nil, diags.HasErrors())
			}
			if len(diags) == 0 {
				t.Error("no diagnostics")
			}
			got := diags.Error() + "\n"
			if *update {
				ar.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(ar.Files[1].Data), got); diff != "" {
				t.Errorf("diagnostics (-want +got), go test -update accepts them:\n%s", diff)
			}
		})
	}
}

// brokenFiles returns the lab files of testdata/broken.
func brokenFiles(t testing.TB) [][]byte {
	files, err := filepath.Glob("testdata/broken/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var data [][]byte
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, ar.Files[0].Data)
	}
	return data
}
