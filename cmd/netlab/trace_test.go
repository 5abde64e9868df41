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
	"strings"
	"testing"

	"netlab/labs"
)

// Addresses in this lab: node-a and node-b are 172.30.0.2 and .3; client is
// 10.244.1.2 and near 10.244.1.3 on node-a, web is 10.244.2.2 on node-b.
const traceLab = `name: t%d-trace-%s
network: {mode: %s}
nodes: [{name: node-a}, {name: node-b}, {name: laptop, cluster: false}]
pods:
  - {name: client, node: node-a}
  - {name: near, node: node-a, labels: {app: near}}
  - {name: web, node: node-b, labels: {app: web}}
services:
  - {name: web, type: NodePort, clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
  - {name: near, clusterIP: 10.96.0.81, selector: {app: near}, ports: [{port: 80, targetPort: 8080}]}
  - {name: nobody, clusterIP: 10.96.0.82, ports: [{port: 80}]}
`

func upTraceLab(t *testing.T, name string, mode labs.Mode) (file string, lab *labs.Lab) {
	t.Helper()
	requireRoot(t)
	file, lab = writeLab(t, fmt.Sprintf(traceLab, os.Getpid(), name, mode))
	bringUp(t, file, lab)
	return file, lab
}

// traced is what these tests read of a trace in JSON.
type traced struct {
	Verdict, LastLine string
	There             struct {
		Hops []tracedHop
		End  struct{ Kind, Netns string }
	}
	Back *struct{ Hops []tracedHop }
}

type tracedHop struct {
	Name, Direction, Interface string
	Packet                     tracedPacket
	Facts                      []struct {
		Kind, Text string
		Data       map[string]any
	}
}

type tracedPacket struct {
	Src, Dst         string
	SrcPort, DstPort uint16
	ID               uint16
	TTL              uint8
	Inner            *tracedPacket
}

func traceJSON(t *testing.T, want int, args ...string) traced {
	t.Helper()
	var r traced
	out := must(t, want, append([]string{"trace", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return r
}

// hop returns the hop at an interface.
func (r traced) hop(t *testing.T, name, dir, iface string) tracedHop {
	t.Helper()
	for _, h := range r.There.Hops {
		if h.Name == name && h.Direction == dir && h.Interface == iface {
			return h
		}
	}
	t.Fatalf("no hop %s %s of %s in %+v", dir, iface, name, r.There.Hops)
	return tracedHop{}
}

// fact returns the data of the first fact of a kind.
func (h tracedHop) fact(t *testing.T, kind string) map[string]any {
	t.Helper()
	for _, f := range h.Facts {
		if f.Kind == kind {
			return f.Data
		}
	}
	t.Fatalf("hop %s %s of %s has no fact of kind %s", h.Direction, h.Interface, h.Name, kind)
	return nil
}

// background runs a program until the test ends and returns what it prints
// from when it says ready.
func background(t *testing.T, ready string, argv ...string) (stop func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hung)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var printed strings.Builder
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = &printed
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	lines := bufio.NewScanner(stderr)
	for ready != "" && lines.Scan() && !strings.Contains(lines.Text(), ready) {
	}
	return func() string {
		_, _ = io.Copy(io.Discard, stderr)
		_ = cmd.Wait()
		return printed.String()
	}
}

// TestPrivilegedTraceAgainstTools looks at one request with tcpdump, conntrack
// and ip route get, and wants trace to say the same.
func TestPrivilegedTraceAgainstTools(t *testing.T) {
	_, lab := upTraceLab(t, "tools", labs.ModeVXLAN)
	nodeA, client := lab.Node("node-a").NS, lab.Pod("default", "client").NS

	dump := background(t, "listening on", "ip", "netns", "exec", nodeA, "tcpdump", "-lnv", "-c", "1", "-i", "eth0", "udp port 8472 and udp[50:4] != 0")
	r := traceJSON(t, exitOK, lab.Name, "client", "svc/web:80", "--listen")
	seen := dump()

	outer := r.hop(t, "node-a", "out", "eth0").Packet
	inner := outer.Inner
	if inner == nil {
		t.Fatalf("no tunnel packet left node-a: %+v", outer)
	}
	for _, want := range []string{
		fmt.Sprintf("%s.%d > %s.8472", outer.Src, outer.SrcPort, outer.Dst),
		fmt.Sprintf("%s.%d > 10.244.2.2.8080", inner.Src, inner.SrcPort),
		fmt.Sprintf("ttl %d, id %d", inner.TTL, inner.ID),
	} {
		if !strings.Contains(seen, want) {
			t.Errorf("tcpdump does not show %q:\n%s", want, seen)
		}
	}

	entry := r.hop(t, "node-a", "in", "veth-client").fact(t, "conntrack")
	original, reply := entry["original"].(map[string]any), entry["reply"].(map[string]any)
	table := in(t, nodeA, "conntrack", "-L", "-p", "tcp", "--orig-dst", "10.96.0.80")
	for _, end := range []any{original["src"], original["dst"], reply["src"], reply["dst"]} {
		addr, port, _ := strings.Cut(end.(string), ":")
		if !strings.Contains(table, "="+addr+" ") || !strings.Contains(table, "port="+port+" ") {
			t.Errorf("conntrack -L lacks %s:\n%s", end, table)
		}
	}

	for _, way := range []struct {
		ns, name, dir, iface, dst string
	}{{client, "client", "made", "", "10.96.0.80"}, {nodeA, "node-a", "in", "cni0", "10.244.2.2"}} {
		route := r.hop(t, way.name, way.dir, way.iface).fact(t, "route")
		want := in(t, way.ns, "ip", "route", "get", way.dst)
		if got := fmt.Sprintf("%s via %s dev %s", way.dst, route["via"], route["dev"]); !strings.HasPrefix(want, got) {
			t.Errorf("%s: trace says %q, ip route get %q", way.name, got, want)
		}
	}

	rules := r.hop(t, "node-a", "in", "veth-client").fact(t, "netfilter")["rules"].([]any)
	var chains []string
	for _, rule := range rules {
		chains = append(chains, rule.(map[string]any)["chain"].(string))
	}
	way := strings.Join(chains, " ")
	if !strings.Contains(way, "PREROUTING KUBE-SERVICES KUBE-SVC-") || !strings.Contains(way, "KUBE-SEP-") {
		t.Errorf("the request met the chains %s", way)
	}
	text := rules[len(rules)-1].(map[string]any)["text"]
	if save := in(t, nodeA, "iptables-save", "-t", "nat"); text == nil || !strings.Contains(save, text.(string)) {
		t.Errorf("iptables-save lacks the rule %v", text)
	}
}

// TestPrivilegedTraceEverybody traces between ends of all kinds in all modes:
// what is seen must be what is expected.
func TestPrivilegedTraceEverybody(t *testing.T) {
	t.Parallel()
	for _, mode := range []labs.Mode{labs.ModeVXLAN, labs.ModeFlat, labs.ModeRouted, labs.ModeNone} {
		t.Run(string(mode), func(t *testing.T) {
			_, lab := upTraceLab(t, string(mode), mode)
			for _, ends := range [][2]string{
				{"client", "pod/web"}, {"client", "pod/near"}, {"client", "pod/client"}, {"client", "127.0.0.1"}, {"client", "node-b"},
				{"client", "svc/web:80"}, {"client", "svc/near:80"}, {"near", "svc/near:80"}, {"node-a", "svc/near:80"}, {"node-a", "svc/web:80"},
				{"laptop", "node-a:30080"}, {"client", "node-b:30080"}, {"client", "pod/web:99/udp"}, {"client", "svc/nobody:80"},
				{"fabric", "node-a"}, {"client", "bridge/fabric"}, {"client", "10.96.0.99"},
			} {
				code, stdout, stderr := netlab(t, "trace", lab.Name, ends[0], ends[1], "--listen", "--wait", "300ms")
				if code != exitOK {
					t.Errorf("%s → %s: exit code %d\n%s%s", ends[0], ends[1], code, stdout, stderr)
				}
			}
		})
	}
}

// TestPrivilegedTraceIPv6 traces in a lab of both families, whose tunnel is of
// one only.
func TestPrivilegedTraceIPv6(t *testing.T) {
	requireRoot(t)
	file, lab := writeLab(t, fmt.Sprintf(`name: t%d-trace-six
subnets:
  - {name: underlay, cidr: [172.30.0.0/24, "fd00:30::/64"]}
  - {name: pods, cidr: [10.244.0.0/16, "fd00:244::/48"]}
  - {name: services, cidr: [10.96.0.0/16, "fd00:96::/112"]}
nodes: [{name: node-a}, {name: node-b}]
pods: [{name: client, node: node-a}, {name: web, node: node-b, labels: {app: web}}]
services: [{name: web, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}]
`, os.Getpid()))
	bringUp(t, file, lab)
	for _, to := range []string{"pod/web", "svc/web:80", "pod/web:99/udp"} {
		r := traceJSON(t, exitOK, lab.Name, "client", to, "--listen", "--ipv6")
		if outer := r.hop(t, "node-a", "out", "eth0").Packet; outer.Inner == nil || !strings.HasPrefix(outer.Inner.Src, "fd00:") || outer.Src != "172.30.0.2" {
			t.Errorf("%s: what leaves node-a is %+v", to, outer)
		}
	}
}

// TestPrivilegedTraceUnderTraffic wants the way to be told apart from other traffic.
func TestPrivilegedTraceUnderTraffic(t *testing.T) {
	_, lab := upTraceLab(t, "busy", labs.ModeVXLAN)
	background(t, "", "ip", "netns", "exec", lab.Pod("default", "client").NS, "ping", "-f", "-q", "10.244.2.2")
	background(t, "", "ip", "netns", "exec", lab.Pod("default", "web").NS, "ping", "-f", "-q", "10.244.1.2")
	for range 5 {
		for _, to := range []string{"pod/web", "svc/web:80"} {
			r := traceJSON(t, exitOK, lab.Name, "client", to, "--listen")
			if n := len(r.There.Hops); n != 13 || len(r.Back.Hops) != 13 {
				t.Errorf("%s: %d hops there, want 13 each way: %s", to, n, r.Verdict)
			}
		}
	}
}

// TestPrivilegedTraceWrites opens what trace writes with other programs.
func TestPrivilegedTraceWrites(t *testing.T) {
	_, lab := upTraceLab(t, "files", labs.ModeVXLAN)
	file := filepath.Join(t.TempDir(), "way.pcapng")
	must(t, exitOK, "trace", lab.Name, "client", "svc/web:80", "--listen", "-w", file)
	out, err := tool(t, "tcpdump", "-nr", file, "tcp[tcpflags] & tcp-syn != 0")
	if err != nil || !strings.Contains(out, "10.244.1.2") || !strings.Contains(out, "10.96.0.80.80") || !strings.Contains(out, "10.244.2.2.8080") {
		t.Errorf("tcpdump reads %s: %v\n%s", file, err, out)
	}
	page := must(t, exitOK, "trace", lab.Name, "client", "svc/web:80", "--listen", "-o", "html")
	if !strings.Contains(page, "</html>") || strings.Contains(page, "http://") || strings.Contains(page, "https://") {
		t.Error("the page is not whole, or needs something else")
	}
	out = must(t, exitOK, "trace", lab.Name, "client", "svc/web:80", "--listen", "--count", "3")
	if n := strings.Count(out, "is answered by web (10.244.2.2:8080) on node-b"); n != 3 {
		t.Errorf("three packets have %d verdicts:\n%s", n, out)
	}
	if r := traceJSON(t, exitOK, lab.Name, "client", "svc/web:80", "--reply=false", "--listen"); r.There.End.Kind != "delivered" {
		t.Errorf("one way: %s", r.Verdict)
	}
}

// TestPrivilegedTraceBesideAnother has one process trace while it traces.
func TestPrivilegedTraceBesideAnother(t *testing.T) {
	_, lab := upTraceLab(t, "beside", labs.ModeVXLAN)
	ctx, cancel := context.WithTimeout(t.Context(), hung)
	defer cancel()
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"netlab", "trace", lab.Name, "client", "10.96.0.99:80", "--wait", "100s"}, system{
			stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, getenv: utf8Env, open: openMachine,
		})
	}()
	for !strings.Contains(in(t, lab.Node("node-a").NS, "nft", "list", "tables"), "netlab-trace") {
		if ctx.Err() != nil {
			t.Fatal("the trace never asked for netfilter events")
		}
	}
	must(t, exitOK, "trace", lab.Name, "client", "svc/web:80", "--listen")
	cancel()
	<-ended
}

// TestPrivilegedTraceLeavesNothing kills a trace that waits.
func TestPrivilegedTraceLeavesNothing(t *testing.T) {
	_, lab := upTraceLab(t, "killed", labs.ModeVXLAN)
	nodeA := lab.Node("node-a").NS
	ctx, cancel := context.WithTimeout(t.Context(), hung)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{"netlab", "trace", lab.Name, "client", "10.96.0.99:80", "--wait", "100s"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	table := func() bool { return strings.Contains(in(t, nodeA, "nft", "list", "tables"), "netlab-trace") }
	for !table() {
		if ctx.Err() != nil {
			t.Fatal("the trace never asked for netfilter events")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for table() {
		if ctx.Err() != nil {
			t.Fatal("the table outlives its owner")
		}
	}
	if sockets := in(t, nodeA, "cat", "/proc/net/packet"); strings.Count(sockets, "\n") != 1 {
		t.Errorf("packet sockets are left:\n%s", sockets)
	}
}
