package runtime

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestSupervisorWithoutItsDirectory has a supervisor whose directory was removed
// leave the state of its successor alone.
func TestSupervisorWithoutItsDirectory(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "lab"))
	begin := func(spec string) *supervisor {
		t.Helper()
		if err := os.MkdirAll(dir.supervisor(""), 0o700); err != nil {
			t.Fatal(err)
		}
		v := Supervision{Dir: dir, Lab: "lab"}
		lock, id, err := v.claim()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { lock.Close() })
		return &supervisor{Supervision: v, lock: lock, board: newBoard(State{Supervisor: id, Spec: spec})}
	}
	first := begin("first")
	if err := first.save(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir.supervisor("")); err != nil {
		t.Fatal(err)
	}
	second := begin("second")
	if err := second.save(); err != nil {
		t.Fatal(err)
	}
	if err := first.save(); !errors.Is(err, errNotOurs) {
		t.Errorf("the first one saves its state: %v", err)
	}
	if s, err := LoadState(dir); err != nil || s.Spec != "second" {
		t.Errorf("the state is %+v (%v)", s, err)
	}
}
