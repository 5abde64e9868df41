package examples_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// built is netlab, once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "netlab-examples-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "netlab")
	out, err := exec.Command("go", "build", "-o", bin, "netlab/cmd/netlab").CombinedOutput()
	if err != nil {
		return "", &os.PathError{Op: "build", Path: bin, Err: errorText(string(out) + err.Error())}
	}
	return bin, os.Chmod(dir, 0o755) // other users run it, too
})

type errorText string

func (e errorText) Error() string { return string(e) }

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// program returns netlab.
func program(t *testing.T) string {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// needRoot skips tests that change the kernel where this is not allowed.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// needProgram skips where a program is missing that the example is about, and
// says how to get it.
func needProgram(t *testing.T, path, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(path); err != nil {
		t.Skipf("%s is missing: apt-get install %s", path, pkg)
	}
}

// bringUp brings a lab up that is gone when the test is over, and lets netlab
// verify it.
func bringUp(t *testing.T, name, file string) {
	t.Helper()
	bin := program(t)
	t.Cleanup(func() {
		if out, err := exec.Command(bin, "down", name).CombinedOutput(); err != nil {
			t.Errorf("down %s: %v\n%s", name, err, out)
		}
	})
	output(t, bin, "up", file)
	output(t, bin, "verify", name, "--wait", "20s")
}

// output runs a command that has to succeed, and returns what it prints.
func output(t *testing.T, argv ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 10 * time.Second // a process in the background may keep what it inherits
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// inNS runs a command in a network namespace.
func inNS(t *testing.T, ns string, argv ...string) string {
	t.Helper()
	return output(t, append([]string{"ip", "netns", "exec", ns}, argv...)...)
}
