package kernel_test

import (
	"net/netip"
	"testing"

	"netlab/provision"
)

// TestPrivilegedLinkLocalLength gives a link-local address another length, and
// mends that in the order in which lanes may do it: the link before the address.
func TestPrivilegedLinkLocalLength(t *testing.T) {
	b := newBench(t, "ktlength")
	a := b.lab + ".a"
	want := pair(b.lab, provision.Addr{NS: a, Dev: "eth0", Prefix: netip.MustParsePrefix("fd00::1/64")})
	b.converge(want)
	b.settled(want)
	const own = "fe80::ff:fe00:101"
	run(t, "ip", "-n", a, "addr", "del", own+"/64", "dev", "eth0")
	run(t, "ip", "-n", a, "addr", "add", own+"/9", "dev", "eth0", "nodad")
	have, err := b.h.Observe(b.ctx, want.Hint())
	if err != nil {
		t.Fatal(err)
	}
	steps := provision.Diff(have, want).Steps
	done := map[provision.Op]int{}
	for _, op := range []provision.Op{provision.Update, provision.Delete} {
		for _, s := range steps {
			if s.Op == op {
				done[op]++
				if err := b.h.Do(b.ctx, s); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if done[provision.Update] != 1 || done[provision.Delete] != 1 {
		t.Errorf("steps are %v", steps)
	}
	b.settled(want)
}
