package main

import (
	"strings"
	"testing"

	"netlab/labs"
)

// TestPrivilegedMisled wants up to make the kernel forget neighbours that were
// learned from somebody who is not to have their address, and to leave alone
// what is true and what the lab wrote down itself.
func TestPrivilegedMisled(t *testing.T) {
	file, lab := upTraceLab(t, "misled", labs.ModeVXLAN)
	a, b := lab.Node("node-a"), lab.Node("node-b")
	const lie = "02:00:00:00:00:99"
	there := b.Interfaces[0].Addrs[0].Addr().String()
	in(t, a.NS, "ip", "neigh", "replace", there, "lladdr", lie, "dev", "eth0", "nud", "reachable")
	in(t, a.NS, "ip", "neigh", "replace", "10.244.2.0", "lladdr", lie, "dev", "vxlan1", "nud", "stale")
	in(t, a.NS, "ip", "neigh", "replace", "172.30.0.1", "lladdr", lab.Bridges[0].MAC.String(), "dev", "eth0", "nud", "reachable")
	must(t, exitOK, "up", file, "-q")
	table := in(t, a.NS, "ip", "neigh", "show")
	if strings.Contains(table, lie) {
		t.Errorf("the kernel still believes %s:\n%s", lie, table)
	}
	for _, want := range []string{"10.244.2.0 dev vxlan1 lladdr " + b.VXLANMAC.String() + " PERMANENT", "172.30.0.1 dev eth0 lladdr " + lab.Bridges[0].MAC.String()} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is gone:\n%s", want, table)
		}
	}
}
