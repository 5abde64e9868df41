package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netlab/provision/runtime"
)

// person is an ordinary user who uses netlab.
type person struct {
	t       *testing.T
	uid     int
	program string   // netlab, where the user can reach it
	home    string   // the user's runtime directory
	before  []string // words before the command, such as unshare
	env     []string
}

// someone returns a user of whom nothing may be left when the test is over. n
// tells them apart.
func someone(t *testing.T, n int) *person {
	t.Helper()
	requireRoot(t)
	if !runtime.HasUser(runtime.Nobody) {
		t.Skip("needs more users than this user namespace has: run the tests as root")
	}
	p := &person{t: t, uid: 40000 + (os.Getpid()*10+n)%20000, program: reachable(t)}
	dir, err := os.MkdirTemp("", "netlab-home") //nolint:usetesting // that of the test is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	p.home = dir
	if err := os.Chown(dir, p.uid, p.uid); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.run("down", "--all", "--yes")
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left of user %d: %v %v", p.uid, left, err)
		}
		if left := processesOf(t, p.uid); left != "" {
			t.Errorf("processes of user %d are left:\n%s", p.uid, left)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return p
}

// reachable copies this program to where everybody can run it.
var reachable = func() func(t *testing.T) string {
	var once sync.Once
	var path string
	return func(t *testing.T) string {
		t.Helper()
		once.Do(func() {
			dir, err := os.MkdirTemp("", "netlab-bin") //nolint:usetesting // it outlives the test
			if err != nil {
				t.Fatal(err)
			}
			atEnd = append(atEnd, func() { os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			from, err := os.Open("/proc/self/exe")
			if err != nil {
				t.Fatal(err)
			}
			defer from.Close()
			to, err := os.OpenFile(filepath.Join(dir, "netlab"), os.O_WRONLY|os.O_CREATE, 0o755)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(to, from); err != nil {
				t.Fatal(err)
			}
			if err := to.Close(); err != nil {
				t.Fatal(err)
			}
			path = to.Name()
		})
		return path
	}
}()

// command returns netlab as the user calls it.
func (p *person) command(args ...string) *exec.Cmd {
	words := append(append([]string{}, p.before...),
		"setpriv", "--reuid", strconv.Itoa(p.uid), "--regid", strconv.Itoa(p.uid), "--clear-groups", "--", p.program)
	cmd := exec.Command(words[0], append(words[1:], args...)...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=/", "LC_ALL=C.UTF-8", "XDG_RUNTIME_DIR=" + p.home, raceOptions + "=" + os.Getenv(raceOptions)}, p.env...)
	cmd.Dir = "/"
	return cmd
}

// run runs netlab as the user and returns all it prints.
func (p *person) run(args ...string) (code int, output string) {
	p.t.Helper()
	cmd := p.command(args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		p.t.Fatalf("netlab %v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// must runs netlab as the user and fails the test unless it exits with want.
func (p *person) must(want int, args ...string) string {
	p.t.Helper()
	code, out := p.run(patient(want, args)...)
	if code != want {
		p.t.Fatalf("netlab %s: exit code %d, want %d\n%s", strings.Join(args, " "), code, want, out)
	}
	return out
}

// lab writes a shipped lab where the user can read it.
func (p *person) lab(name string) (file, lab string) {
	p.t.Helper()
	from, l := shippedLab(p.t, name)
	data, err := os.ReadFile(from)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.file(l.Name, string(data)), l.Name
}

func (p *person) file(name, text string) string {
	p.t.Helper()
	path := filepath.Join(filepath.Dir(p.program), fmt.Sprintf("%d-%s.yaml", p.uid, name))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// holder returns the process that holds the user's world.
func (p *person) holder() int {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.home, "netlab", "holder"))
	var h struct{ PID int }
	if err != nil || json.Unmarshal(data, &h) != nil || h.PID == 0 {
		p.t.Fatalf("who holds the labs? %v %s", err, data)
	}
	return h.PID
}

// processesOf lists the processes of a user, dead ones aside.
func processesOf(t *testing.T, uid int) string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, e := range entries {
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err == nil && regexp.MustCompile(fmt.Sprintf(`(?m)^Uid:\s+%d\s`, uid)).Match(status) && !bytes.Contains(status, []byte("\nState:\tZ")) {
			line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
			fmt.Fprintf(&list, "%s %q\n", e.Name(), line)
		}
	}
	return list.String()
}

// TestPrivilegedRootless does with a lab of an ordinary user what root does with
// one of root's, and sees that the host and other users notice nothing.
func TestPrivilegedRootless(t *testing.T) {
	p, other := someone(t, 0), someone(t, 1)
	before := hostState(t)
	file, lab := p.lab("two-node")

	if out := p.must(exitOK, "status"); !strings.Contains(out, "no lab is up") {
		t.Errorf("status of nothing: %s", out)
	}
	if left := processesOf(t, p.uid); left != "" {
		t.Errorf("looking made something that stays:\n%s", left)
	}
	out := p.must(exitOK, "up", file)
	if strings.Contains(out, "ip netns exec") {
		t.Errorf("it says to try what does not work here:\n%s", out)
	}
	p.must(exitOK, "verify", lab)
	p.must(exitOK, "plan", file, "--exit-code")
	p.must(42, "exec", lab, "client", "--", "sh", "-c", "exit 42")
	p.must(exitOK, "exec", lab, "client", "--", "ping", "-c", "1", "-W", "5", "10.244.2.2")
	if out := p.must(exitOK, "exec", lab, "client", "--", "curl", "-sS", "http://web/"); !strings.Contains(out, "pod: web") {
		t.Errorf("curl: %s", out)
	}
	if out := p.must(exitOK, "exec", lab, "node-a", "--", "iptables-save", "-t", "nat"); !strings.Contains(out, "KUBE-SERVICES") {
		t.Errorf("iptables-save: %s", out)
	}
	if out := p.must(exitOK, "trace", lab, "client", "svc/web:80", "-o", "json"); !json.Valid([]byte(out)) || !strings.Contains(out, "KUBE-SEP") {
		t.Errorf("trace: %s", out)
	}
	if out := p.must(exitOK, "logs", lab, "web"); !strings.Contains(out, "serving") {
		t.Errorf("logs: %s", out)
	}
	if out := p.must(exitOK, "exec", lab, "web", "-c", "web", "--", "id", "-u"); out != "0\n" {
		t.Errorf("a container runs as %s", out)
	}
	if out := p.must(exitOK, "capture", lab, "client", "--duration", "1ms"); !strings.Contains(out, "packets") {
		t.Errorf("capture: %s", out)
	}
	var list []struct{ Name, State string }
	if err := json.Unmarshal([]byte(p.must(exitOK, "status", "-o", "json")), &list); err != nil || len(list) != 1 || list[0].Name != lab {
		t.Errorf("status: %v %v", list, err)
	}
	p.must(exitOK, "doctor")
	p.must(exitOK, "gc")

	// Neither the host nor anybody else.
	if now, _ := os.ReadDir("/run/netns"); strings.Contains(fmt.Sprint(now), lab) {
		t.Errorf("the host has %v", now)
	}
	if after := hostState(t); after != before {
		t.Errorf("the host has changed\n%s\nbefore\n%s", after, before)
	}
	for who, out := range map[string]string{"another user": other.must(exitOK, "status"), "root": must(t, exitOK, "list")} {
		if strings.Contains(out, lab) {
			t.Errorf("%s sees it: %s", who, out)
		}
	}

	// What is broken is found and repaired.
	p.must(exitOK, "exec", lab, "node-a", "--", "sh", "-c", "ip link del vxlan1; iptables -t nat -F KUBE-SERVICES; ip route del default")
	if out := p.must(exitDiffers, "plan", file, "--exit-code"); !strings.Contains(out, "vxlan1") {
		t.Errorf("plan: %s", out)
	}
	p.must(exitDiffers, "verify", lab)
	p.must(exitOK, "up", file, "-q")
	p.must(exitOK, "reset", lab)
	p.must(exitOK, "verify", lab)

	// A shell is a place to look around in with ip netns.
	shell := p.command("shell", lab)
	shell.Env = append(shell.Env, "SHELL=/bin/sh")
	shell.Stdin = strings.NewReader("ip netns list; ip -br addr show eth0\n")
	if out, err := shell.CombinedOutput(); err != nil || !strings.Contains(string(out), lab+".client") || !strings.Contains(string(out), "172.30.0.2/24") {
		t.Errorf("shell: %v\n%s", err, out)
	}
	p.must(exitOK, "down", lab)
}

// TestPrivilegedRootlessLabs brings every lab that ships up without root.
func TestPrivilegedRootlessLabs(t *testing.T) {
	t.Parallel()
	p := someone(t, 2)
	for _, name := range []string{"pod", "one-node", "flat", "routed", "nodeport", "affinity", "dns", "router", "three-node"} {
		t.Run(name, func(*testing.T) {
			file, lab := p.lab(name)
			p.must(exitOK, "up", file, "-q")
			p.must(exitOK, "verify", lab, "--wait", "10s")
			p.must(exitOK, "plan", file, "--exit-code")
			p.must(exitOK, "down", lab)
		})
	}
}

// TestPrivilegedRootlessKilled kills the process that holds a user's labs, and
// then netlab itself at many moments: the next up makes all of it again.
func TestPrivilegedRootlessKilled(t *testing.T) {
	// As in a container whose first process takes no note of what ends, all of
	// them stay as zombies, until the user is gone.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != nil || pid == 0 {
				return
			}
		}
	})
	p := someone(t, 3)
	file, lab := p.lab("two-node")
	p.must(exitOK, "up", file, "-q")
	was := p.holder()
	if err := syscall.Kill(was, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if out := p.must(exitOK, "up", file); strings.Contains(out, "not ready") {
		t.Errorf("containers did not start anew:\n%s", out)
	}
	if p.holder() == was {
		t.Error("the holder that was killed is still the one")
	}
	p.must(exitOK, "verify", lab)
	p.must(exitOK, "down", lab)
	if left := processesOf(t, p.uid); left != "" {
		t.Fatalf("processes are left:\n%s", left)
	}
	for round := range 12 {
		cmd := p.command("up", file, "-q")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killer := time.AfterFunc(time.Duration(round*7)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		killer.Stop()
		if round%3 == 0 {
			p.must(exitOK, "down", lab)
			if left := processesOf(t, p.uid); left != "" {
				t.Fatalf("round %d: processes are left:\n%s", round, left)
			}
		}
		p.must(exitOK, "up", file, "-q")
		p.must(exitOK, "plan", file, "--exit-code")
	}
}

// TestPrivilegedRootlessTogether begins and ends a user's world from many sides
// at once.
func TestPrivilegedRootlessTogether(t *testing.T) {
	p := someone(t, 4)
	const labs = 6
	all := func(args func(i int) []string) {
		var wg sync.WaitGroup
		for i := range labs {
			wg.Go(func() {
				if out, err := p.command(args(i)...).CombinedOutput(); err != nil {
					t.Errorf("netlab %v: %v\n%s", args(i), err, out)
				}
			})
		}
		wg.Wait()
	}
	files := make([]string, labs)
	for i := range files {
		files[i] = p.file(fmt.Sprint("l", i), fmt.Sprintf("name: rl%d-%d\nnodes: [{name: n}]\n", os.Getpid(), i))
	}
	for range 3 {
		all(func(i int) []string { return []string{"up", files[i], "-q"} })
		all(func(i int) []string { return []string{"plan", files[i], "--exit-code"} })
		all(func(i int) []string { return []string{"down", files[i]} })
		if left := processesOf(t, p.uid); left != "" {
			t.Fatalf("processes are left:\n%s", left)
		}
	}
}

// TestPrivilegedRootlessUsers gives a user subordinate users, so that containers
// can be somebody.
func TestPrivilegedRootlessUsers(t *testing.T) {
	p := someone(t, 5)
	if _, err := exec.LookPath("newuidmap"); err != nil {
		t.Skip("needs newuidmap: apt-get install uidmap")
	}
	sub := p.file("subuid", fmt.Sprintf("%d:3000000:65536\n", p.uid))
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	known := p.file("passwd", string(passwd)+fmt.Sprintf("netlab-test:x:%d:%d::/:/bin/sh\n", p.uid, p.uid))
	p.before = []string{"unshare", "--mount", "sh", "-c",
		`mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && mount --bind "$1" /etc/passwd && shift && exec "$@"`, sub, known}
	name := fmt.Sprintf("t%d-users", os.Getpid())
	file := p.file(name, "name: "+name+`
nodes: [{name: n}]
pods:
  - {name: p, node: n, containers: [{name: c, user: 1234, command: [sh, -c, "id -u; exec sleep 1000"]}]}
`)
	p.must(exitOK, "up", file, "-q")
	if out := p.must(exitOK, "exec", name, "p", "-c", "c", "--", "id", "-u"); out != "1234\n" {
		t.Errorf("it runs as %s", out)
	}
	if processesOf(t, 3000000+1234-1) == "" {
		t.Error("on the host it is not the subordinate user")
	}
	// Its processes are ended by the user, though they are somebody else's.
	if err := syscall.Kill(p.holder(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.must(exitOK, "down", name)
	if left := processesOf(t, 3000000+1234-1); left != "" {
		t.Errorf("left: %s", left)
	}
}

// TestPrivilegedRootlessRefused says what is in the way.
func TestPrivilegedRootlessRefused(t *testing.T) {
	p := someone(t, 6)
	file, _ := p.lab("pod")
	t.Run("the host forbids it", func(t *testing.T) {
		cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
			`mount -t tmpfs tmpfs /run && echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" "$@"`, p.program, "up", "--rootless", file)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), `"sudo sysctl -w user.max_user_namespaces=15000"`) {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("an uplink", func(t *testing.T) {
		name := fmt.Sprintf("t%d-up", os.Getpid())
		up := p.file(name, "name: "+name+"\nbridges: [{name: fabric, subnet: underlay, uplink: true}]\nnodes: [{name: n}]\n")
		if out := p.must(exitUsage, "up", up); !strings.Contains(out, "uplink") || !strings.Contains(out, "hint: run netlab as root") {
			t.Error(out)
		}
	})
	t.Run("a user that does not exist", func(t *testing.T) {
		name := fmt.Sprintf("t%d-nouser", os.Getpid())
		file := p.file(name, "name: "+name+"\nnodes: [{name: n}]\npods: [{name: p, node: n, containers: [{name: c, user: 1234, command: [sleep, '9']}]}]\n")
		if out := p.must(exitOK, "up", file); !strings.Contains(out, "user 1234") || !strings.Contains(out, "/etc/subuid") {
			t.Error(out)
		}
		p.must(exitOK, "down", name)
	})
	t.Run("a directory of somebody else", func(t *testing.T) {
		home := p.home
		defer func() { p.home = home }()
		p.home = "/nowhere"
		dir := fmt.Sprintf("/tmp/netlab-%d", p.uid)
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(dir)
		if out := p.must(exitFailed, "up", file); !strings.Contains(out, dir) || !strings.Contains(out, "XDG_RUNTIME_DIR") {
			t.Error(out)
		}
	})
}

// TestPrivilegedRootlessForRoot is --rootless: root's labs in a world of their
// own, which later commands find by themselves.
func TestPrivilegedRootlessForRoot(t *testing.T) {
	requireRoot(t)
	program := reachable(t)
	file, l := shippedLab(t, "two-node")
	before := hostState(t)
	root := func(want int, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hung)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, patient(want, args)...)
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Fatalf("netlab %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	defer root(exitOK, "down", "--rootless", l.Name)
	root(exitOK, "up", "--rootless", file, "-q")
	root(exitOK, "verify", l.Name)
	root(exitOK, "exec", l.Name, "client", "--", "ping", "-c1", "-W5", "10.244.2.2")
	if out := root(exitOK, "status", "--rootless"); !strings.Contains(out, l.Name) {
		t.Error(out)
	}
	if out := root(exitOK, "list"); strings.Contains(out, l.Name) {
		t.Errorf("it is among root's own labs: %s", out)
	}
	if names, _ := os.ReadDir("/run/netns"); strings.Contains(fmt.Sprint(names), l.Name) {
		t.Errorf("it is in /run/netns: %v", names)
	}
	if after := hostState(t); after != before {
		t.Errorf("the host has changed\n%s\nbefore\n%s", after, before)
	}
	root(exitOK, "down", l.Name)
	if _, err := os.Lstat("/run/netlab-rootless"); err == nil {
		t.Error("/run/netlab-rootless is left")
	}
}
