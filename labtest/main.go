package labtest

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"netlab/provision/kernel"
	"netlab/provision/netns"
	"netlab/provision/runtime"
)

// execName is what this program is called while it becomes a command inside a
// lab: execName DIR NAMESPACE ARGV...
const execName = "labtest-exec"

// session is what the tests of one process share. Main makes it.
var session struct {
	started bool
	runDir  string // of labs
	skip    error  // why there can be no labs
}

// Main runs the tests of a package and exits. Call it from TestMain, before
// anything else: it also does what a lab's processes do that are started from this
// program. Without root all tests of the package run in the user's own user
// namespace, in which they are root; files are the user's.
func Main(m *testing.M) {
	if code, ok := netns.Main(os.Args); ok {
		os.Exit(code)
	}
	if len(os.Args) > 3 && os.Args[0] == execName {
		err := runtime.Dir(os.Args[1]).Pins(os.Args[2]).Exec(os.Args[2], os.Args[3:], os.Environ(), "")
		fmt.Fprintln(os.Stderr, err)
		os.Exit(127)
	}
	session.started = true
	world, err := netns.CurrentWorld(kernel.Volatile...)
	if err == nil && os.Geteuid() != 0 && !world.Inside() {
		err = world.Enter(os.Args) // returns only if it cannot be
	}
	if err != nil {
		session.skip = err
		os.Exit(m.Run())
	}
	if world.Inside() {
		session.runDir = world.RunDir()
	}
	code := m.Run()
	if programDir != "" {
		_ = os.RemoveAll(programDir)
	}
	if err := world.Leave(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// programDir is where netlab was built, if it was.
var programDir string

// program returns netlab, which runs the containers of labs: the one that the
// environment variable NETLAB names, or one that is built of this module.
var program = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("NETLAB"); path != "" {
		return filepath.Abs(path)
	}
	dir, err := os.MkdirTemp("", "netlab-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "netlab")
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), "build", "-o", path, "netlab/cmd/netlab")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build netlab, which runs the containers of labs: %w\n%s    hint: let the environment variable NETLAB name one that is built", err, out)
	}
	return path, nil
})
