package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestPrivilegedGraph draws a lab while people break it.
func TestPrivilegedGraph(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	file, lab := writeLab(t, fmt.Sprintf(`name: t%d-graph
nodes: [{name: node-a}, {name: node-b}]
pods:
  - {name: client, node: node-a}
  - {name: web, node: node-b, labels: {app: web}}
services:
  - {name: web, clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
`, os.Getpid()))
	bringUp(t, file, lab)
	wants := func(want []string, args ...string) {
		t.Helper()
		out := must(t, exitOK, append([]string{"graph", file}, args...)...)
		for _, s := range want {
			if !strings.Contains(out, s) {
				t.Errorf("netlab graph %s: no %q in:\n%.3000s", strings.Join(args, " "), s, out)
			}
		}
	}
	ip := func(words ...string) {
		t.Helper()
		if out, err := tool(t, append([]string{"ip"}, words...)...); err != nil {
			t.Fatalf("ip %s: %v\n%s", strings.Join(words, " "), err, out)
		}
	}
	t.Run("well", func(*testing.T) {
		wants([]string{"\nup, ", " checks ok\n"})
		wants([]string{`class="sign ok"`}, "-o", "svg")
		wants([]string{"as the kernel has them", "as the lab file says"}, "--chains", "node-a")
	})
	t.Run("a cable", func(t *testing.T) {
		ip("-n", lab.Name+".node-b", "link", "set", "veth-web", "down")
		t.Cleanup(func() { must(t, exitOK, "up", file, "-q") })
		wants([]string{"\ndrifted, ", " checks fail\n", "client  (pod)  [x ", "web  (pod)  [x ", "\nfaults\n", "veth-web"})
		wants([]string{"\ndrifted\n", "web  (pod)  [! 1 difference]"}, "--checks=false")
		wants([]string{`class="cable drift"`, `class="pod fail"`, "state is down"}, "-o", "svg")
		wants([]string{"What is wrong", "state is down"}, "-o", "html")
		wants([]string{"linkStyle "}, "-o", "mermaid")
	})
	t.Run("a rule", func(t *testing.T) {
		ns := lab.Name + ".node-a"
		ip("netns", "exec", ns, "iptables", "-t", "nat", "-D", "KUBE-SERVICES", "1")
		ip("netns", "exec", ns, "iptables", "-I", "FORWARD", "-s", "10.9.9.9", "-j", "DROP")
		t.Cleanup(func() { must(t, exitOK, "up", file, "-q") })
		wants([]string{"1 rule differs", "[x missing]  to 10.96.0.80, tcp, port 80", "10.9.9.9"}, "--chains", "node-a")
		wants([]string{">missing<"}, "--chains", "node-a", "-o", "svg")
	})
	t.Run("down", func(t *testing.T) {
		ip("netns", "del", lab.Name+".web")
		t.Cleanup(func() { must(t, exitOK, "up", file, "-q") })
		wants([]string{"web  (pod)  [x missing]"}, "--checks=false")
	})
	if code, _, errs := netlab(t, "graph", "router", "--live"); code != exitFailed || !strings.Contains(errs, "is not up") {
		t.Errorf("a lab that is down, live: exit code %d, %s", code, errs)
	}
}
