package netfilter_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"netlab/provision/netfilter"
)

// tool is one iptables in a network namespace of its own, which is gone when
// the test ends.
type tool struct {
	prefix string // iptables-nft, ip6tables-legacy, ...
	ipv6   bool
	enter  []string
	env    []string
}

// eachTool runs f with every iptables there is: two back ends, two families.
func eachTool(t *testing.T, f func(t *testing.T, ipt *tool)) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it under unshare --map-root-user --net")
	}
	for _, prefix := range []string{"iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"} {
		t.Run(prefix, func(t *testing.T) {
			for _, program := range []string{prefix + "-restore", "nsenter"} {
				if _, err := exec.LookPath(program); err != nil {
					t.Skip("not installed:", program)
				}
			}
			ipt := newTool(t, prefix)
			if out, err := ipt.command(prefix + " -t nat -S").CombinedOutput(); err != nil {
				t.Skipf("this kernel has no %s: %s", prefix, out)
			}
			f(t, ipt)
		})
	}
}

func newTool(t *testing.T, prefix string) *tool {
	t.Helper()
	holder := exec.Command("cat") // ends when its input does
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	input, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Skip("cannot make a network namespace:", err)
	}
	t.Cleanup(func() {
		input.Close()
		if err := holder.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &tool{
		prefix: prefix,
		ipv6:   strings.HasPrefix(prefix, "ip6"),
		enter:  []string{"nsenter", "--net=/proc/" + strconv.Itoa(holder.Process.Pid) + "/ns/net"},
		env:    append(os.Environ(), "XTABLES_LOCKFILE="+filepath.Join(t.TempDir(), "lock"), "IPT="+prefix),
	}
}

func (i *tool) command(script string) *exec.Cmd {
	c := exec.Command(i.enter[0], append(i.enter[1:len(i.enter):len(i.enter)], "sh", "-ec", script)...)
	c.Env = i.env
	return c
}

func (i *tool) run(t *testing.T, script string) {
	t.Helper()
	if out, err := i.command(script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

func (i *tool) restore(t *testing.T, input []byte) {
	t.Helper()
	c := i.command(i.prefix + "-restore --noflush -w")
	c.Stdin = bytes.NewReader(input)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("restore: %v\n%s\n%s", err, out, input)
	}
}

func (i *tool) save(t *testing.T) (owned netfilter.Text, foreign []string) {
	t.Helper()
	out, err := i.command(i.prefix + "-save").Output()
	if err != nil {
		t.Fatal(err)
	}
	owned, foreign, err = netfilter.Parse(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return owned, foreign
}
