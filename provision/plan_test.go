package provision_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"netlab/labs"
	"netlab/provision"
)

var update = flag.Bool("update", false, "rewrite golden files")

// desired resolves the lab in f. An empty or missing section is a lab that is
// down.
func desired(t *testing.T, f *txtar.File) provision.State {
	t.Helper()
	if f == nil || strings.TrimSpace(string(f.Data)) == "" {
		return provision.State{}
	}
	return provision.Desired(load(t, f.Name, string(f.Data)))
}

func load(t *testing.T, name, text string) *labs.Lab {
	t.Helper()
	lab, diagnostics := labs.Load(name, []byte(text))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	return lab
}

// sections reads a golden file. What it returns by name is part of the archive.
func sections(t *testing.T, file string) (*txtar.Archive, map[string]*txtar.File) {
	t.Helper()
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	section := map[string]*txtar.File{}
	for i := range ar.Files {
		section[ar.Files[i].Name] = &ar.Files[i]
	}
	return ar, section
}

// TestPlanGolden diffs the lab in "before" against the lab in "after" and
// compares the printed plan with the "plan" section of the same file.
func TestPlanGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files (err=%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, section := sections(t, file)
			got := provision.Diff(desired(t, section["before"]), desired(t, section["after"])).String()
			if *update {
				section["plan"].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(section["plan"].Data), got); diff != "" {
				t.Errorf("plan (-want +got), go test -update accepts it:\n%s", diff)
			}
		})
	}
}

// TestFormer: a lab without its rules says as much of what was there before as
// the whole lab does.
func TestFormer(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files (err=%v)", err)
	}
	rules := 0
	for _, file := range files {
		_, section := sections(t, file)
		before := section["before"]
		if before == nil || strings.TrimSpace(string(before.Data)) == "" {
			continue
		}
		have, want := desired(t, before), desired(t, section["after"])
		former := provision.Former(load(t, before.Name, string(before.Data)))
		rules += have.Len() - former.Len()
		whole, less := want.After(have), want.After(former)
		if diff := cmp.Diff(whole.Hint().String(), less.Hint().String()); diff != "" {
			t.Errorf("%s: what is observed (-whole +former):\n%s", file, diff)
		}
		if diff := cmp.Diff(provision.Diff(have, whole).String(), provision.Diff(have, less).String()); diff != "" {
			t.Errorf("%s: plan (-whole +former):\n%s", file, diff)
		}
	}
	if rules == 0 {
		t.Error("no lab has rules")
	}
}

// TestPlanOrder checks what Apply relies on: a step comes after all it waits
// for.
func TestPlanOrder(t *testing.T) {
	for seed := range uint64(100) {
		from, to := randomState(t, seed), randomState(t, seed+1000)
		plan := provision.Diff(from, to)
		for i, s := range plan.Steps {
			for _, j := range s.After {
				if j >= i {
					t.Fatalf("seed %d: step %d waits for step %d:\n%v", seed, i, j, plan)
				}
			}
		}
	}
}
