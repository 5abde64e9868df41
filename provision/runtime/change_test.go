package runtime_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"netlab/provision/runtime"
)

// TestPrivilegedReadiness checks that a pod is an endpoint exactly while its
// probe succeeds.
func TestPrivilegedReadiness(t *testing.T) {
	l := newLab(t, labText("rt-ready", `
  - {name: plain, node: n, labels: {app: web}, containers: [{name: web, serve: {http: 80}}]}
  - name: probed
    node: n
    labels: {app: web}
    containers:
      - {name: web, serve: {http: 80}}
      - {name: side, command: [sleep, 1d], readinessProbe: {tcp: 7000, periodSeconds: 0.1, failureThreshold: 1}}
services:
  - {name: web, selector: {app: web}, ports: [{port: 80}]}
`))
	endpoints := func() string {
		out, err := l.in("n", "iptables-save", "-t", "nat")
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, pod := range []string{"10.244.1.2:80", "10.244.1.3:80"} {
			if strings.Contains(out, "--to-destination "+pod) {
				found = append(found, pod)
			}
		}
		return strings.Join(found, " ")
	}
	is := func(want string) {
		t.Helper()
		l.until("endpoints "+want, func() string {
			if got := endpoints(); got != want {
				return got
			}
			return ""
		})
		l.noChanges()
	}
	if got := endpoints(); got != "10.244.1.2:80" {
		t.Errorf("after up the endpoints are %s", got)
	}
	is("10.244.1.2:80")
	if out := l.must("status", l.name); !strings.Contains(out, "not ready: connect to 10.244.1.3:7000: connect: connection refused") {
		t.Errorf("status:\n%s", out)
	}
	for range 2 {
		listener := exec.Command("ip", "netns", "exec", l.name+".probed", "nc", "-lk", "7000")
		if err := listener.Start(); err != nil {
			t.Fatal(err)
		}
		is("10.244.1.2:80 10.244.1.3:80")
		_ = listener.Process.Kill()
		_ = listener.Wait()
		is("10.244.1.2:80")
	}
	// A pod whose container has ended is no endpoint either.
	l.write(strings.Replace(labText("rt-ready", `
  - {name: plain, node: n, labels: {app: web}, restartPolicy: Never, containers: [{name: web, serve: {http: 80}}]}
services:
  - {name: web, selector: {app: web}, ports: [{port: 80}]}
`), "\n\n", "\n", 1))
	l.must("up", "-q", l.file)
	is("10.244.1.2:80")
	l.kill9(l.container("plain", "web").PID)
	is("")
}

// TestPrivilegedLogs checks that a log is bounded and can be followed.
func TestPrivilegedLogs(t *testing.T) {
	l := newLab(t, labText("rt-logs", `
  - name: web
    node: n
    containers:
      - {name: web, serve: {http: 80}}
      - {name: loud, command: [sh, -c, "head -c 7000000 /dev/zero | tr '\\0' x; echo; echo the end; exec sleep 1d"]}
`))
	l.until("the end of the output", func() string {
		out := l.must("logs", l.name, "web", "-c", "loud")
		if strings.HasSuffix(out, "x\nthe end\n") {
			if len(out) > 2*runtime.LogSize {
				t.Errorf("%d bytes are kept", len(out))
			}
			return ""
		}
		return fmt.Sprintf("%d bytes", len(out))
	})
	files, _ := filepath.Glob(filepath.Dir(l.dir().Log(l.name+".web", "loud")) + "/*")
	for _, f := range files {
		if fi, err := os.Stat(f); err != nil || fi.Size() > runtime.LogSize {
			t.Errorf("%s: %d bytes, %v", f, fi.Size(), err)
		}
	}
	follow := exec.Command(l.netlab, "logs", l.name, "web", "-f")
	var out bytes.Buffer
	follow.Stdout = &out
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := l.curl("n", fmt.Sprintf("http://web/request-%d", i)); err != nil {
			t.Error(err)
		}
	}
	l.must("down", l.name) // ends the follower, too
	if err := follow.Wait(); err != nil {
		t.Error(err)
	}
	for i := range 3 {
		if !strings.Contains(out.String(), fmt.Sprintf(`GET "/request-%d"`, i)) {
			t.Errorf("request %d is missing in %s", i, &out)
		}
	}
}

// TestPrivilegedEdit changes the lab file and checks that only what changed is
// restarted.
func TestPrivilegedEdit(t *testing.T) {
	const before = `
  - name: a
    node: n
    containers:
      - {name: web, serve: {http: 80}}
      - {name: side, command: [sleep, 1d]}
  - {name: b, node: n, containers: [{name: web, serve: {http: 80}}]}
`
	l := newLab(t, labText("rt-edit", before))
	web, side := l.container("a", "web"), l.container("a", "side")
	b := l.container("b", "web")

	l.write("# a comment\n" + labText("rt-edit", before))
	if out := l.must("plan", l.file); !strings.HasPrefix(out, "no changes") {
		t.Errorf("for a comment:\n%s", out)
	}
	l.write(labText("rt-edit", strings.Replace(before, "1d", "2d", 1)))
	if out := l.must("plan", l.file); out != "~ supervisor rt-edit\n    ~ container default/a/side\n1 to update\n" {
		t.Errorf("for another command:\n%s", out)
	}
	l.must("up", "-q", l.file)
	if is := l.container("a", "side"); is.Identity == side.Identity || is.Phase != runtime.Running || is.Restarts != 0 {
		t.Errorf("side: %+v", is)
	}
	// A probe needs no other process.
	l.write(labText("rt-edit", strings.Replace(strings.Replace(before, "1d", "2d", 1), "{http: 80}}\n", "{http: 80}, readinessProbe: {http: 80}}\n", 1)))
	l.must("up", "-q", l.file)
	l.until("the probe", func() string {
		if c := l.container("a", "web"); !c.Ready {
			return c.Describe()
		}
		return ""
	})
	for _, tt := range []struct {
		pod string
		was runtime.ContainerState
	}{{"a", web}, {"b", b}} {
		if is := l.container(tt.pod, "web"); is.Identity != tt.was.Identity {
			t.Errorf("%s/web was restarted: %+v, was %+v", tt.pod, is, tt.was)
		}
	}
	l.write(labText("rt-edit", "  - {name: b, node: n, ip: 10.244.1.3, containers: [{name: web, serve: {http: 80}}]}\n"))
	l.must("up", "-q", l.file)
	l.noChanges()
	if web.Alive() || !b.Alive() {
		t.Errorf("web of a lives: %v, of b: %v", web.Alive(), b.Alive())
	}
	l.write(labText("rt-edit", "  - {name: b, node: n, ip: 10.244.1.3}\n"))
	l.must("up", "-q", l.file)
	l.noChanges()
	if b.Alive() {
		t.Error("a container that is no longer in the file lives")
	}
	if out, _ := l.run("pgrep", "-f", "netlab supervise rt-edit"); out != "" {
		t.Errorf("the supervisor has nothing to do and lives: %s", out)
	}
}

// TestPrivilegedStop checks how containers end.
func TestPrivilegedStop(t *testing.T) {
	const pods = `
  - name: a
    node: n
    containers:
      - {name: polite, command: [sh, -c, "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.1; done"]}
      - {name: deaf, command: [sh, -c, "trap '' TERM; echo ready; while :; do sleep 0.1; done"]}
      - {name: orphans, command: [sh, -c, "(sleep 0.1 &); (sleep 0.1 &); echo ready; exec sleep 1d"]}
`
	l := newLab(t, labText("rt-stop", pods))
	for _, c := range []string{"polite", "deaf", "orphans"} {
		l.until(c, func() string {
			if out := l.must("logs", l.name, "a", "-c", c); out != "ready\n" {
				return out
			}
			return ""
		})
	}
	// The container's first process takes care of orphans.
	l.until("no zombies", func() string {
		out := l.must("exec", l.name, "a", "-c", "orphans", "--", "ps", "-eo", "stat=,comm=")
		if strings.Contains(out, "Z") || strings.Count(out, "sleep") != 1 {
			return out
		}
		return ""
	})
	began := time.Now()
	l.write(labText("rt-stop", strings.ReplaceAll(pods, "sleep 0.1; done", "sleep 0.2; done")))
	l.must("up", "-q", l.file)
	if took := time.Since(began); took < runtime.Grace || took > patience {
		t.Errorf("it took %v to end a deaf container", took)
	}
	if out := l.must("logs", l.name, "a", "-c", "polite"); !strings.HasPrefix(out, "ready\ngoodbye\n") {
		t.Errorf("log %q", out)
	}
	l.noChanges()
}

// TestPrivilegedSupervisorLost removes what tells of the supervisor: the next one
// takes its place and its containers at once, and down ends it as well.
func TestPrivilegedSupervisorLost(t *testing.T) {
	l := newLab(t, labText("rt-lost", "  - {name: a, node: n, containers: [{name: web, serve: {http: 80}}]}\n"))
	supervisors := func() []int {
		out, _ := l.run("pgrep", "-f", "^netlab supervise rt-lost ")
		var pids []int
		for _, word := range strings.Fields(out) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		return pids
	}
	web := l.container("a", "web")
	lose := func() {
		// It looks for its files every two seconds, and ends with its containers when
		// they are gone: a slow machine takes longer than that to begin. So it is
		// stopped, while it cannot have the lab's lock.
		lock, err := os.Open(filepath.Join(string(l.dir()), "lock"))
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		for _, pid := range supervisors() {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.RemoveAll(filepath.Join(string(l.dir()), "supervisor")); err != nil {
			t.Fatal(err)
		}
	}
	lose()
	l.must("up", "-q", l.file)
	if all := supervisors(); len(all) != 1 || !web.Alive() {
		t.Errorf("%d supervisors, and the container goes on: %v", len(all), web.Alive())
	}
	l.noChanges()
	lose()
	l.must("down", "-q", l.name)
	if all := supervisors(); len(all) != 0 || web.Alive() {
		t.Errorf("after down: %d supervisors, and the container goes on: %v", len(all), web.Alive())
	}
}

// TestPrivilegedNoExec checks that nothing of the file runs.
func TestPrivilegedNoExec(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	l := newLab(t, labText("rt-noexec", `
  - {name: a, node: n, containers: [{name: c, command: [touch, `+mark+`], user: 0}]}
`), "--no-exec")
	if out, _ := l.run("pgrep", "-f", "netlab supervise rt-noexec"); out != "" {
		t.Errorf("a supervisor runs: %s", out)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the command ran")
	}
	if out, err := l.in("n", "ping", "-c", "1", "-W", "2", "10.244.1.2"); err != nil {
		t.Errorf("the network does not work: %s %v", out, err)
	}
	l.must("up", "-q", "--allow-users", l.file)
	l.until("the command, now", func() string {
		if _, err := os.Stat(mark); err != nil {
			return err.Error()
		}
		return ""
	})
	l.must("up", "-q", "--no-exec", l.file)
	if out, _ := l.run("pgrep", "-f", "netlab supervise rt-noexec"); out != "" {
		t.Errorf("a supervisor goes on: %s", out)
	}
}

// TestPrivilegedNamespaceRemoved takes a pod's namespace away by hand: the
// containers are started again in the new one.
func TestPrivilegedNamespaceRemoved(t *testing.T) {
	l := newLab(t, labText("rt-netns", "  - {name: web, node: n, containers: [{name: web, serve: {http: 80}}]}\n"))
	old := l.container("web", "web")
	l.tool("ip", "netns", "del", "rt-netns.web")
	if out := l.must("plan", l.file); !strings.Contains(out, "stray is default/web/web") {
		t.Errorf("plan:\n%s", out)
	}
	l.must("up", "-q", l.file)
	l.until("an answer", func() string {
		out, err := l.curl("n", "http://web/hostname")
		if out == "web\n" {
			return ""
		}
		return fmt.Sprint(out, err)
	})
	if old.Alive() {
		t.Error("the container in the old namespace lives")
	}
	l.noChanges()
	if out := l.pause("web"); strings.Contains(out, "\n") {
		t.Errorf("several pause processes: %s", out)
	}
}

// TestPrivilegedTasksAreBounded lets a container start as many processes as it
// can.
func TestPrivilegedTasksAreBounded(t *testing.T) {
	l := newLab(t, labText("rt-tasks", `
  - name: a
    node: n
    containers:
      - {name: web, serve: {http: 80}}
      - {name: bomb, command: [sh, -c, "i=0; while [ $i -lt 3000 ]; do sleep 1000 & i=$((i+1)); done; exec sleep 1d"]}
`))
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/netlab/rt-tasks/rt-tasks.a/bomb")
	own, _ := filepath.Glob("/sys/fs/cgroup/netlab/rt-tasks/rt-tasks.a/bomb")
	if groups = append(groups, own...); len(groups) == 0 {
		t.Skip("this host lets nobody make control groups for the number of tasks")
	}
	l.until("the limit is met", func() string {
		events, err := os.ReadFile(filepath.Join(groups[0], "pids.events"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(events), "max 0") {
			return string(events)
		}
		return ""
	})
	current, err := os.ReadFile(filepath.Join(groups[0], "pids.current"))
	if n, _ := strconv.Atoi(strings.TrimSpace(string(current))); err != nil || n > 512 {
		t.Errorf("%s tasks, %v", current, err)
	}
	if out, err := l.curl("a", "http://localhost/hostname"); out != "a\n" {
		t.Errorf("the neighbour: %q, %v", out, err)
	}
}

// TestPrivilegedUpKilled kills netlab up at any moment: the next one finishes
// its work, nothing runs twice, and down leaves nothing.
func TestPrivilegedUpKilled(t *testing.T) {
	const pods = `
  - {name: a, node: n, containers: [{name: web, serve: {http: 80}}, {name: side, command: [sleep, 1d]}]}
  - {name: b, node: n, containers: [{name: web, serve: {http: 80}}]}
`
	l := newLab(t, labText("rt-upkill", pods))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		if rng.IntN(2) == 0 {
			l.must("down", l.name)
		}
		up := exec.Command(l.netlab, "up", "-q", l.file)
		if err := up.Start(); err != nil {
			t.Fatal(err)
		}
		after := time.NewTimer(time.Duration(rng.IntN(250)) * time.Millisecond)
		<-after.C
		_ = up.Process.Kill()
		_ = up.Wait()
		if rng.IntN(2) == 0 {
			continue // into the next one
		}
		l.must("up", "-q", l.file)
		l.noChanges()
		for pattern, want := range map[string]int{
			"^netlab supervise rt-upkill ": 1, `^pause rt-upkill\.`: 2, "^netlab container .*/rt-upkill/": 3,
		} {
			out, _ := l.run("pgrep", "-f", pattern)
			if n := len(strings.Fields(out)); n != want {
				t.Errorf("%d of %s, want %d", n, pattern, want)
			}
		}
		if out, err := l.curl("a", "http://b/hostname"); out != "b\n" {
			t.Errorf("b: %q, %v", out, err)
		}
	}
}
