package kernel_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/kernel"
	"netlab/provision/netns"
)

func open(t *testing.T) *kernel.Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it with sudo, or in unshare --map-root-user --mount --net --pid --fork")
	}
	h, err := kernel.Open(kernel.Options{})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(h.Close)
	return h
}

// bench is a lab of a test's own, which is taken down when the test ends.
type bench struct {
	*testing.T
	h   *kernel.Host
	lab string
	ctx context.Context
}

func newBench(t *testing.T, lab string) bench {
	t.Helper()
	b := bench{t, open(t), lab, context.WithoutCancel(t.Context())} // t.Context is cancelled before Cleanup runs
	t.Cleanup(func() {
		if t.Failed() {
			have, err := b.h.Observe(b.ctx, provision.NewState(lab))
			t.Logf("observed (%v):\n%v", err, have)
		}
		b.down()
	})
	return b
}

func (b bench) down() {
	b.Helper()
	b.converge(provision.NewState(b.lab))
	if err := b.h.RemoveRunDir(b.lab); err != nil {
		b.Error(err)
	}
	if names, err := netns.List(b.lab + "."); err != nil || len(names) > 0 {
		b.Errorf("left behind: %v (%v)", names, err)
	}
	for _, path := range []string{filepath.Join(kernel.DefaultRunDir, b.lab), filepath.Join(netns.EtcDir, b.lab+".a")} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			b.Errorf("%s is still there (%v)", path, err)
		}
	}
}

func (b bench) converge(want provision.State) provision.Plan {
	b.Helper()
	plan, _, err := provision.Converge(b.ctx, b.h, want, provision.Options{})
	if err != nil {
		b.Errorf("%v\nplan:\n%v", err, plan)
	}
	return plan
}

// settled checks that there is nothing left to do.
func (b bench) settled(want provision.State) {
	b.Helper()
	have, err := b.h.Observe(b.ctx, want)
	if err != nil {
		b.Fatal(err)
	}
	if rest := provision.Diff(have, want); !rest.Empty() {
		b.Errorf("left to do:\n%v", rest)
	}
}

func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// asked returns what a tool with -j says.
func asked(t testing.TB, args ...string) []map[string]any {
	t.Helper()
	var answer []map[string]any
	out := run(t, args...)
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return answer
}

func mac(n byte) labs.MAC { return labs.MAC{2, 0, 0, 0, 1, n} }

func ns(lab, kind, name string) provision.Namespace {
	return provision.Namespace{Name: lab + "." + name, Mark: provision.Mark(lab, kind, name), Loopback: "up", Rules: "default", Names: true, Witness: true}
}

// pair is the smallest lab: two nodes and a cable.
func pair(lab string, more ...provision.Object) provision.State {
	a, b := lab+".a", lab+".b"
	return provision.NewState(lab, append([]provision.Object{
		ns(lab, "node", "a"), ns(lab, "node", "b"),
		provision.Veth{
			A: provision.End{NS: a, Name: "eth0", MAC: mac(1), MTU: 1400, Up: true},
			B: provision.End{NS: b, Name: "eth0", MAC: mac(2), MTU: 1400, Up: true},
		},
		provision.Addr{NS: a, Dev: "eth0", Prefix: netip.MustParsePrefix("10.0.0.1/24")},
		provision.Addr{NS: b, Dev: "eth0", Prefix: netip.MustParsePrefix("10.0.0.2/24")},
	}, more...)...)
}

// TestPrivilegedParallel brings labs up and down at the same time on one Host.
func TestPrivilegedParallel(t *testing.T) {
	h := open(t)
	ctx := context.WithoutCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			lab := fmt.Sprintf("ktpar%d", i)
			for range 3 {
				for _, to := range []provision.State{pair(lab), provision.NewState(lab)} {
					if plan, _, err := provision.Converge(ctx, h, to, provision.Options{Parallel: 4}); err != nil {
						t.Errorf("%v\nplan:\n%v", err, plan)
					}
					have, err := h.Observe(ctx, to)
					if rest := provision.Diff(have, to); err != nil || !rest.Empty() {
						t.Errorf("left to do (%v):\n%v", err, rest)
					}
				}
			}
			if err := h.RemoveRunDir(lab); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestPrivilegedInterrupted stops half-way, at every point, and goes on.
func TestPrivilegedInterrupted(t *testing.T) {
	b := newBench(t, "ktint")
	want := pair("ktint")
	for stop := 1; ; stop++ {
		ctx, cancel := context.WithCancel(b.ctx)
		done := 0
		plan, res, err := provision.Converge(ctx, b.h, want, provision.Options{Parallel: 2, Progress: func(provision.Step, error) {
			if done++; done == stop {
				cancel()
			}
		}})
		cancel()
		if stop > len(plan.Steps) {
			break
		}
		if !errors.Is(err, context.Canceled) || res.Count(provision.Failed) > 0 {
			t.Errorf("stopped after %d: %v", stop, err)
		}
		if stop%2 == 0 {
			b.converge(want)
			b.settled(want)
		}
		b.converge(provision.NewState("ktint"))
	}
}

// TestPrivilegedManyNamespaces works in more namespaces than may be open at
// once.
func TestPrivilegedManyNamespaces(t *testing.T) {
	b := newBench(t, "ktmany")
	const n = 160
	objects := []provision.Object{ns("ktmany", "node", "a"), provision.Bridge{NS: "ktmany.a", Name: "br0", MAC: mac(1), MTU: 1500, Up: true}}
	for i := range n {
		name := fmt.Sprintf("p%d", i)
		ip := netip.AddrFrom4([4]byte{10, 0, byte(i), 1})
		objects = append(objects, ns("ktmany", "pod", name),
			provision.Veth{
				A: provision.End{NS: "ktmany.a", Name: name, MAC: labs.MAC{2, 0, 0, 1, 0, byte(i)}, MTU: 1500, Up: true},
				B: provision.End{NS: "ktmany." + name, Name: "eth0", MAC: labs.MAC{2, 0, 0, 2, 0, byte(i)}, MTU: 1500, Up: true},
			},
			provision.Port{NS: "ktmany.a", Dev: name, Bridge: "br0"},
			provision.Addr{NS: "ktmany." + name, Dev: "eth0", Prefix: netip.PrefixFrom(ip, 24)})
	}
	want := provision.NewState("ktmany", objects...)
	b.converge(want)
	b.settled(want)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil || len(fds) > 128+40 {
		t.Errorf("%d files are open (%v)", len(fds), err)
	}
	b.h.Rest()
	b.settled(want)
}
