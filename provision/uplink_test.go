package provision_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"netlab/provision"
	"netlab/provision/fake"
)

func uplinkLab(t *testing.T, name string, bridges ...string) provision.State {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nsubnets:\n", name)
	for i := range bridges {
		fmt.Fprintf(&b, "  - {name: s%d, cidr: 10.%d.0.0/24}\n", i, i)
	}
	b.WriteString("bridges:\n")
	for i, bridge := range bridges {
		fmt.Fprintf(&b, "  - {name: %s, subnet: s%d, uplink: true}\n", bridge, i)
	}
	b.WriteString("nodes:\n")
	for _, bridge := range bridges {
		fmt.Fprintf(&b, "  - {name: at-%s, interfaces: [{name: eth0, bridge: %s}]}\n", bridge, bridge)
	}
	return provision.Desired(load(t, name+".yaml", b.String()))
}

// onHost returns the addresses that a lab has on the host, sorted.
func onHost(t *testing.T, k *fake.Kernel, lab string) []netip.Prefix {
	t.Helper()
	have, _ := k.Observe(t.Context(), provision.NewState(lab))
	var found []netip.Prefix
	for o := range have.All() {
		if a, ok := o.(provision.Addr); ok && a.NS == "" {
			found = append(found, a.Prefix)
		}
	}
	slices.SortFunc(found, netip.Prefix.Compare)
	return found
}

// TestUplinksGiveWay brings labs up one after the other on one host whose range
// is nearly full: none gets what another has, all stay where they are, and one
// that somebody else pushes out finds a new place.
func TestUplinksGiveWay(t *testing.T) {
	ctx := t.Context()
	taken := []netip.Prefix{
		netip.MustParsePrefix("169.254.192.0/19"), netip.MustParsePrefix("169.254.224.0/20"),
		netip.MustParsePrefix("169.254.240.0/21"), netip.MustParsePrefix("169.254.248.0/22"), netip.MustParsePrefix("169.254.252.0/23"),
		netip.MustParsePrefix("169.254.254.0/24"), netip.MustParsePrefix("169.254.255.17/32"),
	}
	var kernels []*fake.Kernel
	var wants []provision.State
	for i := range 20 {
		lab := fmt.Sprintf("lab%d", i)
		want := uplinkLab(t, lab, "east", "west")
		k := &fake.Kernel{HostAddrs: slices.Clone(taken)}
		if plan, _, err := provision.Converge(ctx, k, want, provision.Options{}); err != nil {
			t.Fatalf("%v\nplan:\n%v", err, plan)
		}
		addrs := onHost(t, k, lab)
		if len(addrs) != 2 {
			t.Fatalf("%s has %v on the host", lab, addrs)
		}
		for _, a := range addrs {
			if !provision.UplinkRange().Contains(a.Addr()) || slices.ContainsFunc(taken, a.Overlaps) {
				t.Fatalf("%s got %v, of %v", lab, a, taken)
			}
			taken = append(taken, a.Masked())
		}
		kernels, wants = append(kernels, k), append(wants, want)
	}
	for i, k := range kernels {
		lab := wants[i].Lab
		own := onHost(t, k, lab)
		k.HostAddrs = slices.DeleteFunc(slices.Clone(taken), func(p netip.Prefix) bool { return slices.ContainsFunc(own, p.Overlaps) })
		if plan, _, err := provision.Converge(ctx, k, wants[i], provision.Options{}); err != nil || !plan.Empty() {
			t.Errorf("%s does not stay where it is: %v\n%v", lab, err, plan)
		}
		k.HostAddrs = append(k.HostAddrs, own[0].Masked())
		if plan, _, err := provision.Converge(ctx, k, wants[i], provision.Options{}); err != nil || plan.Empty() {
			t.Errorf("%s does not give way: %v\n%v", lab, err, plan)
		}
		if now := onHost(t, k, lab); len(now) != 2 || slices.Contains(now, own[0]) || !slices.Contains(now, own[1]) {
			t.Errorf("%s had %v and has %v", lab, own, now)
		}
		if plan, _, err := provision.Converge(ctx, k, wants[i], provision.Options{}); err != nil || !plan.Empty() {
			t.Errorf("%s does not stay where it went: %v\n%v", lab, err, plan)
		}
	}
}

// TestUplinkOfAnother gives the host ends of all labs names of their own that
// the kernel takes.
func TestUplinkOfAnother(t *testing.T) {
	seen := map[string]string{}
	for i := range 500 {
		lab := fmt.Sprintf("lab%d", i)
		for o := range uplinkLab(t, lab, "east", "west").All() {
			v, ok := o.(provision.Veth)
			if !ok || v.B.NS != "" {
				continue
			}
			if other := seen[v.B.Name]; other != "" || len(v.B.Name) > 15 {
				t.Errorf("%s is of %s and of %s", v.B.Name, v.Alias, other)
			}
			seen[v.B.Name] = v.Alias
		}
	}
	if len(seen) != 1000 {
		t.Errorf("%d uplinks, want 1000", len(seen))
	}
}

// TestNoUplinkNothingOnTheHost holds labs without an uplink to what they
// promise: all they have outside their namespaces are files.
func TestNoUplinkNothingOnTheHost(t *testing.T) {
	without := 0
	for seed := range uint64(100) {
		want := randomState(t, seed)
		onHost := 0
		for o := range want.All() {
			switch o := o.(type) {
			case provision.File, provision.Supervisor:
			case provision.Veth:
				if o.A.NS == "" || o.B.NS == "" {
					onHost++
				}
			default:
				if o.Key().NS == "" {
					onHost++
				}
			}
		}
		_, uplink := want.Get(provision.HostForwarding{Lab: "x"}.Key())
		if !uplink {
			without++
			if onHost > 0 {
				t.Errorf("seed %d: %d things on the host:\n%v", seed, onHost, want)
			}
		}
	}
	if without < 20 {
		t.Errorf("only %d labs without an uplink", without)
	}
}
