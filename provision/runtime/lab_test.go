package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"netlab/labs"
	"netlab/provision/runtime"
)

// built is the directory that netlabBinary made, if it did.
var built string

// netlabBinary builds netlab, once.
var netlabBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "netlab-runtime-test")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "netlab")
	out, err := exec.Command("go", "build", "-o", path, "netlab/cmd/netlab").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, os.Chmod(dir, 0o755)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// patience is how long a test waits for something that should happen at once, on
// the slowest machine.
const patience = 2 * time.Minute

// testLab is a lab on the real kernel, run by the netlab command.
type testLab struct {
	*testing.T
	name   string
	file   string
	netlab string
}

// newLab writes a lab file and brings the lab up. When the test is over the lab
// goes down, and it is checked that nothing is left of it.
func newLab(t *testing.T, text string, flags ...string) *testLab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it with sudo, or in unshare --map-root-user --mount --net")
	}
	binary, err := netlabBinary()
	if err != nil {
		t.Fatal(err)
	}
	l := &testLab{T: t, file: filepath.Join(t.TempDir(), "lab.yaml"), netlab: binary}
	l.write(text)
	lab, diagnostics := labs.Load(l.file, []byte(text))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	l.name = lab.Name
	t.Cleanup(func() {
		if t.Failed() {
			for _, file := range []string{"log", "state"} {
				text, err := os.ReadFile(filepath.Join(string(l.dir()), "supervisor", file))
				t.Logf("%s: %s %v", file, text, err)
			}
		}
		l.must("down", l.name)
		l.nothingLeft()
	})
	l.must(append([]string{"up", "-q", l.file}, flags...)...)
	return l
}

func (l *testLab) write(text string) {
	l.Helper()
	if err := os.WriteFile(l.file, []byte(text), 0o644); err != nil {
		l.Fatal(err)
	}
}

// run runs a command and returns what it printed.
func (l *testLab) run(argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.Context()), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, problems.String())
	}
	return out.String(), err
}

// must runs a netlab command that is to succeed.
func (l *testLab) must(args ...string) string {
	l.Helper()
	return l.tool(append([]string{l.netlab}, args...)...)
}

// tool runs a command that is to succeed.
func (l *testLab) tool(argv ...string) string {
	l.Helper()
	out, err := l.run(argv...)
	if err != nil {
		l.Fatal(err)
	}
	return out
}

// in runs a command in a network namespace of the lab, with ip netns exec.
func (l *testLab) in(name string, argv ...string) (string, error) {
	return l.run(append([]string{"ip", "netns", "exec", l.name + "." + name}, argv...)...)
}

// curl asks from a namespace of the lab.
func (l *testLab) curl(from, url string) (string, error) {
	return l.in(from, "curl", "-sS", "--max-time", "30", url)
}

// until waits for a condition. check returns "" when it holds, and otherwise
// how things are.
func (l *testLab) until(what string, check func() string) {
	l.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		is := check()
		if is == "" {
			return
		}
		if time.Now().After(deadline) {
			l.Fatalf("%s: not within %v: %s", what, patience, is)
		}
		<-tick.C
	}
}

func (l *testLab) dir() runtime.Dir { return runtime.Dir("/run/netlab/" + l.name) }

// container returns the state of a container of a pod in namespace default.
func (l *testLab) container(pod, name string) runtime.ContainerState {
	l.Helper()
	s, err := runtime.LoadState(l.dir())
	if err != nil {
		l.Fatal(err)
	}
	if p := s.Pod("default/" + pod); p != nil {
		for _, c := range p.Containers {
			if c.Name == name {
				return c
			}
		}
	}
	l.Fatalf("there is no container %s in pod %s: %+v", name, pod, s)
	return runtime.ContainerState{}
}

func (l *testLab) supervisor() int {
	l.Helper()
	s, err := runtime.LoadState(l.dir())
	if err != nil {
		l.Fatal(err)
	}
	return s.Supervisor.PID
}

// pause returns the number of the pause process of a pod.
func (l *testLab) pause(pod string) string {
	l.Helper()
	return strings.TrimSpace(l.tool("pgrep", "-fx", "pause "+l.name+"."+pod))
}

func (l *testLab) kill9(pid int) {
	l.Helper()
	l.tool("kill", "-9", strconv.Itoa(pid))
	l.until("the end of process "+strconv.Itoa(pid), func() string {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(err, os.ErrNotExist) || strings.Contains(string(state), ") Z ") {
			return ""
		}
		return "it lives"
	})
}

// noChanges checks that the lab is as its file says.
func (l *testLab) noChanges() {
	l.Helper()
	l.until("nothing to change", func() string {
		out := l.must("plan", l.file)
		if strings.HasPrefix(out, "no changes") {
			return ""
		}
		return out
	})
}

// nothingLeft checks that no process, mount, file or control group of the lab
// is there.
func (l *testLab) nothingLeft() {
	l.Helper()
	if out, _ := l.run("pgrep", "-fa", "^(pause "+l.name+`\.|netlab supervise `+l.name+" |netlab container .*/run/netlab/"+l.name+"/)"); out != "" {
		l.Errorf("processes are left:\n%s", out)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		l.Fatal(err)
	}
	if strings.Contains(string(mounts), "/run/netlab/"+l.name+"/") || strings.Contains(string(mounts), "/run/netns/"+l.name+".") {
		l.Errorf("mounts are left:\n%s", mounts)
	}
	if out := l.tool("ip", "netns", "list"); strings.Contains("\n"+out, "\n"+l.name+".") {
		l.Errorf("namespaces are left:\n%s", out)
	}
	for _, pattern := range []string{
		"/run/netlab/" + l.name, "/etc/netns/" + l.name + ".*", "/sys/fs/cgroup/netlab/" + l.name, "/sys/fs/cgroup/*/netlab/" + l.name,
	} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			l.Errorf("files are left: %v", left)
		}
	}
}
