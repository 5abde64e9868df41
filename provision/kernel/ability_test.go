package kernel

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"netlab/provision"
)

// TestPrivilegedLacks asks for what this host has, and for what none has.
func TestPrivilegedLacks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	err := fresh(unix.NETLINK_ROUTE, func(c *conn) error {
		for kind, want := range map[string]bool{"veth": true, "bridge": true, "vxlan": true, "nosuchkind": false} {
			if got := knowsLink(c, kind); got != want {
				t.Errorf("%s: known is %v", kind, got)
			}
		}
		links, err := devices(c)
		for _, d := range links {
			if !d.fallback() {
				t.Errorf("it made %s", d.name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := Open(Options{RunDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var plan provision.Plan
	for _, o := range []provision.Object{provision.Namespace{}, provision.Veth{}, provision.Bridge{}, provision.VXLAN{}} {
		plan.Steps = append(plan.Steps, provision.Step{Op: provision.Create, Object: o})
	}
	if err := h.Lacks(plan); err != nil {
		t.Error(err)
	}
}
