package probe_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"netlab/labs"
	"netlab/provision/netns"
	"netlab/verify"
	"netlab/verify/probe"
)

// builtIn starts what answers as a built-in server of a pod in n.b does.
func (n *tiny) builtIn(program verify.Program, port int, pod string) {
	n.t.Helper()
	name, namespace := pod, "default"
	listen := func(fn func() error) {
		if err := netns.Do(n.b.NS, fn); err != nil {
			n.t.Fatal(err)
		}
	}
	line := func(local, remote net.Addr) string {
		return fmt.Sprintf("pod=%s namespace=%s node=node-a local=%s remote=%s\n", name, namespace, local, remote)
	}
	address := fmt.Sprintf("0.0.0.0:%d", port)
	if program == verify.UDPServer {
		var c net.PacketConn
		listen(func() (err error) { c, err = net.ListenPacket("udp", address); return err })
		n.t.Cleanup(func() { c.Close() })
		go func() {
			buf := make([]byte, 512)
			for {
				k, from, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				to := &net.UDPAddr{IP: n.b.Addrs[0].AsSlice(), Port: port}
				c.WriteTo(append([]byte(line(to, from)), buf[:k]...), from)
			}
		}()
		return
	}
	var l net.Listener
	listen(func() (err error) { l, err = net.Listen("tcp", address); return err })
	n.t.Cleanup(func() { l.Close() })
	if program == verify.HTTPServer {
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") != "application/json" {
				http.Error(w, "not asked for JSON", http.StatusTeapot)
				return
			}
			fmt.Fprintf(w, `{"pod":%q,"namespace":%q,"local":%q,"remote":%q}`+"\n", name, namespace, r.Context().Value(http.LocalAddrContextKey), r.RemoteAddr)
		}))
		return
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, line(c.LocalAddr(), c.RemoteAddr()))
				io.Copy(c, c)
			}()
		}
	}()
}

// asked is a check of a server that runs in n.b.
func (n *tiny) asked(program verify.Program, port uint16) verify.Check {
	kind := verify.TCP
	if program == verify.UDPServer {
		kind = verify.UDP
	}
	c := connect(kind, n.a, n.b, port)
	c.More.Listen[0].Program = program
	c.More.Listen[0].Container = "web"
	return c
}

// TestPrivilegedBuiltIn: built-in servers say who they are; nothing of the
// conversation remains.
func TestPrivilegedBuiltIn(t *testing.T) {
	n := newTiny(t)
	programs := []verify.Program{verify.HTTPServer, verify.TCPServer, verify.UDPServer}
	var checks []verify.Check
	for i, p := range programs {
		n.builtIn(p, 8000+i, "web")
		checks = append(checks, n.asked(p, uint16(8000+i)))
	}
	for i, o := range n.probe(checks...) {
		want := verify.Answer{Pod: "default/web", Server: netip.AddrPortFrom(n.b.Addrs[0], uint16(8000+i)), Client: n.a.Addrs[0]}
		if o.Outcome != labs.Reachable || !slices.Equal(o.Answers, []verify.Answer{want}) {
			t.Errorf("%s: %+v, want %+v", programs[i], o, want)
		}
	}
	for _, e := range []*verify.End{n.a, n.b} {
		for line := range strings.Lines(n.in(e, "cat /proc/net/tcp")) {
			if f := strings.Fields(line); len(f) > 3 && f[3] == "06" {
				t.Errorf("%s has a connection in TIME_WAIT: %s", e.Name, line)
			}
		}
	}
}

// TestPrivilegedCrashed: a built-in server that is not there is not replaced,
// and one that says nothing is no answer.
func TestPrivilegedCrashed(t *testing.T) {
	n := newTiny(t)
	mute, hold := net.Listener(nil), []net.Conn(nil)
	if err := netns.Do(n.b.NS, func() (err error) { mute, err = net.Listen("tcp", ":8100"); return err }); err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	go func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				return
			}
			hold = append(hold, c)
		}
	}()
	start := time.Now()
	o := n.probe(n.asked(verify.HTTPServer, 8000), n.asked(verify.TCPServer, 8001), n.asked(verify.UDPServer, 8002), n.asked(verify.Absent, 8003),
		n.asked(verify.Unknown, 8004), n.asked(verify.Unknown, 8100), n.asked(verify.HTTPServer, 8100))
	for i, want := range []labs.Outcome{labs.Refused, labs.Refused, labs.Refused, labs.Refused, labs.Refused, labs.Reachable, labs.Timeout} {
		if o[i].Outcome != want {
			t.Errorf("check %d: %+v, want %s", i, o[i], want)
		}
	}
	if took := time.Since(start); took > 5*answerWait {
		t.Errorf("it took %v", took)
	}
}

// TestPrivilegedOutsideProcess: a process that is not in its pod is found.
func TestPrivilegedInside(t *testing.T) {
	n := newTiny(t)
	inside := n.run("sh", "-c", "ip netns exec "+n.b.NS+" sleep 60 >/dev/null 2>&1 & echo $!")
	var pid int
	if _, err := fmt.Sscan(inside, &pid); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill()
		}
	}()
	await(t, func() bool {
		a, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		b, _ := os.Readlink("/proc/self/ns/net")
		return a != "" && a != b
	})
	n.run("mkdir", "-p", "/run/netns")
	twin := *n.b
	twin.Name, twin.NS = "twin", n.b.NS+"-twin"
	n.run("touch", "/run/netns/"+twin.NS)
	n.run("mount", "--bind", "/run/netns/"+n.b.NS, "/run/netns/"+twin.NS)
	t.Cleanup(func() {
		n.run("umount", "/run/netns/"+twin.NS)
		n.run("rm", "/run/netns/"+twin.NS)
	})
	pod := *n.b
	pod.Name = "default/web"
	watch := &verify.More{Watch: []string{n.a.NS, n.b.NS, n.node.NS, twin.NS}}
	process := func(name string) verify.Check {
		return verify.Check{Kind: verify.Process, From: &pod, Want: labs.Reachable, More: &verify.More{Name: name}}
	}
	checks := []verify.Check{
		{Kind: verify.Space, From: n.a, More: watch}, {Kind: verify.Space, From: n.b, More: watch}, {Kind: verify.Space, From: &twin, More: watch},
		process("in"), process("out"), process("gone"),
	}
	seen := make([]verify.Observation, len(checks))
	prober := probe.Prober{Processes: func() ([]probe.Process, error) {
		return []probe.Process{
			{Pod: "default/web", Container: "in", PID: pid, Ready: true, State: "Running"},
			{Pod: "default/web", Container: "out", PID: os.Getpid(), Ready: true, State: "Running"},
		}, nil
	}}
	if err := prober.Probe(t.Context(), checks, func(i int, o verify.Observation, err error) {
		seen[i] = o
		if err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(seen[0].Same) != 0 || !slices.Equal(seen[1].Same, []string{twin.NS}) || !slices.Equal(seen[2].Same, []string{n.b.NS}) {
		t.Errorf("namespaces of several names: %v %v %v", seen[0].Same, seen[1].Same, seen[2].Same)
	}
	if !seen[3].Present || !seen[3].Process.Ready || seen[3].Process.Outside != "" {
		t.Errorf("a process in its pod: %+v", seen[3])
	}
	if !seen[4].Present || !strings.Contains(seen[4].Process.Outside, "container out") {
		t.Errorf("a process outside its pod: %+v", seen[4])
	}
	if seen[5].Present {
		t.Errorf("a container that nobody runs: %+v", seen[5])
	}
}

// await waits for a condition.
func await(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatal("it does not come about")
		case <-tick.C:
		}
	}
}

// TestPrivilegedSamples: who answers how often is counted for each aim.
func TestPrivilegedSamples(t *testing.T) {
	n := newTiny(t)
	vip := "iptables -t nat -A PREROUTING -d 10.96.0.1 -p tcp --dport 80 "
	recent := func(name string) string { return "-m recent --name " + name }
	n.in(n.node, vip+"-m statistic --mode random --probability 0.5 -j DNAT --to 10.9.9.2:8080")
	n.in(n.node, vip+"-j DNAT --to 10.9.9.1:8081")
	sticky := "iptables -t nat -A PREROUTING -d 10.96.0.2 -p udp --dport 80 "
	n.in(n.node, sticky+recent("P1")+" --rcheck --seconds 100 -j DNAT --to 10.9.9.2:8080")
	n.in(n.node, sticky+recent("P2")+" --rcheck --seconds 100 -j DNAT --to 10.9.9.1:8081")
	n.in(n.node, sticky+"-m statistic --mode random --probability 0.5 "+recent("P1")+" --set -j DNAT --to 10.9.9.2:8080")
	n.in(n.node, sticky+recent("P2")+" --set -j DNAT --to 10.9.9.1:8081")
	check := func(aim verify.Aim, kind verify.Kind, vip string, tries int) verify.Check {
		behind := []verify.Server{
			{At: netip.MustParseAddrPort("10.9.9.2:8080"), On: n.out, Kind: kind},
			{At: netip.MustParseAddrPort("10.9.9.1:8081"), On: n.node, Kind: kind},
		}
		return verify.Check{Kind: kind, From: n.a, To: &verify.End{Name: "svc"}, Addr: netip.MustParseAddr(vip), Port: 80, Want: labs.Reachable, Wait: answerWait,
			More: &verify.More{Behind: behind, Listen: behind, Sample: &verify.Sample{
				Aim: aim, Tries: tries, Alarm: 1e-7, Within: 100 * time.Second, Clients: []verify.Client{{From: n.a, Behind: behind}, {From: n.b, Behind: behind}},
			}}}
	}
	checks := []verify.Check{
		check(verify.Balance, verify.TCP, "10.96.0.1", 200), check(verify.Affinity, verify.UDP, "10.96.0.2", 10),
		check(verify.Affinity, verify.TCP, "10.96.0.1", 60), check(verify.Balance, verify.UDP, "10.96.0.2", 100),
	}
	for i, o := range n.probe(checks...) {
		r := verify.Judge(&checks[i], o, nil)
		want := []verify.Verdict{verify.Pass, verify.Pass, verify.Fail, ""}[i]
		if want != "" && r.Verdict != want {
			t.Errorf("sample %d: %s %q: %+v", i, r.Verdict, r.Reason, o.Hits)
		}
		total := 0
		for _, h := range o.Hits {
			total += h.Times
		}
		if total != checks[i].More.Sample.Tries {
			t.Errorf("sample %d counts %d answers, want %d", i, total, checks[i].More.Sample.Tries)
		}
	}
	// One endpoint gets everything.
	n.in(n.node, "iptables -t nat -I PREROUTING -d 10.96.0.1 -p tcp --dport 80 -j DNAT --to 10.9.9.2:8080")
	o := n.probe(checks[0])[0]
	if r := verify.Judge(&checks[0], o, nil); r.Verdict != verify.Fail || !strings.Contains(r.Reason, "never answered in 200 requests") {
		t.Errorf("a missing endpoint: %s %q", r.Verdict, r.Reason)
	}
}

// TestPrivilegedForgetsFlows: what a machine remembers of a UDP question to a
// service is deleted, also where it was translated twice.
func TestPrivilegedForgetsFlows(t *testing.T) {
	n := newTiny(t)
	n.in(n.node, "iptables -t nat -A PREROUTING -d 10.96.0.1 -p udp --dport 53 -j DNAT --to 10.9.9.2:5353")
	n.in(n.node, "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE")
	n.in(n.out, "iptables -t nat -A PREROUTING -p udp --dport 5353 -j REDIRECT --to-ports 5454")
	behind := []verify.Server{{At: netip.MustParseAddrPort("10.9.9.2:5454"), On: n.out, Kind: verify.UDP}}
	o := n.probe(verify.Check{
		Kind: verify.UDP, From: n.a, To: &verify.End{Name: "svc"}, Addr: netip.MustParseAddr("10.96.0.1"), Port: 53,
		Want: labs.Reachable, Wait: answerWait, More: &verify.More{Behind: behind, Listen: behind},
	})[0]
	if o.Outcome != labs.Reachable || len(o.Answers) != 1 || o.Answers[0].Client != netip.MustParseAddr("10.9.9.1") {
		t.Fatalf("saw %+v", o)
	}
	for _, e := range []*verify.End{n.node, n.out} {
		if left := n.in(e, "conntrack -L -p udp"); strings.Contains(left, "dport=") {
			t.Errorf("%s still remembers\n%s", e.Name, left)
		}
	}
}

// TestPrivilegedOneDeadPod: what does not answer is waited for once, whatever
// is asked of it.
func TestPrivilegedOneDeadPod(t *testing.T) {
	n := newTiny(t)
	n.in(n.b, "ip link set eth0 down")
	var checks []verify.Check
	for range 3 {
		for _, e := range []*verify.End{n.a, n.node, n.out} {
			slow := connect(verify.TCP, e, n.b, 0)
			slow.Wait = 2 * answerWait
			checks = append(checks, slow, ping(e, n.b), connect(verify.UDP, e, n.b, 53))
		}
		checks = append(checks, ping(n.a, n.out), connect(verify.TCP, n.a, n.out, 0))
	}
	start := time.Now()
	for i, o := range n.probe(checks...) {
		if good := checks[i].To == n.out; good != (o.Outcome == labs.Reachable) {
			t.Errorf("%s %s -> %s: %+v", checks[i].Kind, checks[i].From.Name, checks[i].To.Name, o)
		}
	}
	if took := time.Since(start); took > 9*answerWait/2 {
		t.Errorf("it took %v", took)
	}
}
