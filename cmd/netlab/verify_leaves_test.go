package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netlab/labs"
)

// counters are what looking changes and nobody minds: how often a rule was met,
// and what a bridge or the tunnel remembers of who sent last.
var counters = regexp.MustCompile(`\[\d+:\d+\]|counter packets \d+ bytes \d+|(?m)^#.*$`)

// settings is what stands in the namespaces of a lab, in the words of tools
// that are not ours: sockets, rules, routes, addresses, permanent neighbours,
// and the connections that are remembered.
func settings(t *testing.T, lab *labs.Lab) string {
	t.Helper()
	var b strings.Builder
	for _, ns := range namespacesIn(lab) {
		for _, argv := range [][]string{
			{"ss", "-Hlntuwp0"}, {"iptables-save"}, {"ip6tables-save"}, {"ip", "route", "show", "table", "all"}, {"ip", "rule"}, {"ip", "-br", "addr"},
			{"ip", "neigh", "show", "nud", "permanent"}, {"sh", "-c", "conntrack -L 2>/dev/null"},
		} {
			out, _ := tool(t, append([]string{"ip", "netns", "exec", ns}, argv...)...)
			for line := range strings.Lines(out) {
				if line = strings.TrimSpace(counters.ReplaceAllString(line, "")); line != "" {
					fmt.Fprintln(&b, ns, argv[0], line)
				}
			}
		}
	}
	return b.String()
}

// TestPrivilegedVerifyLeavesNothing makes all checks of a good lab and of one
// that is broken, with everything that is done to explain that, and wants the
// lab to be what it was.
func TestPrivilegedVerifyLeavesNothing(t *testing.T) {
	requireRoot(t)
	file, lab := writeLab(t, strings.ReplaceAll(explainLab, "LAB", fmt.Sprintf("t%d-leaves", os.Getpid())))
	bringUp(t, file, lab)
	must(t, exitOK, "verify", file, "--wait", "20s") // forgets what the tunnel has carried
	plan := must(t, exitOK, "plan", file)
	before := settings(t, lab)
	must(t, exitOK, "verify", file, "--wait", "20s")
	if diff := cmp.Diff(before, settings(t, lab)); diff != "" {
		t.Errorf("looking at a good lab changed it (-before +after):\n%s", diff)
	}
	if now := must(t, exitOK, "plan", file); now != plan {
		t.Errorf("the plan was\n%sand is\n%s", plan, now)
	}
	shell(t, lab.Name, "ip -n LAB.a route add blackhole 10.244.2.2/32; ip netns exec LAB.b iptables -I FORWARD -p udp -j DROP")
	plan, before = must(t, exitOK, "plan", file), settings(t, lab)
	must(t, exitDiffers, "verify", file, "--skip", slow)
	if diff := cmp.Diff(before, settings(t, lab)); diff != "" {
		t.Errorf("looking at a broken lab changed it (-before +after):\n%s", diff)
	}
	if now := must(t, exitOK, "plan", file); now != plan {
		t.Errorf("the plan was\n%sand is\n%s", plan, now)
	}
}
