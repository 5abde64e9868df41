package kernel_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netlab/provision"
	"netlab/provision/netns"
)

// TestPrivilegedRepair puts back what every namespace has from the start.
func TestPrivilegedRepair(t *testing.T) {
	b := newBench(t, "ktfix")
	want := pair("ktfix")
	b.converge(want)
	for _, command := range []string{
		"ip -n ktfix.a link set lo down",
		"ip -n ktfix.a addr del 127.0.0.1/8 dev lo",
		"ip -n ktfix.a rule del pref 0",
		"ip -n ktfix.a rule del pref 32766",
		"ip -n ktfix.a rule del pref 32767",
		"ip -n ktfix.a -6 rule del pref 32766",
		"ip -n ktfix.a link set lo alias mine",
		"rm /etc/netns/ktfix.a",
		"rm -r /run/netlab/ktfix/witness",
		"ip -n ktfix.a link set lo alias ''", // which the witness was made again for
		"ip -n ktfix.a link set eth0 down",
		"ip -n ktfix.a link set eth0 down; ip -n ktfix.a link set eth0 name other",
		"ip -n ktfix.a link del eth0",
		"ip -n ktfix.a link set eth0 netns ktfix.b name stray",
		"ip netns del ktfix.a",
	} {
		t.Run(command, func(t *testing.T) {
			b := b
			b.T = t
			run(t, "sh", "-ec", command)
			b.converge(want)
			b.settled(want)
			if out := run(t, "ip", "netns", "exec", "ktfix.a", "ping", "-c1", "-W2", "10.0.0.2"); !strings.Contains(out, "1 received") {
				t.Errorf("no answer: %s", out)
			}
		})
	}
}

// TestPrivilegedBuffers puts back the sizes of buffers that depend on the memory
// of the host, and is content with whatever the host begins with.
func TestPrivilegedBuffers(t *testing.T) {
	b := newBench(t, "ktbuffers")
	want := pair("ktbuffers")
	b.converge(want)
	b.settled(want)
	for _, name := range []string{"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"} {
		sysctl := func(args ...string) string {
			return run(t, append([]string{"ip", "netns", "exec", "ktbuffers.a", "sysctl", "-n"}, args...)...)
		}
		before := sysctl(name)
		sysctl("-w", name+"=1 1 1")
		b.converge(want)
		if after := sysctl(name); after != before {
			t.Errorf("%s is %q, was %q", name, after, before)
		}
	}
}

// TestPrivilegedForeign leaves alone what is not ours, whatever its name.
func TestPrivilegedForeign(t *testing.T) {
	b := newBench(t, "ktforeign")
	want := pair("ktforeign")
	b.converge(want)
	// The name of ours, and most likely the inode too.
	run(t, "ip", "netns", "del", "ktforeign.a")
	run(t, "ip", "netns", "add", "ktforeign.a")
	run(t, "ip", "netns", "add", "ktforeign.other")
	defer run(t, "ip", "netns", "del", "ktforeign.other")
	have, err := b.h.Observe(b.ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	o, _ := have.Get(ns("ktforeign", "node", "a").Key())
	if n, ok := o.(provision.Namespace); !ok || n.Condition != provision.Foreign {
		t.Errorf("it counts as %+v", o)
	}
	if plan := provision.Diff(have, want); len(plan.Conflicts) != 1 {
		t.Errorf("no conflict:\n%v", plan)
	}
	for _, op := range []provision.Op{provision.Create, provision.Update, provision.Delete} {
		if err := b.h.Do(b.ctx, provision.Step{Op: op, Object: ns("ktforeign", "node", "a")}); err == nil {
			t.Errorf("%v went through", op)
		}
	}
	b.converge(provision.NewState("ktforeign"))
	if names, _ := netns.List("ktforeign."); !slices.Equal(names, []string{"ktforeign.a", "ktforeign.other"}) {
		t.Errorf("what is left is %v", names)
	}
	run(t, "ip", "netns", "del", "ktforeign.a")
}

// TestPrivilegedRemains is an up that was killed between a namespace's file and
// its mount.
func TestPrivilegedRemains(t *testing.T) {
	b := newBench(t, "ktremains")
	want := pair("ktremains")
	b.converge(want)
	for _, to := range []provision.State{want, provision.NewState("ktremains")} {
		run(t, "umount", "/run/netns/ktremains.a")
		b.converge(to)
		b.settled(to)
	}
}

// TestPrivilegedPlanted does not follow what somebody put in the way.
func TestPrivilegedPlanted(t *testing.T) {
	b := newBench(t, "ktplant")
	want := pair("ktplant", provision.File{Lab: "ktplant", Name: "hosts", Content: "10.0.0.2 b\n", Mode: provision.FileMode})
	b.converge(want)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	plant := func(path, target string) {
		t.Helper()
		if err := errors.Join(os.Remove(path), os.Symlink(target, path)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(netns.EtcDir, "ktplant.a")
	plant(link, filepath.Dir(victim))
	if _, _, err := provision.Converge(b.ctx, b.h, want, provision.Options{}); err == nil || !strings.Contains(err.Error(), link) {
		t.Errorf("planted %s: %v", link, err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	b.converge(want)
	b.settled(want)
	// In a directory of netlab's own, what is planted is replaced.
	hosts := filepath.Join(b.h.RunDir("ktplant"), "etc", "hosts")
	plant(hosts, victim)
	b.converge(want)
	b.settled(want)
	if fi, err := os.Lstat(hosts); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("%s is %v, %v", hosts, fi.Mode(), err)
	}
	if got, _ := os.ReadFile(victim); string(got) != "precious" {
		t.Errorf("the file behind the symlink is now %q", got)
	}
}
