package probe_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"netlab/labs"
	"netlab/provision/netns"
	"netlab/verify"
	"netlab/verify/probe"
)

// tiny is a network made by hand: a node with a bridge, two pods on it, and a
// machine behind the node.
//
//	a 10.9.1.2 ─┐
//	            cni0 10.9.1.1  node  10.9.9.1 ── 10.9.9.2 out
//	b 10.9.1.3 ─┘
type tiny struct {
	t               *testing.T
	node, a, b, out *verify.End
}

func newTiny(t *testing.T) *tiny {
	if os.Geteuid() != 0 {
		t.Skip("needs root in a network namespace: run make test, or sudo go test ./verify/probe")
	}
	end := func(name, addr string) *verify.End {
		return &verify.End{Name: name, NS: fmt.Sprintf("probe%d.%s", os.Getpid(), name), Addrs: []netip.Addr{netip.MustParseAddr(addr)}}
	}
	n := &tiny{t: t, node: end("node", "10.9.1.1"), a: end("a", "10.9.1.2"), b: end("b", "10.9.1.3"), out: end("out", "10.9.9.2")}
	for _, e := range []*verify.End{n.node, n.a, n.b, n.out} {
		n.space(e)
	}
	for _, pod := range []*verify.End{n.a, n.b} {
		pod.Host, pod.Bridged, pod.Gateways = n.node, true, n.node.Addrs
	}
	n.in(n.node, "ip link add cni0 address 02:00:00:00:01:01 type bridge")
	n.in(n.node, "ip link set cni0 up")
	n.in(n.node, "ip addr add 10.9.1.1/24 dev cni0")
	n.in(n.node, "sysctl -qw net.ipv4.ip_forward=1")
	n.plug(n.a, "02:00:00:00:01:02")
	n.plug(n.b, "02:00:00:00:01:03")
	n.in(n.node, "ip link add eth0 type veth peer name eth0 netns "+n.out.NS)
	n.in(n.node, "ip link set eth0 up")
	n.in(n.node, "ip addr add 10.9.9.1/30 dev eth0")
	n.in(n.out, "ip link set eth0 up")
	n.in(n.out, "ip addr add 10.9.9.2/30 dev eth0")
	n.in(n.out, "ip route add default via 10.9.9.1")
	return n
}

// space makes a namespace that goes with the test.
func (n *tiny) space(e *verify.End) {
	n.t.Helper()
	n.run("ip", "netns", "add", e.NS)
	n.t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", e.NS).CombinedOutput(); err != nil {
			n.t.Errorf("delete namespace %s: %v: %s", e.NS, err, out)
		}
	})
	n.in(e, "ip link set lo up")
}

// plug connects a pod to the bridge.
func (n *tiny) plug(e *verify.End, mac string) {
	n.t.Helper()
	n.in(n.node, "ip link add veth-"+e.Name+" type veth peer name eth0 address "+mac+" netns "+e.NS)
	n.in(n.node, "ip link set veth-"+e.Name+" master cni0 up")
	n.in(e, "ip link set eth0 up")
	n.in(e, "ip addr add "+e.Addrs[0].String()+"/24 dev eth0")
	n.in(e, "ip route add default via 10.9.1.1")
}

func (n *tiny) run(argv ...string) string {
	n.t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// in runs a command in a namespace.
func (n *tiny) in(e *verify.End, command string) string {
	n.t.Helper()
	return n.run(append([]string{"ip", "netns", "exec", e.NS}, strings.Fields(command)...)...)
}

// probe makes checks and returns what was seen.
func (n *tiny) probe(checks ...verify.Check) []verify.Observation {
	n.t.Helper()
	seen := make([]verify.Observation, len(checks))
	times := make([]int, len(checks))
	err := probe.New().Probe(context.WithoutCancel(n.t.Context()), checks, func(i int, o verify.Observation, err error) {
		seen[i] = o
		times[i]++
		if err != nil {
			n.t.Errorf("check %d (%s from %s to %s): %v", i, checks[i].Kind, checks[i].From.Name, checks[i].Addr, err)
		}
	})
	if err != nil {
		n.t.Fatal(err)
	}
	for i, k := range times {
		if k != 1 {
			n.t.Errorf("check %d was reported %d times", i, k)
		}
	}
	return seen
}

// answerWait is how long an answer may take: a second, but on a machine that is
// emulated. That stands still for longer when its host has something else to do.
var answerWait = func() time.Duration {
	if os.Getenv("NETLAB_TEST_WAIT") != "" {
		return 10 * time.Second
	}
	return time.Second
}()

func ping(from, to *verify.End) verify.Check {
	return verify.Check{Kind: verify.ICMP, From: from, To: to, Addr: to.Addrs[0], Want: labs.Reachable, Wait: answerWait}
}

func connect(kind verify.Kind, from, to *verify.End, port uint16) verify.Check {
	c := verify.Check{Kind: kind, From: from, To: to, Addr: to.Addrs[0], Port: port, Want: labs.Reachable, Wait: answerWait}
	if port != 0 {
		c.More = &verify.More{Listen: []verify.Server{{At: netip.AddrPortFrom(c.Addr, port), On: to, Kind: kind}}}
	}
	return c
}

func TestPrivilegedReachable(t *testing.T) {
	n := newTiny(t)
	o := n.probe(
		ping(n.a, n.b), ping(n.a, n.out), ping(n.a, n.node),
		connect(verify.TCP, n.a, n.b, 0), connect(verify.TCP, n.b, n.out, 8080), connect(verify.UDP, n.out, n.a, 53),
	)
	for i, ttl := range []uint8{64, 63, 64} {
		if o[i].Outcome != labs.Reachable || o[i].TTL != ttl || o[i].Twice != 0 {
			t.Errorf("ping %d: %+v, want an answer with TTL %d", i, o[i], ttl)
		}
	}
	for i, want := range []verify.Answer{
		{NS: n.b.NS, Client: n.a.Addrs[0]},
		{NS: n.out.NS, Server: netip.MustParseAddrPort("10.9.9.2:8080"), Client: n.b.Addrs[0]},
		{NS: n.a.NS, Server: netip.MustParseAddrPort("10.9.1.2:53"), Client: n.out.Addrs[0]},
	} {
		got := o[3+i]
		if want.Server == (netip.AddrPort{}) && len(got.Answers) == 1 {
			want.Server = netip.AddrPortFrom(n.b.Addrs[0], got.Answers[0].Server.Port())
		}
		if got.Outcome != labs.Reachable || !slices.Equal(got.Answers, []verify.Answer{want}) {
			t.Errorf("connection %d: %+v, want %+v", i, got, want)
		}
	}

	// Nothing remains: no learned neighbour, no socket.
	for _, e := range []*verify.End{n.a, n.b, n.node, n.out} {
		if left := n.in(e, "ip neigh"); left != "" {
			t.Errorf("%s still knows\n%s", e.Name, left)
		}
		for _, table := range []string{"tcp", "udp", "icmp", "raw"} {
			if left := strings.Split(strings.TrimSpace(n.in(e, "cat /proc/net/"+table)), "\n")[1:]; len(left) > 0 {
				t.Errorf("%s still has %s sockets\n%s", e.Name, table, strings.Join(left, "\n"))
			}
		}
	}
}

// TestPrivilegedFaults breaks the network in one way at a time.
func TestPrivilegedFaults(t *testing.T) {
	silence := func(c verify.Check) verify.Check {
		c.Want = labs.Timeout
		return c
	}
	patient := func(c verify.Check) verify.Check {
		c.Want, c.Wait = labs.Unreachable, 4500*time.Millisecond
		return c
	}
	for _, tt := range []struct {
		name    string
		fault   func(n *tiny)
		check   func(n *tiny) verify.Check
		outcome labs.Outcome
		detail  string
	}{
		{"no route", func(n *tiny) { n.in(n.a, "ip route del default") },
			func(n *tiny) verify.Check { return ping(n.a, n.out) }, labs.Unreachable, "network is unreachable"},
		{"no route for TCP", func(n *tiny) { n.in(n.a, "ip route del default") },
			func(n *tiny) verify.Check { return connect(verify.TCP, n.a, n.out, 80) }, labs.Unreachable, "network is unreachable"},
		{"blackhole", func(n *tiny) { n.in(n.a, "ip route add blackhole 10.9.9.2") },
			func(n *tiny) verify.Check { return ping(n.a, n.out) }, labs.Unreachable, "invalid argument"},
		{"a router has no route", func(n *tiny) { n.in(n.node, "ip route add unreachable 10.9.9.2") },
			func(n *tiny) verify.Check { return ping(n.a, n.out) }, labs.Unreachable, "icmp: host unreachable from 10.9.1.1"},
		{"a wrong gateway", func(n *tiny) { n.in(n.a, "ip route replace default via 10.9.1.77") },
			func(n *tiny) verify.Check { return patient(ping(n.a, n.out)) }, labs.Unreachable, "icmp: host unreachable from 10.9.1.2"},
		{"a wrong gateway is not silence", func(n *tiny) { n.in(n.a, "ip route replace default via 10.9.1.77") },
			func(n *tiny) verify.Check {
				c := silence(connect(verify.TCP, n.a, n.out, 80))
				c.More.Watch = []string{n.node.NS}
				return c
			}, labs.Unreachable, "icmp: host unreachable from 10.9.1.2"},
		{"REJECT", func(n *tiny) { n.in(n.node, "iptables -A FORWARD -p tcp -j REJECT") },
			func(n *tiny) verify.Check { return connect(verify.TCP, n.a, n.out, 80) }, labs.Refused, "icmp: port unreachable from 10.9.1.1"},
		{"REJECT of UDP", func(n *tiny) {
			n.in(n.node, "iptables -A FORWARD -p udp -j REJECT --reject-with icmp-admin-prohibited")
		}, func(n *tiny) verify.Check { return connect(verify.UDP, n.a, n.out, 53) }, labs.Unreachable, "icmp: prohibited by a filter from 10.9.1.1"},
		{"DROP", func(n *tiny) { n.in(n.node, "iptables -A FORWARD -j DROP") },
			func(n *tiny) verify.Check { return connect(verify.TCP, n.a, n.out, 80) }, labs.Timeout, ""},
		{"DROP of UDP", func(n *tiny) { n.in(n.node, "iptables -A FORWARD -j DROP") },
			func(n *tiny) verify.Check { return connect(verify.UDP, n.a, n.out, 53) }, labs.Timeout, ""},
		{"DROP of a ping", func(n *tiny) { n.in(n.node, "iptables -A FORWARD -j DROP") },
			func(n *tiny) verify.Check { return silence(ping(n.a, n.out)) }, labs.Timeout, ""},
		{"DROP where it is sent", func(n *tiny) { n.in(n.a, "iptables -A OUTPUT -p icmp -j DROP") },
			func(n *tiny) verify.Check { return ping(n.a, n.out) }, labs.Timeout, "dropped by a filter where it was sent"},
		{"nobody listens", func(*tiny) {}, func(n *tiny) verify.Check {
			c := connect(verify.TCP, n.a, n.b, 9090)
			c.More, c.Want = nil, labs.Refused
			return c
		}, labs.Refused, "connection refused"},
		{"a wrong MAC", func(n *tiny) { n.in(n.a, "ip neigh replace 10.9.1.3 lladdr 02:00:00:00:00:99 dev eth0") },
			func(n *tiny) verify.Check { return ping(n.a, n.b) }, labs.Timeout, ""},
		{"in circles", func(n *tiny) {
			n.in(n.out, "sysctl -qw net.ipv4.ip_forward=1")
			n.in(n.node, "ip route add 10.77.0.0/16 via 10.9.9.2")
		}, func(n *tiny) verify.Check {
			c := ping(n.a, n.out)
			c.To, c.Addr = nil, netip.MustParseAddr("10.77.0.1")
			return c
		}, labs.Unreachable, "icmp: time exceeded from"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newTiny(t)
			tt.fault(n)
			o := n.probe(tt.check(n))[0]
			if o.Outcome != tt.outcome || !strings.Contains(o.Detail, tt.detail) {
				t.Errorf("saw %q (%s), want %q (%s)", o.Outcome, o.Detail, tt.outcome, tt.detail)
			}
		})
	}
}

// TestPrivilegedTwoAnswers: two machines have one address, and a ping reaches
// both.
func TestPrivilegedTwoAnswers(t *testing.T) {
	n := newTiny(t)
	twin := *n.b
	twin.Name, twin.NS = "twin", n.b.NS+"2"
	n.space(&twin)
	n.plug(&twin, "02:00:00:00:01:04")
	n.in(n.a, "ip neigh replace 10.9.1.3 lladdr ff:ff:ff:ff:ff:ff dev eth0")
	others := []verify.Check{ping(n.a, n.b)}
	for range 3 { // time for the second answer
		others = append(others, ping(n.b, n.out), ping(n.a, n.out))
	}
	if o := n.probe(others...)[0]; o.Outcome != labs.Reachable || o.Twice == 0 {
		t.Errorf("saw %+v, want two answers", o)
	}
}

func TestPrivilegedMasquerade(t *testing.T) {
	n := newTiny(t)
	n.in(n.node, "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE")
	o := n.probe(connect(verify.TCP, n.a, n.out, 80))[0]
	if len(o.Answers) != 1 || o.Answers[0].Client != netip.MustParseAddr("10.9.9.1") {
		t.Errorf("saw %+v, want the client as 10.9.9.1", o)
	}
}

// TestPrivilegedService: every endpoint behind a rule answers.
func TestPrivilegedService(t *testing.T) {
	n := newTiny(t)
	n.in(n.node, "iptables -t nat -A PREROUTING -d 10.96.0.1 -p tcp --dport 80 -m statistic --mode nth --every 2 --packet 0 -j DNAT --to 10.9.9.2:8080")
	n.in(n.node, "iptables -t nat -A PREROUTING -d 10.96.0.1 -p tcp --dport 80 -j DNAT --to 10.9.9.1:8081")
	behind := []verify.Server{
		{At: netip.MustParseAddrPort("10.9.9.2:8080"), On: n.out, Kind: verify.TCP},
		{At: netip.MustParseAddrPort("10.9.9.1:8081"), On: n.node, Kind: verify.TCP},
	}
	o := n.probe(verify.Check{
		Kind: verify.TCP, From: n.a, To: &verify.End{Name: "svc"}, Addr: netip.MustParseAddr("10.96.0.1"), Port: 80,
		Want: labs.Reachable, Wait: answerWait, More: &verify.More{Behind: behind, Listen: behind, Tries: 9},
	})[0]
	if o.Outcome != labs.Reachable || len(o.Answers) != 2 {
		t.Errorf("saw %+v, want answers of both endpoints", o)
	}
}

// TestPrivilegedForeignServers: ports that are taken are used, not fought for.
func TestPrivilegedForeignServers(t *testing.T) {
	n := newTiny(t)
	var l net.Listener
	var p net.PacketConn
	if err := netns.Do(n.b.NS, func() (err error) {
		if l, err = net.Listen("tcp", ":8080"); err != nil {
			return err
		}
		p, err = net.ListenPacket("udp", ":53")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer p.Close()
	o := n.probe(connect(verify.TCP, n.a, n.b, 8080), connect(verify.UDP, n.a, n.b, 53))
	if o[0].Outcome != labs.Reachable || !slices.Equal(o[0].Answers, []verify.Answer{{}}) {
		t.Errorf("TCP: saw %+v, want a connection with somebody", o[0])
	}
	if o[1].Outcome != labs.Timeout || !o[1].Silent {
		t.Errorf("UDP: saw %+v, want silence that says nothing", o[1])
	}
}

func TestPrivilegedTables(t *testing.T) {
	n := newTiny(t)
	n.in(n.node, "ip link add vxlan1 address 02:00:00:00:02:01 mtu 1450 type vxlan id 7 local 10.9.9.1 dev eth0 dstport 8472 nolearning")
	n.in(n.node, "ip addr add 10.8.1.0/32 dev vxlan1")
	n.in(n.node, "ip link set vxlan1 up")
	n.in(n.node, "ip route add 10.8.2.0/24 via 10.8.2.0 dev vxlan1 onlink")
	n.in(n.node, "ip neigh add 10.8.2.0 lladdr 02:00:00:00:02:02 dev vxlan1 nud permanent")
	n.in(n.node, "bridge fdb add 02:00:00:00:02:02 dev vxlan1 dst 10.9.9.2 self permanent")

	mac := labs.MAC{2, 0, 0, 0, 2, 2}
	dev := verify.DeviceInfo{Name: "vxlan1"}
	addr := netip.MustParseAddr
	table := func(name verify.TableName) verify.Check {
		return verify.Check{Kind: verify.Table, From: n.node, More: &verify.More{Table: name, Device: dev}}
	}
	route := func(from *verify.End, dst string) verify.Check {
		return verify.Check{Kind: verify.Route, From: from, Addr: addr(dst), More: &verify.More{}}
	}
	o := n.probe(
		verify.Check{Kind: verify.Device, From: n.node, More: &verify.More{Device: dev}},
		table(verify.TableRoutes), table(verify.TableNeighbours), table(verify.TableFDB),
		route(n.a, "10.9.1.3"), route(n.a, "192.0.2.1"), route(n.node, "10.8.2.9"), route(n.a, "10.9.1.2"), route(n.node, "192.0.2.1"),
		verify.Check{Kind: verify.Control, From: n.node, More: &verify.More{Name: "net.ipv4.ip_forward"}},
		verify.Check{Kind: verify.Control, From: n.node, More: &verify.More{Name: "net.ipv4.no_such_thing"}},
		verify.Check{Kind: verify.Device, From: n.node, More: &verify.More{Device: verify.DeviceInfo{Name: "vxlan9"}}},
		verify.Check{Kind: verify.Neigh, From: n.a, Wait: answerWait, More: &verify.More{Stir: []*verify.End{n.node, n.b, n.out}}},
	)
	if want := (verify.DeviceInfo{Name: "vxlan1", VNI: 7, Port: 8472, Local: addr("10.9.9.1"), Parent: "eth0", MTU: 1450, MAC: labs.MAC{2, 0, 0, 0, 2, 1}}); !o[0].Present || o[0].Device != want {
		t.Errorf("device %+v, want %+v", o[0], want)
	}
	for i, want := range []verify.Entry{
		{To: netip.MustParsePrefix("10.8.2.0/24"), IP: addr("10.8.2.0")}, {IP: addr("10.8.2.0"), MAC: mac}, {IP: addr("10.9.9.2"), MAC: mac},
	} {
		if !o[1+i].Present || !slices.Equal(o[1+i].Entries, []verify.Entry{want}) {
			t.Errorf("table %d: %+v, want %v", i, o[1+i], want)
		}
	}
	for i, want := range []verify.Hop{
		{Dev: "eth0", Src: addr("10.9.1.2")}, {Via: addr("10.9.1.1"), Dev: "eth0", Src: addr("10.9.1.2")},
		{Via: addr("10.8.2.0"), Dev: "vxlan1", Src: addr("10.8.1.0")}, {Dev: "lo", Src: addr("10.9.1.2")},
	} {
		if o[4+i].Outcome != labs.Reachable || o[4+i].Hop != want {
			t.Errorf("route %d: %+v, want %v", i, o[4+i], want)
		}
	}
	if o[8].Outcome != labs.Unreachable || o[8].Detail != "network is unreachable" {
		t.Errorf("a route to nowhere: %+v", o[8])
	}
	if !o[9].Present || o[9].Value != "1" || o[10].Present || o[11].Present {
		t.Errorf("sysctls and a device that is not there: %+v %+v %+v", o[9], o[10], o[11])
	}
	slices.SortFunc(o[12].Entries, func(a, b verify.Entry) int { return a.IP.Compare(b.IP) })
	if want := []verify.Entry{{IP: addr("10.9.1.1"), MAC: labs.MAC{2, 0, 0, 0, 1, 1}}, {IP: addr("10.9.1.3"), MAC: labs.MAC{2, 0, 0, 0, 1, 3}}}; !slices.Equal(o[12].Entries, want) {
		t.Errorf("neighbours %v, want %v", o[12].Entries, want)
	}
}

// TestPrivilegedNoNamespace: what cannot be looked at is an error, not an
// answer, and the rest is made all the same.
func TestPrivilegedNoNamespace(t *testing.T) {
	n := newTiny(t)
	gone := &verify.End{Name: "gone", NS: n.a.NS + "-gone", Addrs: []netip.Addr{netip.MustParseAddr("10.9.1.9")}}
	checks := []verify.Check{
		ping(gone, n.a), connect(verify.TCP, gone, n.a, 0), connect(verify.TCP, n.a, gone, 0), ping(n.a, n.b),
		{Kind: verify.Control, From: gone, More: &verify.More{Name: "net.ipv4.ip_forward"}},
		{Kind: verify.Neigh, From: gone, Wait: answerWait, More: &verify.More{Stir: []*verify.End{n.b}}},
	}
	failed := make([]bool, len(checks))
	err := probe.New().Probe(t.Context(), checks, func(i int, _ verify.Observation, err error) { failed[i] = err != nil })
	if want := []bool{true, true, true, false, true, true}; err != nil || !slices.Equal(failed, want) {
		t.Errorf("not possible: %v (%v), want %v", failed, err, want)
	}
}

// TestPrivilegedTablesFull compares how often neighbour tables were full with
// what ip says of them.
func TestPrivilegedTablesFull(t *testing.T) {
	before, err := probe.TablesFull()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "ip", "-s", "-j", "ntable", "show").Output()
	if err != nil {
		t.Skip("ip cannot tell: ", err)
	}
	var tables []struct {
		TableFulls *int `json:"table_fulls"`
	}
	if err := json.Unmarshal(out, &tables); err != nil {
		t.Skip("ip cannot tell: ", err)
	}
	said, known := 0, false
	for _, x := range tables {
		if x.TableFulls != nil {
			said, known = said+*x.TableFulls, true
		}
	}
	after, err := probe.TablesFull()
	if err != nil || known && (said < before || said > after) {
		t.Errorf("tables were full %d to %d times (%v), ip says %d", before, after, err, said)
	}
}
