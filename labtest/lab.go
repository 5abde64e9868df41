package labtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/kernel"
	"netlab/provision/netns"
	"netlab/provision/runtime"
	"netlab/verify"
	"netlab/verify/probe"
)

// Lab is a lab that is up. Its methods are safe for concurrent use, but for those
// that end the test, which belong to the test's own goroutine.
type Lab struct {
	*labs.Lab // as resolved, under the name that it has in the kernel

	t    testing.TB
	host *kernel.Host
}

const (
	upWithin   = time.Minute      // that a lab is up
	readyIn    = 10 * time.Second // that containers have to become ready
	downWithin = time.Minute      // that a lab is gone
)

// made counts the labs of this process.
var made atomic.Int64

// Up brings a lab up and returns when its containers are ready. file is the path of
// a lab file, or the name of a lab that ships. The test ends if that is not
// possible, and is skipped where there can be no labs at all. The lab is taken down
// when the test and its subtests are over.
func Up(t testing.TB, file string) *Lab {
	t.Helper()
	if !session.started {
		t.Fatal("labtest.Up: this package's tests need func TestMain(m *testing.M) { labtest.Main(m) }")
	}
	if session.skip != nil {
		t.Skipf("no labs here: %v", session.skip)
	}
	data, ok := labs.ShippedFile(file)
	if !ok || strings.ContainsAny(file, "/.") {
		var err error
		if data, err = os.ReadFile(file); err != nil {
			t.Fatalf("labtest.Up: %v", err)
		}
	}
	lab, diagnostics := labs.Load(file, data)
	if lab == nil {
		t.Fatalf("labtest.Up:\n%v", diagnostics)
	}
	name := fmt.Sprintf("%.20s-t%d-%d", lab.Name, os.Getpid(), made.Add(1))
	if lab, diagnostics = labs.LoadAs(name, file, data); lab == nil {
		t.Fatalf("labtest.Up:\n%v", diagnostics)
	}
	opts := kernel.Options{RunDir: session.runDir}
	want := provision.Desired(lab)
	if _, ok := want.Get(provision.Supervisor{Lab: name}.Key()); ok {
		var err error
		if opts.Program, err = program(); err != nil {
			t.Fatalf("labtest.Up: %v", err)
		}
	}
	host, err := kernel.Open(opts)
	if err != nil {
		t.Skipf("no labs here: %v", err)
	}
	l := &Lab{lab, t, host}
	t.Cleanup(l.down)
	ctx, cancel := context.WithTimeout(t.Context(), upWithin)
	defer cancel()
	if err := l.up(ctx, data, want); err != nil {
		t.Fatalf("labtest.Up: lab %s: %v", name, err)
	}
	return l
}

// up makes the kernel equal to want, and to what its containers make of it.
func (l *Lab) up(ctx context.Context, data []byte, want provision.State) error {
	unlock, err := l.host.Lock(ctx, l.Name, upWithin)
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.host.SaveLab(l.Name, data); err != nil {
		return err
	}
	if _, _, err := provision.Converge(ctx, l.host, want, provision.Options{}); err != nil {
		return err
	}
	waiting, err := runtime.AwaitReady(ctx, l.host.Runtime(l.Name), readyIn)
	if err != nil {
		return err
	}
	for _, w := range waiting {
		l.t.Logf("not ready: %s", w)
	}
	_, _, err = provision.Converge(ctx, l.host, l.desired(), provision.Options{})
	return err
}

// desired is what the lab has to be with the containers that are ready now.
func (l *Lab) desired() provision.State {
	return provision.Desired(l.WithReadiness(runtime.Readiness(l.host.Runtime(l.Name), l.Lab)))
}

// down takes the lab away, also when the test was ended.
func (l *Lab) down() {
	defer l.host.Close()
	ctx, cancel := context.WithTimeout(context.Background(), downWithin)
	defer cancel()
	if err := l.remove(ctx); err != nil {
		l.t.Errorf("lab %s is not gone: %v", l.Name, err)
	}
}

func (l *Lab) remove(ctx context.Context) error {
	unlock, err := l.host.Lock(ctx, l.Name, downWithin)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := l.host.EndSupervisor(ctx, l.Name); err != nil {
		return err
	}
	names, err := netns.List(l.Name + ".")
	if err != nil {
		return err
	}
	inodes := map[uint64]string{}
	for _, name := range names {
		path, err := netns.Path(name)
		if err != nil {
			return err
		}
		if inode, err := runtime.Inode(path); err == nil {
			inodes[inode] = name
		}
	}
	if _, err := runtime.End(ctx, inodes, runtime.Grace); err != nil {
		return err
	}
	if _, _, err := provision.Converge(ctx, l.host, provision.State{Lab: l.Name}, provision.Options{}); err != nil {
		return err
	}
	if err := l.host.Settle(ctx); err != nil {
		return err
	}
	return l.host.RemoveRunDir(l.Name)
}

// Verify makes the lab's checks and ends the test with their report if one fails.
func (l *Lab) Verify() {
	l.t.Helper()
	l.VerifyWithin(0)
}

// VerifyWithin is Verify for a lab that gets well only with time, or on a machine
// that is slow: it looks again at what is not well until a while is over.
func (l *Lab) VerifyWithin(while time.Duration) {
	l.t.Helper()
	lab := l.WithReadiness(runtime.Readiness(l.host.Runtime(l.Name), l.Lab))
	prober := probe.Prober{TunnelPort: lab.Network.VXLANPort, Plan: func(ctx context.Context) (provision.Plan, error) {
		want := l.desired()
		have, err := l.host.Observe(ctx, want.Hint())
		return provision.Diff(have, want), err
	}}
	report, err := verify.Run(l.t.Context(), lab, prober, verify.Options{Wait: while})
	if err != nil {
		l.t.Fatalf("lab %s: %v", l.Name, err)
	}
	if !report.Counts().Well() {
		var text strings.Builder
		_ = verify.WriteText(&text, report)
		l.t.Fatalf("lab %s is not well:\n%s", l.Name, text.String())
	}
}

// Command returns a command that is going to run in a pod, a node or a bridge,
// where the lab's names are known. It is killed when ctx is done.
func (l *Lab) Command(ctx context.Context, name string, argv ...string) (*exec.Cmd, error) {
	ref, err := l.FindPlace(name)
	if err != nil {
		return nil, err
	}
	var ns string
	switch ref.Kind {
	case labs.RefPod:
		ns = l.Pod(ref.Namespace, ref.Name).NS
	case labs.RefNode:
		ns = l.Node(ref.Name).NS
	default:
		ns = l.Bridge(ref.Name).NS
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = append([]string{execName, string(l.host.Runtime(l.Name)), ns}, argv...)
	return cmd, nil
}

// Output runs a command in a pod, a node or a bridge, and returns what it printed
// to standard output. The test ends if it fails.
func (l *Lab) Output(name string, argv ...string) string {
	l.t.Helper()
	cmd, err := l.Command(l.t.Context(), name, argv...)
	if err != nil {
		l.t.Fatal(err)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		l.t.Fatalf("%s: %s: %v\n%s%s", name, strings.Join(argv, " "), err, out, errs.String())
	}
	return string(out)
}
