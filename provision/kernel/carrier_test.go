package kernel_test

import (
	"testing"

	"github.com/vishvananda/netlink"

	"netlab/provision"
	"netlab/provision/netns"
)

// TestPrivilegedLinksCarry looks at links at the very moment at which a lab is
// said to be up: they transmit, ports forward and the bridge has a carrier. The
// kernel gets there by itself a while later, also where another netlab set the
// link up and was killed then.
func TestPrivilegedLinksCarry(t *testing.T) {
	b := newBench(t, "ktcarry")
	a, far := b.lab+".a", b.lab+".b"
	want := provision.NewState(b.lab,
		ns(b.lab, "node", "a"), ns(b.lab, "node", "b"),
		provision.Bridge{NS: a, Name: "br0", MAC: mac(1), MTU: 1500, Up: true},
		provision.Veth{A: provision.End{NS: far, Name: "eth0", MAC: mac(2), MTU: 1500, Up: true}, B: provision.End{NS: a, Name: "port", MAC: mac(3), MTU: 1500, Up: true}},
		provision.Port{NS: a, Dev: "port", Bridge: "br0"})
	inside := func(name string, fn func(h *netlink.Handle) error) {
		t.Helper()
		err := netns.Do(name, func() error {
			h, err := netlink.NewHandle()
			if err != nil {
				return err
			}
			defer h.Close()
			return fn(h)
		})
		if err != nil {
			t.Error(err)
		}
	}
	watch := func(t *testing.T, name string) {
		t.Helper()
		inside(name, func(h *netlink.Handle) error {
			links, err := h.LinkList()
			for _, l := range links {
				if attrs := l.Attrs(); attrs.Name != "lo" && attrs.OperState != netlink.OperUp {
					t.Errorf("%s/%s is %s", name, attrs.Name, attrs.OperState)
				}
			}
			return err
		})
	}
	disturb := func(name, dev string, changes ...func(h *netlink.Handle, l netlink.Link) error) func() {
		return func() {
			t.Helper()
			inside(name, func(h *netlink.Handle) error {
				l, err := h.LinkByName(dev)
				for _, change := range changes {
					if err == nil {
						err = change(h, l)
					}
				}
				return err
			})
		}
	}
	down, up, del := (*netlink.Handle).LinkSetDown, (*netlink.Handle).LinkSetUp, (*netlink.Handle).LinkDel
	rename := func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetName(l, "odd") }
	for _, c := range []struct {
		name    string
		disturb func()
	}{
		{"made", func() { b.converge(provision.NewState(b.lab)) }},
		{"set down", disturb(far, "eth0", down)},
		{"up again", disturb(far, "eth0", down, up)},
		{"renamed", disturb(far, "eth0", down, rename)},
		{"without a bridge", disturb(a, "br0", del)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.converge(want)
			for range 20 {
				c.disturb()
				b.converge(want)
				// The end that was not touched first: a dump asks nobody to look.
				watch(t, a)
				watch(t, far)
			}
		})
	}
}
