package runtime_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"netlab/provision/runtime"
)

// oneNode begins a lab of one node.
const oneNode = "name: %s\nnodes: [{name: n}]\npods:\n"

func labText(name, pods string) string { return fmt.Sprintf(oneNode, name) + pods }

func TestPrivilegedPause(t *testing.T) {
	l := newLab(t, labText("rt-pause", `
  - {name: web, node: n, containers: [{name: web, serve: {http: 80}}]}
  - {name: bare, node: n}
`)+"pause: true\n")
	for _, pod := range []string{"web", "bare"} {
		pid := l.pause(pod)
		if comm := l.tool("ps", "-o", "comm=", "-p", pid); comm != "pause\n" {
			t.Errorf("ps calls it %q", comm)
		}
		if out := l.tool("lsns", "-l", "-t", "net", "-n", "-o", "PID,COMMAND"); !strings.Contains(out, pid+" pause rt-pause."+pod) {
			t.Errorf("lsns does not show it:\n%s", out)
		}
		if out := l.tool("nsenter", "-t", pid, "-u", "hostname"); out != pod+"\n" {
			t.Errorf("hostname %q", out)
		}
		rollup, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
		if err != nil {
			t.Fatal(err)
		}
		private := 0
		for _, m := range regexp.MustCompile(`Private_\w+: +(\d+) kB`).FindAllStringSubmatch(string(rollup), -1) {
			n, _ := strconv.Atoi(m[1])
			private += n
		}
		if private > 64 {
			t.Errorf("%d kB of its own are too many:\n%s", private, rollup)
		}
		t.Logf("%d kB of its own", private)
	}
	spaces := func(pid string) string {
		return l.tool("readlink", "/proc/"+pid+"/ns/net", "/proc/"+pid+"/ns/ipc", "/proc/"+pid+"/ns/uts")
	}
	before := spaces(l.pause("web"))
	host := spaces("self")
	for i, line := range strings.Split(strings.TrimSpace(host), "\n") {
		if line == strings.Split(before, "\n")[i] {
			t.Errorf("it shares %s with the host", line)
		}
	}
	web := l.container("web", "web").PID
	if got := spaces(strconv.Itoa(web)); got != before {
		t.Errorf("the container is in %s, the pause process in %s", got, before)
	}
	old := l.pause("web")
	pid, _ := strconv.Atoi(old)
	l.kill9(pid)
	if out := l.must("plan", l.file); !strings.Contains(out, "~ pause rt-pause.web: process is none, lab says running") {
		t.Errorf("plan:\n%s", out)
	}
	if out, err := l.curl("bare", "http://web/hostname"); out != "web\n" {
		t.Errorf("without a pause process: %q, %v", out, err)
	}
	l.must("up", "-q", l.file)
	l.noChanges()
	if after := l.pause("web"); after == old || spaces(after) != before {
		t.Errorf("process %s in %s, was %s in %s", after, spaces(after), old, before)
	}
	if now := l.container("web", "web").PID; now != web {
		t.Errorf("the container was restarted: %d, was %d", now, web)
	}
}

// TestPrivilegedContainer looks at a container from inside.
func TestPrivilegedContainer(t *testing.T) {
	l := newLab(t, labText("rt-inside", `
  - name: web
    node: n
    containers:
      - {name: web, serve: {http: 80, tcp: 81, udp: 82}}
      - {name: side, command: [sh, -c, "echo $0 $A; exec sleep 1d", zero], env: {A: "b c"}, workingDir: /usr}
      - {name: root, command: [sleep, 1d], user: 0}
  - {name: client, node: n}
`), "--allow-users")
	exec := func(container string, argv ...string) string {
		t.Helper()
		return l.must(append([]string{"exec", l.name, "web", "-c", container, "--"}, argv...)...)
	}
	full := !strings.HasPrefix(strings.Join(strings.Fields(l.tool("cat", "/proc/self/uid_map")), " "), "0 0 1 ") &&
		strings.Contains(l.tool("cat", "/proc/self/uid_map"), "4294967295")
	if full {
		if id := exec("side", "id", "-u"); id != "65534\n" {
			t.Errorf("user %s", id)
		}
	}
	if id := exec("root", "id", "-u"); id != "0\n" {
		t.Errorf("user 0 is %s", id)
	}
	if out := exec("side", "pwd"); out != "/usr\n" {
		t.Errorf("working directory %s", out)
	}
	if out := exec("side", "hostname"); out != "web\n" {
		t.Errorf("hostname %s", out)
	}
	// Its own processes only, the first of them its init.
	if out := exec("side", "ps", "-eo", "pid=,comm="); !strings.Contains(out, "1 netlab\n") || strings.Count(out, "\n") > 4 {
		t.Errorf("processes:\n%s", out)
	}
	if out := exec("side", "ls", "/sys/class/net"); full && out != "eth0\nlo\n" {
		t.Errorf("devices:\n%s", out)
	}
	if out, err := l.run(l.netlab, "exec", l.name, "web", "-c", "side", "--", "sh", "-c", "ip -br addr show eth0 2>&1"); !strings.HasPrefix(out, "eth0") {
		t.Errorf("ip addr: %s, %v", out, err)
	}
	if out := exec("side", "getent", "hosts", "client"); !strings.Contains(out, "client") {
		t.Errorf("names: %s", out)
	}
	// Containers share localhost, and a low port needs no root.
	if out := exec("side", "curl", "-sS", "http://localhost/hostname"); out != "web\n" {
		t.Errorf("neighbour: %s", out)
	}
	out := exec("side", "ping", "-c", "1", "-W", "2", "client")
	if !strings.Contains(out, "1 received") {
		t.Errorf("ping: %s", out)
	}
	if out := l.must("logs", l.name, "web", "-c", "side"); out != "zero b c\n" {
		t.Errorf("log %q", out)
	}
	// The host's environment and capabilities stay outside.
	if out := exec("side", "env"); strings.Contains(out, "GOPATH") || !strings.Contains(out, "NETLAB_POD=web\n") {
		t.Errorf("environment:\n%s", out)
	}
	if out := exec("root", "grep", "CapEff", "/proc/self/status"); !strings.HasSuffix(strings.TrimSpace(out), "a00435fb") {
		// Without making devices, loading modules, mounting.
		if full {
			t.Errorf("capabilities %s", out)
		}
	}
	var a runtime.Answer
	body, err := l.in("client", "curl", "-sS", "-H", "Accept: application/json", "http://web/x")
	if err != nil || json.Unmarshal([]byte(body), &a) != nil || a.Pod != "web" || a.Node != "n" || !strings.HasPrefix(a.Remote, "10.244.1.3:") || a.Local != "10.244.1.2:80" {
		t.Errorf("answer %s, %v", body, err)
	}
	for _, flags := range []string{"-N -w 2 web 81", "-u -w 1 web 82"} {
		out, err := l.in("client", "sh", "-c", "echo hello | nc "+flags)
		if !strings.Contains(out, "pod=web namespace=default node=n") || !strings.HasSuffix(out, "hello\n") {
			t.Errorf("nc %s: %q, %v", flags, out, err)
		}
	}
}

// TestPrivilegedCrash checks that a container that crashes is started again and
// again, ever later, and disturbs nobody.
func TestPrivilegedCrash(t *testing.T) {
	l := newLab(t, labText("rt-crash", `
  - name: web
    node: n
    containers:
      - {name: web, serve: {http: 80}}
      - {name: crash, command: [sh, -c, "echo once; exit 3"]}
      - {name: wrong, command: [/no/such/program]}
  - {name: never, node: n, restartPolicy: Never, containers: [{name: job, command: ["false"]}]}
  - {name: onfailure, node: n, restartPolicy: OnFailure, containers: [{name: job, command: ["true"]}]}
`))
	l.until("three restarts", func() string {
		if out, err := l.curl("web", "http://localhost/hostname"); out != "web\n" {
			t.Fatalf("the neighbour is disturbed: %q, %v", out, err)
		}
		c := l.container("web", "crash")
		if c.Restarts >= 3 && c.ExitCode != nil && *c.ExitCode == 3 {
			return ""
		}
		return fmt.Sprintf("%+v", c)
	})
	l.until("a pause between restarts", func() string {
		if c := l.container("web", "crash"); c.Reason != runtime.BackOff {
			return c.Describe()
		}
		return ""
	})
	if out := l.must("logs", l.name, "web", "-c", "crash"); !strings.HasPrefix(out, "once\nonce\nonce\n") {
		t.Errorf("log %q", out)
	}
	if c := l.container("web", "wrong"); !strings.Contains(c.Message, "/no/such/program: there is no such program") {
		t.Errorf("a program that is not there: %+v", c)
	}
	for pod, want := range map[string]struct {
		code   int
		reason string
	}{"never": {1, runtime.Failed}, "onfailure": {0, runtime.Completed}} {
		l.until(pod, func() string {
			c := l.container(pod, "job")
			if c.Phase == runtime.Terminated && c.Reason == want.reason && *c.ExitCode == want.code && c.Restarts == 0 {
				return ""
			}
			return fmt.Sprintf("%+v", c)
		})
	}
	out := l.must("status", l.name)
	if !regexp.MustCompile(`crash +(CrashLoopBackOff|Running) +(yes|no) +\d+ +3\n`).MatchString(out) {
		t.Errorf("status:\n%s", out)
	}
	// What has done its work is not done again.
	l.must("up", "-q", l.file)
	if c := l.container("onfailure", "job"); c.Phase != runtime.Terminated || c.Restarts != 0 {
		t.Errorf("%+v", c)
	}
}

// TestPrivilegedKilled kills what runs, one after the other.
func TestPrivilegedKilled(t *testing.T) {
	l := newLab(t, labText("rt-killed", `
  - name: web
    node: n
    containers:
      - {name: web, serve: {http: 80}}
      - {name: side, command: [sleep, 1d]}
`))
	answers := func(when string) {
		t.Helper()
		l.until(when, func() string {
			out, err := l.curl("n", "http://web/hostname")
			if out == "web\n" {
				return ""
			}
			return fmt.Sprint(out, err)
		})
	}
	answers("at first")

	side := l.container("web", "side")
	l.kill9(side.PID)
	l.until("the container starts again", func() string {
		c := l.container("web", "side")
		if c.Phase == runtime.Running && c.Restarts == 1 && c.PID != side.PID && *c.ExitCode == 137 {
			return ""
		}
		return fmt.Sprintf("%+v", c)
	})
	answers("the neighbour")

	web, side := l.container("web", "web"), l.container("web", "side")
	first := l.supervisor()
	l.kill9(first)
	answers("without a supervisor")
	if out := l.must("plan", l.file); !strings.Contains(out, "~ supervisor rt-killed\n    process is none, lab says running\n") {
		t.Errorf("plan:\n%s", out)
	}
	l.must("up", "-q", l.file)
	l.noChanges()
	if is := l.container("web", "web"); is.Identity != web.Identity || is.Restarts != web.Restarts {
		t.Errorf("web was not taken over: %+v, was %+v", is, web)
	}
	if is := l.container("web", "side"); is.Identity != side.Identity || is.Restarts != 1 {
		t.Errorf("side was not taken over: %+v, was %+v", is, side)
	}
	if l.supervisor() == first {
		t.Error("no new supervisor")
	}

	// One that ended while nobody looked.
	l.kill9(l.supervisor())
	l.kill9(side.PID)
	l.must("up", "-q", l.file)
	l.until("it is started again", func() string {
		c := l.container("web", "side")
		if c.Phase == runtime.Running && c.Restarts == 2 && *c.ExitCode == 137 {
			return ""
		}
		return fmt.Sprintf("%+v", c)
	})
	if is := l.container("web", "web"); is.Identity != web.Identity {
		t.Errorf("web was not taken over: %+v, was %+v", is, web)
	}
	l.noChanges()

	// A supervisor that took containers over restarts them, too.
	l.kill9(web.PID)
	l.until("it is restarted", func() string {
		c := l.container("web", "web")
		if c.Phase == runtime.Running && c.Restarts == 1 {
			return ""
		}
		return fmt.Sprintf("%+v", c)
	})
	answers("in the end")
	l.kill9(l.supervisor()) // and down must end everything without it
}
