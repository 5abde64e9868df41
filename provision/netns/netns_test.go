package netns_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"netlab/provision/kerneltest"
	"netlab/provision/netns"
)

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it with sudo, or in unshare --map-root-user --mount --net --pid --fork")
	}
}

// TestMain lets the test binary stand in for a command that enters a namespace
// for good.
func TestMain(m *testing.M) {
	if name := os.Getenv("NETNS_TEST_EXEC"); name != "" {
		fmt.Fprintln(os.Stderr, netns.Exec(name, os.Args[1:], append(os.Environ(), "NETNS_TEST_EXEC="), os.Getenv("NETNS_TEST_DIR")))
		os.Exit(125)
	}
	kerneltest.Alone(m)
}

// prepare makes the directory of names and puts it back as it was, unless
// others use it meanwhile.
func prepare(t *testing.T) {
	t.Helper()
	requireRoot(t)
	unlock, err := netns.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	dir, mount, err := netns.Missing()
	if err != nil {
		t.Fatal(err)
	}
	if err := netns.Prepare(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unlock, err := netns.Lock()
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		gone, err := netns.Dismantle(dir, mount)
		if err != nil {
			t.Error(err)
		}
		if left := mounts(t, true); gone && mount && left != "" {
			t.Errorf("mounts are left:\n%s", left)
		}
	})
}

// mounts returns the mount table, only what is or is not below the directory of
// names.
func mounts(t *testing.T, names bool) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, " /run/netlab/") {
			continue // of labs, which come and go while other tests run
		}
		if strings.Contains(line, " "+netns.Dir) == names {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// create makes a namespace of the test's own.
func create(t *testing.T, pool *netns.Pool, name string) {
	t.Helper()
	if err := pool.Create(name, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Delete(name); err != nil {
			t.Error(err)
		}
	})
}

func newPool(t *testing.T) *netns.Pool {
	t.Helper()
	p := netns.NewPool(3)
	t.Cleanup(p.Close)
	return p
}

func TestNames(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "a/b", "../x", "/etc/passwd", "a\x00b", strings.Repeat("x", 256)} {
		if _, err := netns.Path(bad); err == nil {
			t.Errorf("Path(%q) went through", bad)
		}
		if _, err := netns.Open(bad); err == nil {
			t.Errorf("Open(%q) went through", bad)
		}
		if err := netns.Delete(bad); err == nil {
			t.Errorf("Delete(%q) went through", bad)
		}
		if netns.IsNamespace(bad) || netns.IsRemains(bad) {
			t.Errorf("%q is something", bad)
		}
	}
	if got, err := netns.Path("duo.a"); err != nil || got != "/run/netns/duo.a" {
		t.Errorf("Path(duo.a) = %q, %v", got, err)
	}
	if _, err := netns.Open("netlab-test.nobody"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open what is not there: %v", err)
	}
	if err := netns.Delete("netlab-test.nobody"); err != nil {
		t.Errorf("delete what is not there: %v", err)
	}
}

// TestPrivilegedCreate checks with ip(8) that a namespace of ours is one.
func TestPrivilegedCreate(t *testing.T) {
	prepare(t)
	pool := newPool(t)
	create(t, pool, "nst.create")

	var list []struct{ Name string }
	out, err := exec.Command("ip", "-j", "netns", "list").Output()
	if err != nil || json.Unmarshal(out, &list) != nil {
		t.Fatalf("ip netns list: %v\n%s", err, out)
	}
	if !slices.ContainsFunc(list, func(e struct{ Name string }) bool { return e.Name == "nst.create" }) {
		t.Errorf("ip does not know it: %s", out)
	}
	if out, err := exec.Command("ip", "netns", "exec", "nst.create", "cat", "/sys/class/net/lo/ifindex").CombinedOutput(); err != nil || string(out) != "1\n" {
		t.Errorf("ip netns exec: %v %s", err, out)
	}
	if err := pool.Create("nst.create", func() error { return nil }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	if names, err := netns.List("nst."); err != nil || !slices.Equal(names, []string{"nst.create"}) {
		t.Errorf("List = %v, %v", names, err)
	}
}

// TestPrivilegedCreateUnprepared checks that a name never stands for a namespace
// that was not prepared.
func TestPrivilegedCreateUnprepared(t *testing.T) {
	prepare(t)
	pool := newPool(t)
	boom := errors.New("boom")
	if err := pool.Create("nst.half", func() error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if names, _ := netns.List("nst."); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

// TestPrivilegedRemains is a process that died between file and mount.
func TestPrivilegedRemains(t *testing.T) {
	prepare(t)
	path := filepath.Join(netns.Dir, "nst.remains")
	if err := os.WriteFile(path, nil, 0); err != nil {
		t.Fatal(err)
	}
	if !netns.IsRemains("nst.remains") || netns.IsNamespace("nst.remains") {
		t.Error("an empty file is not recognised")
	}
	if _, err := netns.Open("nst.remains"); !errors.Is(err, netns.ErrNoNamespace) {
		t.Errorf("open: %v", err)
	}
	if err := netns.Delete("nst.remains"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if netns.IsRemains("nst.remains") {
		t.Error("a file with contents counts as empty")
	}
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
	if err := os.Symlink("/proc/self/ns/net", path); err != nil {
		t.Fatal(err)
	}
	if _, err := netns.Open("nst.remains"); !errors.Is(err, netns.ErrNoNamespace) {
		t.Errorf("a symlink was followed: %v", err)
	}
	if err := netns.Delete("nst.remains"); err != nil {
		t.Error(err)
	}
}

// TestPrivilegedPoolComesHome runs many calls in several namespaces at once and
// looks where everybody is. The namespaces must go although the threads live.
func TestPrivilegedPoolComesHome(t *testing.T) {
	prepare(t)
	pool := newPool(t)
	const spaces = 5
	inodes := make([]string, spaces)
	for i := range spaces {
		create(t, pool, fmt.Sprintf("nst.pool%d", i))
		inodes[i] = here(t, func(fn func() error) error { return netns.Do(fmt.Sprintf("nst.pool%d", i), fn) })
	}
	home := here(t, func(fn func() error) error { return fn() })
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			n := i % spaces
			in := here(t, func(fn func() error) error { return pool.Do(fmt.Sprintf("nst.pool%d", n), fn) })
			if in != inodes[n] {
				t.Errorf("a call for %s ran in %s", inodes[n], in)
			}
			if out := here(t, func(fn func() error) error { return fn() }); out != home {
				t.Errorf("a goroutine found itself in %s, home is %s", out, home)
			}
		})
	}
	wg.Wait()
}

// here returns the namespace in which run runs a function.
func here(t *testing.T, run func(func() error) error) string {
	t.Helper()
	var ns string
	if err := run(func() (err error) {
		ns, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	}); err != nil {
		t.Error(err)
	}
	return ns
}

// TestPrivilegedGoexit checks that a call that ends its goroutine, as t.Fatal
// does, costs no more than itself.
func TestPrivilegedGoexit(t *testing.T) {
	prepare(t)
	pool := netns.NewPool(1)
	defer pool.Close()
	create(t, pool, "nst.goexit")
	if err := pool.Do("nst.goexit", func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("it counts as success")
	}
	if err := pool.Do("nst.goexit", func() error { return nil }); err != nil {
		t.Errorf("the pool is dead: %v", err)
	}
	if err := netns.Do("nst.goexit", func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("it counts as success")
	}
}

// TestPrivilegedSocketStays opens a socket inside and uses it outside.
func TestPrivilegedSocketStays(t *testing.T) {
	prepare(t)
	pool := newPool(t)
	create(t, pool, "nst.socket")
	var ln net.Listener
	if err := pool.Do("nst.socket", func() (err error) {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		ln, err = net.Listen("tcp4", "127.0.0.1:0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := ln.Accept(); err == nil {
			c.Close()
		}
	}()
	if c, err := net.Dial("tcp4", ln.Addr().String()); err == nil {
		c.Close()
		t.Error("the host reaches it")
	}
	if err := pool.Do("nst.socket", func() error {
		c, err := net.Dial("tcp4", ln.Addr().String())
		if err == nil {
			c.Close()
		}
		return err
	}); err != nil {
		t.Errorf("the namespace does not reach it: %v", err)
	}
}

// TestPrivilegedStart runs a command inside.
func TestPrivilegedStart(t *testing.T) {
	prepare(t)
	pool := newPool(t)
	create(t, pool, "nst.start")
	cmd := exec.Command("readlink", "/proc/self/ns/net")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := netns.Start("nst.start", cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	want := here(t, func(fn func() error) error { return pool.Do("nst.start", fn) })
	if got := strings.TrimSpace(out.String()); got != want {
		t.Errorf("it ran in %s, not in %s", got, want)
	}
}

// TestPrivilegedExec becomes a command inside: same namespace, own /sys, own
// /etc/hosts, and its exit code.
func TestPrivilegedExec(t *testing.T) {
	prepare(t)
	pool := newPool(t)
	create(t, pool, "nst.exec")
	if _, err := os.Stat(netns.EtcDir); errors.Is(err, fs.ErrNotExist) {
		if err := os.Mkdir(netns.EtcDir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(netns.EtcDir) })
	}
	etc := filepath.Join(netns.EtcDir, "nst.exec")
	if err := os.Symlink(t.TempDir(), etc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(etc) })
	if err := os.WriteFile(filepath.Join(etc, "hosts"), []byte("10.0.0.1 here\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(etc, "no-such-file-in-etc"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), "NETNS_TEST_EXEC=nst.exec", "NETNS_TEST_DIR=/usr")
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	before := mounts(t, false)
	want := here(t, func(fn func() error) error { return pool.Do("nst.exec", fn) })
	if out, err := run("readlink", "/proc/self/ns/net"); err != nil || out != want {
		t.Errorf("namespace: %v %s, want %s", err, out, want)
	}
	if out, err := run("cat", "/etc/hosts"); err != nil || out != "10.0.0.1 here" {
		t.Errorf("hosts: %v %s", err, out)
	}
	if out, err := run("ls", "/sys/class/net"); err != nil || strings.Contains(out, "eth0") || !strings.Contains(out, "lo") {
		t.Errorf("/sys/class/net: %v %s", err, out)
	}
	if out, err := run("pwd"); err != nil || out != "/usr" {
		t.Errorf("directory: %v %s", err, out)
	}
	var exit *exec.ExitError
	if _, err := run("sh", "-c", "exit 42"); !errors.As(err, &exit) || exit.ExitCode() != 42 {
		t.Errorf("exit code: %v", err)
	}
	if out, err := run("no-such-program"); err == nil || !strings.Contains(out, "no-such-program") {
		t.Errorf("a program that is not there: %v %s", err, out)
	}
	if after := mounts(t, false); after != before {
		t.Errorf("mounts of the host have changed:\n%s", after)
	}
}

// TestPrivilegedDismantle keeps a directory in which others have a name.
func TestPrivilegedDismantle(t *testing.T) {
	prepare(t)
	pool := newPool(t)
	create(t, pool, "nst.other")
	if gone, err := netns.Dismantle(true, true); err != nil || gone {
		t.Errorf("gone %v, %v", gone, err)
	}
	if !netns.IsNamespace("nst.other") {
		t.Error("it took somebody's namespace")
	}
	var st unix.Statfs_t
	if err := unix.Statfs(netns.Dir, &st); err != nil {
		t.Error(err)
	}
}
