package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netlab/labs"
)

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run the tests with sudo, or under unshare --map-root-user --mount --net")
	}
}

// shippedLab writes a shipped lab under a name that no lab of the host's has
// and returns the file and the lab.
func shippedLab(t *testing.T, name string) (string, *labs.Lab) {
	t.Helper()
	data, ok := labs.ShippedFile(name)
	if !ok {
		t.Fatalf("no lab %s ships", name)
	}
	unique := fmt.Sprintf("t%d-%s", os.Getpid(), name)
	text := regexp.MustCompile(`(?m)^name: .*$`).ReplaceAllString(string(data), "name: "+unique)
	return writeLab(t, text)
}

func writeLab(t *testing.T, text string) (string, *labs.Lab) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lab.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lab, diagnostics := labs.Load(file, []byte(text))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	return file, lab
}

// waitForVerify is how long verify looks again at what is not well: not at all,
// but a machine that is emulated loses packets of the largest labs, and stands
// still for longer than an answer may take when its host has something else to do.
func waitForVerify() string {
	if wait := os.Getenv("NETLAB_TEST_WAIT"); wait != "" {
		return wait
	}
	return "0s"
}

// patient lets a verify that is to find a lab well look again as long as
// [waitForVerify] says.
func patient(want int, args []string) []string {
	if args[0] != "verify" || want != exitOK || slices.Contains(args, "--wait") {
		return args
	}
	return append(slices.Clone(args), "--wait", waitForVerify())
}

// hung is when a program that should have ended is taken to hang. No machine is so
// slow.
const hung = 2 * time.Minute

// tool runs a program that is not ours and returns what it prints.
func tool(t *testing.T, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hung)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	return string(out), err
}

// in runs a program in a namespace and fails the test if it fails.
func in(t *testing.T, ns string, argv ...string) string {
	t.Helper()
	out, err := tool(t, append([]string{"ip", "netns", "exec", ns}, argv...)...)
	if err != nil {
		t.Errorf("%s in %s: %v\n%s", strings.Join(argv, " "), ns, err, out)
	}
	return out
}

// listing runs ip -j or bridge -j in a namespace and decodes what it prints.
func listing(t *testing.T, ns string, argv ...string) []map[string]any {
	t.Helper()
	out := in(t, ns, argv...)
	var list []map[string]any
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return list
}

// hostState is what a lab must leave as it was.
func hostState(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, argv := range [][]string{
		{"ip", "-o", "link"}, {"ip", "route", "show", "table", "all"}, {"ip", "-6", "route", "show", "table", "all"},
		{"ip", "rule"}, {"iptables-save"}, {"ip6tables-save"},
	} {
		out, _ := tool(t, argv...)
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "#") { // iptables-save writes the time
				b.WriteString(line)
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		// Tests of other packages have namespaces at the same time. That none is
		// left at the end is checked when all tests are over.
		if !strings.Contains(line, " /run/netns") && !strings.Contains(line, " /run/netlab/") || strings.Contains(line, fmt.Sprintf("/t%d-", os.Getpid())) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// namespacesOf lists what is left of a lab's names.
func namespacesOf(t *testing.T, lab string) []string {
	t.Helper()
	left, _ := filepath.Glob("/run/netns/" + lab + ".*")
	etc, _ := filepath.Glob("/etc/netns/" + lab + ".*")
	run, _ := filepath.Glob("/run/netlab/" + lab)
	return append(append(left, etc...), run...)
}

// up brings a lab up and takes it down when the test ends, whatever happens.
func bringUp(t *testing.T, file string, lab *labs.Lab) {
	t.Helper()
	t.Cleanup(func() {
		must(t, exitOK, "down", lab.Name)
		if left := namespacesOf(t, lab.Name); len(left) > 0 {
			t.Errorf("down left behind: %v", left)
		}
	})
	must(t, exitOK, "up", file)
}

// TestPrivilegedShippedLabs brings every lab that ships up, checks it, and
// takes it down, and wants the host to be what it was.
func TestPrivilegedShippedLabs(t *testing.T) {
	requireRoot(t)
	for _, name := range labs.Shipped() {
		t.Run(name, func(t *testing.T) {
			file, lab := shippedLab(t, name)
			before := hostState(t)
			t.Run("up", func(t *testing.T) {
				bringUp(t, file, lab)
				// What runs the containers may still be writing rules.
				if out := must(t, exitOK, "up", file, "--lock-timeout", "2m"); !strings.HasPrefix(out, "no changes: ") {
					t.Errorf("the second up says:\n%s", out)
				}
				must(t, exitOK, "plan", file, "--exit-code")
				must(t, exitOK, "verify", file)
				must(t, exitOK, "plan", file, "--exit-code") // looking changes nothing
				pingSome(t, lab)
			})
			if diff := cmp.Diff(before, hostState(t)); diff != "" {
				t.Errorf("the host is not what it was (-before +after):\n%s", diff)
			}
		})
	}
}

// pingSome lets the first pod ping one pod of every node.
func pingSome(t *testing.T, lab *labs.Lab) {
	t.Helper()
	seen := map[string]bool{}
	for _, p := range lab.Pods {
		if seen[p.Node] || p.Name == lab.Pods[0].Name {
			continue
		}
		seen[p.Node] = true
		in(t, lab.Pods[0].NS, "ping", "-c", "1", "-W", "5", p.Addrs[0].Addr().String())
	}
}

var ttlOf = regexp.MustCompile(`ttl=(\d+)`)

func pingTTL(t *testing.T, ns, to string) string {
	t.Helper()
	m := ttlOf.FindStringSubmatch(in(t, ns, "ping", "-c", "1", "-W", "5", to))
	if m == nil {
		return "none"
	}
	return m[1]
}

// TestPrivilegedVXLAN looks at the two-node lab with the usual tools: what a
// packet's way must look like with flannel's VXLAN backend.
func TestPrivilegedVXLAN(t *testing.T) {
	requireRoot(t)
	file, lab := shippedLab(t, "two-node")
	bringUp(t, file, lab)
	client, web := lab.Pod("default", "client"), lab.Pod("default", "web")
	nodeA, nodeB := lab.Node("node-a"), lab.Node("node-b")
	webIP := web.Addrs[0].Addr().String()

	if ttl := pingTTL(t, client.NS, webIP); ttl != "62" {
		t.Errorf("TTL across nodes is %s, want 62: two routers", ttl)
	}
	if ttl := pingTTL(t, nodeA.NS, webIP); ttl != "63" {
		t.Errorf("TTL from a node to a remote pod is %s, want 63", ttl)
	}
	in(t, client.NS, "ping", "-c", "1", "-W", "5", "-M", "do", "-s", "1422", webIP)
	if out, err := tool(t, "ip", "netns", "exec", client.NS, "ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1423", webIP); err == nil || !strings.Contains(out, "mtu=1450") {
		t.Errorf("a packet of 1451 bytes that must not be fragmented: %v\n%s", err, out)
	}

	cni0 := listing(t, nodeA.NS, "ip", "-j", "link", "show", "cni0")[0]["address"]
	neighbours := listing(t, client.NS, "ip", "-j", "neigh")
	if len(neighbours) != 1 || neighbours[0]["dst"] != nodeA.PodGateways[0].String() || neighbours[0]["lladdr"] != cni0 {
		t.Errorf("the pod's neighbours are %v, want only the gateway at %v", neighbours, cni0)
	}
	fdb := slices.DeleteFunc(listing(t, nodeA.NS, "bridge", "-j", "fdb", "show", "dev", "vxlan1"), func(e map[string]any) bool { return e["dst"] == nil })
	if len(fdb) != 1 || fdb[0]["mac"] != nodeB.VXLANMAC.String() || fdb[0]["dst"] != nodeB.Addrs()[0].String() {
		t.Errorf("the FDB is %v, want one entry for node-b", fdb)
	}
	vtep := listing(t, nodeA.NS, "ip", "-j", "neigh", "show", "dev", "vxlan1", "nud", "permanent")
	if len(vtep) != 1 || vtep[0]["lladdr"] != nodeB.VXLANMAC.String() {
		t.Errorf("the VXLAN neighbours are %v, want one for node-b", vtep)
	}
	if out := in(t, nodeA.NS, "ip", "-d", "link", "show", "vxlan1"); !strings.Contains(out, "vxlan id 1 local 172.30.0.2 dev eth0") || !strings.Contains(out, "dstport 8472 nolearning") || !strings.Contains(out, "mtu 1450") {
		t.Errorf("the VXLAN device is not as flannel makes it:\n%s", out)
	}
	if out := in(t, nodeA.NS, "ip", "route", "get", webIP); !strings.Contains(out, "via 10.244.2.0 dev vxlan1 src 10.244.1.0") {
		t.Errorf("the node's route to a remote pod is %s", out)
	}
	if out := in(t, nodeA.NS, "bridge", "-d", "link", "show", "dev", client.HostIface); !strings.Contains(out, "hairpin on") {
		t.Errorf("hairpin is off:\n%s", out)
	}
}

// serveOnce answers one HTTP request in a namespace with nc and returns when
// nc listens.
func serveOnce(t *testing.T, ns, port string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", ns, "nc", "-lvnN", "0.0.0.0", port)
	cmd.Stdin = strings.NewReader("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "istening") {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return
		}
	}
	t.Fatalf("nc in %s does not listen on %s", ns, port)
}

const serviceLab = `name: %s
nodes: [{name: node-a}, {name: node-b}]
pods:
  - {name: client, node: node-a}
  - {name: web, node: node-b, labels: {app: web}}
services:
  - {name: web, clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
  - {name: nobody, clusterIP: 10.96.0.81, ports: [{port: 80}]}
`

// TestPrivilegedService sends a request through a service with curl and looks
// at both tuples of its conntrack entry.
func TestPrivilegedService(t *testing.T) {
	requireRoot(t)
	file, lab := writeLab(t, fmt.Sprintf(serviceLab, fmt.Sprintf("t%d-service", os.Getpid())))
	bringUp(t, file, lab)
	client, web := lab.Pod("default", "client"), lab.Pod("default", "web")

	serveOnce(t, web.NS, "8080")
	if out := in(t, client.NS, "curl", "-sS", "http://web/"); out != "hello" {
		t.Errorf("curl http://web/ prints %q", out)
	}
	entries := in(t, lab.Node("node-a").NS, "conntrack", "-L", "-p", "tcp", "--orig-dst", "10.96.0.80")
	if !strings.Contains(entries, "src=10.244.1.2 dst=10.96.0.80") || !strings.Contains(entries, "src=10.244.2.2 dst=10.244.1.2 sport=8080") {
		t.Errorf("the conntrack entry is not a DNAT to the endpoint:\n%s", entries)
	}

	out, err := tool(t, "ip", "netns", "exec", client.NS, "curl", "-sS", "http://10.96.0.81/")
	if err == nil || !strings.Contains(out, "refused") && !strings.Contains(out, "Couldn't connect") && !strings.Contains(out, "Failed to connect") {
		t.Errorf("a service without endpoints: %v\n%s", err, out)
	}
	rules := in(t, lab.Node("node-a").NS, "iptables-save", "-t", "nat")
	for _, want := range []string{
		`-A KUBE-SERVICES -d 10.96.0.80/32 -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-`,
		`-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN`,
		`-j DNAT --to-destination 10.244.2.2:8080`,
	} {
		if !strings.Contains(rules, want) {
			t.Errorf("the node's nat table lacks %q:\n%s", want, rules)
		}
	}
}

// TestPrivilegedModes checks the number of routers on the way, which tells the
// modes apart.
func TestPrivilegedModes(t *testing.T) {
	requireRoot(t)
	for _, tt := range []struct{ mode, same, across string }{
		{"vxlan", "64", "62"}, {"flat", "64", "62"}, {"routed", "63", "62"},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			text := fmt.Sprintf("name: t%d-mode\nnetwork: {mode: %s}\nnodes: [{name: n1}, {name: n2}]\npods: [{name: a, node: n1}, {name: b, node: n1}, {name: c, node: n2}]\n", os.Getpid(), tt.mode)
			file, lab := writeLab(t, text)
			bringUp(t, file, lab)
			a := lab.Pod("default", "a").NS
			addr := func(pod string) string { return lab.Pod("default", pod).Addrs[0].Addr().String() }
			if ttl := pingTTL(t, a, addr("b")); ttl != tt.same {
				t.Errorf("TTL on one node is %s, want %s", ttl, tt.same)
			}
			if ttl := pingTTL(t, a, addr("c")); ttl != tt.across {
				t.Errorf("TTL across nodes is %s, want %s", ttl, tt.across)
			}
			if tt.mode == "routed" {
				for _, n := range listing(t, a, "ip", "-j", "neigh", "show", "dev", "eth0") {
					if n["dst"] == "169.254.1.1" && n["lladdr"] != "ee:ee:ee:ee:ee:ee" {
						t.Errorf("169.254.1.1 is at %v", n["lladdr"])
					}
				}
				return
			}
			in(t, a, "ping", "-c", "1", "-W", "5", "-M", "do", "-s", map[string]string{"vxlan": "1422", "flat": "1472"}[tt.mode], addr("c"))
		})
	}
}
