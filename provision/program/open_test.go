package program

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// TestExecutedBesideOtherFiles starts a program whose file was opened right after
// the one that it is handed on, while lower numbers are free: the runtime's pipe
// for the child gets the number after those that are handed on.
func TestExecutedBesideOtherFiles(t *testing.T) {
	code := Pause(runtime.GOARCH)
	if code == nil {
		t.Skipf("no program for %s", runtime.GOARCH)
	}
	open := func() *os.File {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var low []*os.File
	for range 8 {
		low = append(low, open())
	}
	null := open()
	defer null.Close()
	low[0].Close() // what Open needs for a moment gets its number
	f, err := Open("pause", code)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, f := range low[1:] {
		f.Close()
	}
	pid, err := syscall.ForkExec(Path(f), []string{"pause"}, &syscall.ProcAttr{Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}})
	if err != nil {
		t.Fatalf("start the program in file %d beside file %d: %v", f.Fd(), null.Fd(), err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, _ = syscall.Wait4(pid, nil, 0, nil)
}
