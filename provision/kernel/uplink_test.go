package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/kernel"
	"netlab/provision/kerneltest"
	"netlab/provision/netns"
)

// The network that these tests stand in:
//
//	pod - node - bridge - uplink - the host         - the world
//	                               203.0.113.2/24     203.0.113.1/24, 198.51.100.1
//
// The host is a process of its own with a network namespace, mounts and a /run
// of its own. The world knows no way to anything but 203.0.113.0/24.
const (
	hostAddr  = "203.0.113.2"
	worldAddr = "198.51.100.1"
	world     = "world"
)

const (
	hostEnv = "NETLAB_TEST_HOST" // name of the test that the process is the host of
	killEnv = "NETLAB_TEST_KILL" // after how many steps the process ends itself
)

// onHost runs the test again in a process that is a host, and reports whether
// this is that process.
func onHost(t *testing.T) bool {
	t.Helper()
	if os.Getenv(hostEnv) == t.Name() {
		return true
	}
	open(t).Close() // or skip
	cmd := again(t, t.Name(), hostEnv+"="+t.Name())
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// again is a command that runs a test in another process.
func again(t *testing.T, test string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "/proc/self/exe", "-test.run=^"+test+"$", "-test.count=1", "-test.timeout=4m")
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// makeHost wires the host to the world.
func makeHost(t *testing.T) {
	t.Helper()
	run(t, "mount", "--make-rprivate", "/")
	run(t, "mount", "-t", "tmpfs", "tmpfs", "/run")
	if _, err := os.Stat(netns.EtcDir); err == nil {
		run(t, "mount", "-t", "tmpfs", "tmpfs", netns.EtcDir)
	}
	write(t, "/proc/sys/net/ipv4/ip_forward", "0")
	write(t, "/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
	for _, command := range []string{
		"ip link set lo up",
		"ip netns add " + world,
		"ip link add eth0 type veth peer name eth0 netns " + world,
		"ip addr add " + hostAddr + "/24 dev eth0",
		"ip link set eth0 up",
		"ip -n " + world + " link set lo up",
		"ip -n " + world + " link set eth0 up",
		"ip -n " + world + " addr add 203.0.113.1/24 dev eth0",
		"ip -n " + world + " addr add " + worldAddr + "/32 dev lo",
		"ip route add default via 203.0.113.1",
	} {
		run(t, strings.Fields(command)...)
	}
	serve(t, world, worldAddr+":80")
}

// serve answers every request in a namespace, "" for the host, with the address
// that the client has there.
func serve(t *testing.T, ns, addr string) {
	t.Helper()
	var ln net.Listener
	listen := func() (err error) {
		ln, err = net.Listen("tcp4", addr)
		return err
	}
	if ns != "" {
		inside := listen
		listen = func() error { return netns.Do(ns, inside) }
	}
	if err := listen(); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprint(w, client)
	})}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { server.Close() })
}

func write(t *testing.T, path, value string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

var counters = regexp.MustCompile(`\[\d+:\d+\]|packets \d+ bytes \d+`)

// hostState is everything that a lab might leave on the host.
func hostState(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, command := range []string{
		"iptables-save", "ip6tables-save", "iptables-legacy-save", "nft list ruleset",
		"ip -j addr", "ip -j -d link", "ip -j route show table all", "ip -j -6 route show table all", "ip -j rule", "ip -j neigh show nud permanent",
		"find " + kernel.DefaultRunDir + " " + netns.EtcDir + " " + netns.Dir,
	} {
		words := strings.Fields(command)
		fmt.Fprintln(&b, "$", command)
		out, _ := exec.CommandContext(t.Context(), words[0], words[1:]...).Output()
		for line := range strings.Lines(counters.ReplaceAllString(string(out), "")) {
			if !strings.HasPrefix(line, "#") { // it holds the time
				b.WriteString(strings.ReplaceAll(line, "},{", "},\n{"))
			}
		}
	}
	files, _ := filepath.Glob("/proc/sys/net/ipv4/conf/*/*")
	for _, file := range append(files, "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding") {
		v, _ := os.ReadFile(file)
		fmt.Fprintf(&b, "%s %s", file, v)
	}
	return b.String()
}

func unchanged(t *testing.T, before string) {
	t.Helper()
	if diff := cmp.Diff(before, hostState(t)); diff != "" {
		t.Errorf("the host is not what it was (-before +now):\n%s", diff)
	}
}

const uplinkFile = `name: %s
bridges: [{name: fabric, uplink: %t}]
nodes:
  - {name: a}
  - {name: b}
  - {name: out, cluster: false, routes: [{to: default, via: 172.30.0.1}]}
  - {name: in, cluster: false}
pods: [{name: p, node: a}, {name: q, node: b}]
`

func uplinkLab(t *testing.T, name string, uplink bool) provision.State {
	t.Helper()
	lab, diagnostics := labs.Load(name+".yaml", fmt.Appendf(nil, uplinkFile, name, uplink))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	return provision.Desired(lab)
}

// hostBench is a lab on a host of its own.
func hostBench(t *testing.T, lab string) bench {
	t.Helper()
	return bench{t, open(t), lab, context.WithoutCancel(t.Context())}
}

// takeDown does what netlab down does.
func (b bench) takeDown() {
	b.Helper()
	b.converge(provision.NewState(b.lab))
	if err := b.h.Settle(b.ctx); err != nil {
		b.Error(err)
	}
	if err := b.h.RemoveRunDir(b.lab); err != nil {
		b.Error(err)
	}
}

// seenAs returns the address under which something in a namespace is seen by a
// server, or what curl says.
func (b bench) seenAs(name, server string) string {
	b.Helper()
	out, err := exec.CommandContext(b.ctx, "ip", "netns", "exec", b.lab+"."+name, "curl", "-sS", "--noproxy", "*", "--max-time", "5", "http://"+server+"/").CombinedOutput()
	if err != nil {
		return err.Error() + ": " + string(out)
	}
	return string(out)
}

func (b bench) pings(name, to string, want bool) {
	b.Helper()
	wait := map[bool]string{true: "5", false: "0.2"}[want]
	out, err := exec.CommandContext(b.ctx, "ip", "netns", "exec", b.lab+"."+name, "ping", "-c1", "-W"+wait, to).CombinedOutput()
	if (err == nil) != want {
		b.Errorf("%s pings %s: %v\n%s", name, to, err, out)
	}
}

// works sends packets from everywhere in the lab to the world and to the host.
func (b bench) works() {
	b.Helper()
	b.pings("p", worldAddr, true)
	b.pings("q", hostAddr, true)
	for _, from := range []string{"p", "q", "a", "out"} {
		if got := b.seenAs(from, worldAddr); got != hostAddr {
			b.Errorf("the world sees %s as %q, not as the host", from, got)
		}
	}
	have, err := b.h.Observe(b.ctx, uplinkLab(b.T, b.lab, true))
	if err != nil {
		b.Fatal(err)
	}
	for o := range have.All() {
		if a, ok := o.(provision.Addr); ok && a.NS == b.lab+".fabric" && a.Dev == provision.UplinkIface {
			if got := b.seenAs("p", hostAddr); got != a.Prefix.Addr().String() {
				b.Errorf("the host sees a pod as %q, not as %v", got, a.Prefix.Addr())
			}
		}
	}
}

// TestPrivilegedUplinkContract is the contract of uplinks, on the real kernel.
func TestPrivilegedUplinkContract(t *testing.T) {
	if !onHost(t) {
		return
	}
	makeHost(t)
	before := hostState(t)
	h := open(t)
	kerneltest.Uplink(t, h)
	if err := h.Settle(t.Context()); err != nil {
		t.Error(err)
	}
	if err := h.RemoveRunDir(kerneltest.Lab); err != nil {
		t.Error(err)
	}
	unchanged(t, before)
}

// TestPrivilegedUplink reaches the world from a lab on hosts of several kinds,
// and leaves each of them as it was.
func TestPrivilegedUplink(t *testing.T) {
	if !onHost(t) {
		return
	}
	makeHost(t)
	serve(t, "", hostAddr+":80")
	legacy := t.TempDir()
	for _, tt := range []struct {
		name  string
		setup []string
		tools string // where iptables is another one
	}{
		{name: "bare"},
		{name: "with a firewall that drops", setup: []string{
			"iptables -P FORWARD DROP", "iptables -N DOCKER-USER", "iptables -A FORWARD -j DOCKER-USER", "iptables -A FORWARD -j REJECT",
			"iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
		}},
		{name: "that forwards already", setup: []string{"sysctl -qw net.ipv4.ip_forward=1"}},
		{name: "with settings of its own", setup: []string{
			"sysctl -qw net.ipv4.ip_forward=0", "sysctl -qw net.ipv4.conf.all.accept_redirects=0", "sysctl -qw net.ipv4.conf.eth0.forwarding=1",
			"sysctl -qw net.ipv4.conf.all.rp_filter=1", "sysctl -qw net.ipv4.conf.default.rp_filter=1",
		}},
		{name: "with an address where the uplink would be", setup: []string{
			"ip addr add " + hostEnd(t, "ktnet").String() + " dev eth0", "ip route add 169.254.192.0/20 dev eth0",
		}},
		{name: "with legacy iptables", tools: legacy, setup: []string{
			"iptables-legacy -P FORWARD DROP", "iptables-legacy -t nat -S", "iptables -P FORWARD ACCEPT", "iptables -D FORWARD -j REJECT",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, command := range tt.setup {
				run(t, strings.Fields(command)...)
			}
			if tt.tools != "" {
				for _, tool := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables-save", "ip6tables-restore"} {
					path, err := exec.LookPath(strings.Replace(tool, "tables", "tables-legacy", 1))
					if err != nil {
						t.Skip(err)
					}
					if err := os.Symlink(path, filepath.Join(tt.tools, tool)); err != nil {
						t.Fatal(err)
					}
				}
				t.Setenv("PATH", tt.tools+":"+os.Getenv("PATH"))
			}
			b := hostBench(t, "ktnet")
			defer b.takeDown()
			before := hostState(t)
			on, off := uplinkLab(t, b.lab, true), uplinkLab(t, b.lab, false)

			b.converge(off)
			if diff := cmp.Diff(noFiles(before), noFiles(hostState(t))); diff != "" {
				t.Errorf("a lab without an uplink changes the host:\n%s", diff)
			}
			b.converge(on)
			b.settled(on)
			b.works()
			b.pings("in", worldAddr, false) // has no route
			b.pings("p", "169.254.169.254", false)
			run(t, "ip", "addr", "add", "10.244.99.9/32", "dev", "lo")
			b.pings("p", "10.244.99.9", false) // of the lab's own range, and lost
			run(t, "ip", "addr", "del", "10.244.99.9/32", "dev", "lo")

			b.converge(off)
			b.settled(off)
			if diff := cmp.Diff(noFiles(before), noFiles(hostState(t))); diff != "" {
				t.Errorf("without its uplink the lab leaves:\n%s", diff)
			}
			b.converge(on)
			b.works()
			b.takeDown()
			unchanged(t, before)
		})
	}
}

// noFiles returns a host's state without the files that every lab has.
func noFiles(state string) string {
	lines := strings.Split(state, "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, kernel.DefaultRunDir) || strings.HasPrefix(l, netns.EtcDir) || strings.HasPrefix(l, netns.Dir)
	})
	return strings.Join(lines, "\n")
}

// hostEnd returns the address that a lab prefers to have on the host.
func hostEnd(t *testing.T, lab string) (p fmt.Stringer) {
	t.Helper()
	for o := range uplinkLab(t, lab, true).All() {
		if a, ok := o.(provision.Addr); ok && a.NS == "" {
			return a.Prefix
		}
	}
	t.Fatal("it has none")
	return nil
}

// TestPrivilegedUplinkDrift breaks an uplink in every way, also ways in which
// nothing of it is left, and has it repaired or taken down.
func TestPrivilegedUplinkDrift(t *testing.T) {
	if !onHost(t) {
		return
	}
	makeHost(t)
	serve(t, "", hostAddr+":80")
	run(t, "iptables", "-P", "FORWARD", "DROP")
	before := hostState(t)
	b := hostBench(t, "ktmend")
	want := uplinkLab(t, b.lab, true)
	var dev, rules string
	for o := range want.All() {
		switch o := o.(type) {
		case provision.Veth:
			dev += map[bool]string{true: o.B.Name}[o.B.NS == ""]
		case provision.HostRule:
			rules += "iptables -t " + o.Table + " -D" + strings.TrimPrefix(o.Rule, "-A") + "\n"
		}
	}
	drifts := []string{
		"iptables -F FORWARD", "iptables -t nat -F",
		rules + "iptables -t nat -S",
		"ip addr flush dev " + dev,
		"ip addr add 169.254.255.241/30 dev " + dev,
		"ip link set " + dev + " down",
		"ip link set " + dev + " alias mine",
		"ip link set " + dev + " alias ''",
		"ip link set " + dev + " down; ip link set " + dev + " name other",
		"ip link del " + dev,
		"ip link set " + dev + " netns " + world,
		"sysctl -qw net.ipv4.ip_forward=0",
		"ip -n ktmend.fabric link set uplink down",
		"ip -n ktmend.fabric link set uplink down; ip -n ktmend.fabric link set uplink name other",
		"ip -n ktmend.fabric route del default",
		"ip -n ktmend.fabric addr flush dev uplink",
		"ip netns exec ktmend.fabric iptables -t nat -F",
		"ip netns exec ktmend.fabric sysctl -qw net.ipv4.ip_forward=0",
		"ip netns del ktmend.fabric",
		"ip netns del ktmend.fabric; " + rules + "sysctl -qw net.ipv4.ip_forward=0",
	}
	for _, drift := range drifts {
		t.Run(strings.ReplaceAll(drift, "\n", ";"), func(t *testing.T) {
			b := b
			b.T = t
			b.converge(want)
			run(t, "sh", "-ec", drift)
			have, err := b.h.Observe(b.ctx, want)
			if err != nil {
				t.Fatal(err)
			}
			if provision.Diff(have, want).Empty() {
				t.Error("it is not seen")
			}
			b.converge(want)
			b.settled(want)
			b.works()
			if !strings.Contains(drift, "sysctl -qw net.ipv4.ip_forward=0") || strings.Contains(drift, "netns exec") {
				run(t, "sh", "-ec", drift)
			}
			b.takeDown()
			if strings.Contains(drift, "iptables -t nat") && !strings.Contains(drift, "netns exec") {
				return // iptables itself makes tables that netlab cannot tell from others'
			}
			unchanged(t, before)
		})
	}
}

// TestPrivilegedUplinkKilled kills the process after every step of the way up
// and of the way down, and takes down what is left.
func TestPrivilegedUplinkKilled(t *testing.T) {
	if spec := os.Getenv(killEnv); spec != "" {
		convergeAndDie(t, spec)
		return
	}
	if !onHost(t) {
		return
	}
	makeHost(t)
	run(t, "iptables", "-P", "FORWARD", "DROP")
	before := hostState(t)
	b := hostBench(t, "ktdie")
	want := uplinkLab(t, b.lab, true)
	for _, way := range []string{"up", "down"} {
		have, to := provision.NewState(b.lab), want
		if way == "down" {
			have, to = want, provision.NewState(b.lab)
		}
		for i, s := range provision.Diff(have, to).Steps {
			if v, ok := s.Object.(provision.Veth); s.Object.Key().NS != "" && (!ok || v.B.NS != "") {
				continue // nothing of the host's
			}
			if way == "down" {
				b.converge(want)
			}
			err := again(t, t.Name(), fmt.Sprintf("%s=%s %d", killEnv, way, i+1)).Run()
			if status, ok := errors.AsType[*exec.ExitError](err); !ok || !status.Sys().(syscall.WaitStatus).Signaled() {
				t.Fatalf("%s was not killed at step %d: %v", way, i+1, err)
			}
			b.h.Rest()
			if way == "up" && i%2 == 0 {
				b.converge(want)
				b.settled(want)
			}
			b.takeDown()
			unchanged(t, before)
		}
	}
}

// convergeAndDie goes up or down and ends this process after so many steps as
// kill -9 does.
func convergeAndDie(t *testing.T, spec string) {
	t.Helper()
	var way string
	var steps int
	if _, err := fmt.Sscan(spec, &way, &steps); err != nil {
		t.Fatal(err)
	}
	b := hostBench(t, "ktdie")
	to := uplinkLab(t, b.lab, true)
	if way == "down" {
		to = provision.NewState(b.lab)
	}
	_, _, err := provision.Converge(b.ctx, b.h, to, provision.Options{Parallel: 1, Progress: func(provision.Step, error) {
		if steps--; steps == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}})
	t.Fatalf("still alive: %v", err)
}

// TestPrivilegedUplinksSideBySide has labs with the same addresses on one host,
// coming and going at the same time.
func TestPrivilegedUplinksSideBySide(t *testing.T) {
	if !onHost(t) {
		return
	}
	makeHost(t)
	serve(t, "", hostAddr+":80")
	before := hostState(t)
	var benches []bench
	for i := range 6 {
		benches = append(benches, hostBench(t, fmt.Sprintf("ktside%d", i)))
	}
	each := func(some []bench, fn func(b bench)) {
		var wg sync.WaitGroup
		for _, b := range some {
			wg.Go(func() { fn(b) })
		}
		wg.Wait()
	}
	each(benches, func(b bench) { b.converge(uplinkLab(t, b.lab, true)) })
	each(benches, func(b bench) { b.works() })
	each(benches[:3], func(b bench) { b.takeDown() })
	each(benches[3:], func(b bench) {
		b.settled(uplinkLab(t, b.lab, true))
		b.works()
	})
	each(benches[3:5], func(b bench) { b.converge(uplinkLab(t, b.lab, false)) })
	benches[5].works()
	each(benches[3:], func(b bench) { b.takeDown() })
	unchanged(t, before)
}

// TestPrivilegedUplinkCommands does by hand what netlab says it does.
func TestPrivilegedUplinkCommands(t *testing.T) {
	if !onHost(t) {
		return
	}
	makeHost(t)
	serve(t, "", hostAddr+":80")
	b := hostBench(t, "ktdo")
	on, off := uplinkLab(t, b.lab, true), uplinkLab(t, b.lab, false)
	by := func(to provision.State) {
		t.Helper()
		have, err := b.h.Observe(b.ctx, to)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range provision.Diff(have, to).Steps {
			for _, command := range provision.Commands(s) {
				run(t, "sh", "-c", command)
			}
		}
		b.h.Rest()
	}
	b.converge(off)
	before := noFiles(hostState(t))
	run(t, "iptables", "-S")
	by(on)
	b.works()
	if rest := b.converge(on); len(rest.Steps) != 1 || rest.Steps[0].Object != provision.Object(provision.HostForwarding{Lab: b.lab, Value: "1"}) {
		t.Errorf("left to do, beside writing down who forwards:\n%v", rest)
	}
	by(off.After(on))
	after := hostState(t)
	if strings.Contains(after, "netlab:") || !strings.Contains(after, "/ip_forward 0") {
		t.Errorf("the host is not what it was:\n%s", cmp.Diff(before, noFiles(after)))
	}
	b.takeDown()
}
