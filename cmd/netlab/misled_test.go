package main

import (
	"fmt"
	"os"
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

// TestPrivilegedRedirected wants up to make hosts forget what a router told them
// while its routes were wrong, since they would take that way for minutes, and
// verify to say so where only the router was mended.
func TestPrivilegedRedirected(t *testing.T) {
	requireRoot(t)
	shipped, err := os.ReadFile("../../labs/router.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file, lab := writeLab(t, strings.Replace(string(shipped), "name: router", fmt.Sprintf("name: t%d-redirect", os.Getpid()), 1))
	bringUp(t, file, lab)
	alice, r1 := lab.Node("alice").NS, lab.Node("r1").NS
	mislead := func() {
		in(t, r1, "ip", "route", "replace", "10.2.0.0/24", "via", "10.1.0.3", "dev", "eth0")
		way := ""
		for range 10 { // the kernel first asks who carol is
			_, _ = tool(t, "ip", "netns", "exec", alice, "ping", "-c", "1", "-W", "1", "10.2.0.2")
			if way = in(t, alice, "ip", "route", "get", "10.2.0.2"); strings.Contains(way, "via 10.1.0.3") {
				return
			}
		}
		t.Fatalf("alice was told nothing: %s", way)
	}
	mislead()
	must(t, exitOK, "up", file, "-q")
	if way := in(t, alice, "ip", "route", "get", "10.2.0.2"); !strings.Contains(way, "via 10.1.0.1") {
		t.Errorf("alice still believes that the way leads by carol: %s", way)
	}
	mislead()
	in(t, r1, "ip", "route", "replace", "10.2.0.0/24", "via", "10.9.0.2", "dev", "eth1")
	r := verifyJSON(t, exitDiffers, file, "--only", "external,routes")
	want := alice + " (node alice): 10.2.0.2 goes via 10.1.0.3 dev eth0 src 10.1.0.2, the lab says via 10.1.0.1"
	if len(r.Explanations) != 1 || !strings.HasPrefix(r.Explanations[0].Fault, want) || !strings.Contains(r.Explanations[0].Remedy, "reset") {
		t.Errorf("explained is %+v, want %q", r.Explanations, want)
	}
	must(t, exitOK, "reset", lab.Name, "alice")
	must(t, exitOK, "verify", file, "--only", "external,routes", "--wait", "5s")
}
