package kubeproxy_test

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"netlab/provision/kubeproxy"
	"netlab/provision/netfilter"
)

// The world of the flow tests: a node, a pod on it, an endpoint on it that
// calls its own service, and a client outside of the cluster.
const (
	node     = "192.168.0.2"
	pod      = "10.0.0.2"
	here     = "10.180.0.1"
	there    = "10.180.1.1"
	outside  = "203.0.113.2"
	blocked  = "203.0.113.130"
	loopback = "127.0.0.1"
)

// flow sends the first packet of a connection into rules and says what comes
// of it: the endpoints it may reach, then "masq" if its source is rewritten;
// or drop, reject or pass.
func flow(t *testing.T, rules netfilter.Text, proto, from, to string) string {
	t.Helper()
	w, err := netfilter.NewWalker(rules, func(a netip.Addr) bool { return a == addr(node) })
	if err != nil {
		t.Fatal(err)
	}
	p := netfilter.Packet{
		Proto: proto,
		Src:   netip.AddrPortFrom(addr(from), 40000),
		Dst:   netip.MustParseAddrPort(to),
		In:    "eth0",
	}
	if from == node || from == loopback {
		p.In = ""
	}
	ways, err := w.Walk(p)
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	var reached, marks []string
	for _, o := range ways {
		total += o.Chance
		switch {
		case o.Verdict != netfilter.Accepted:
			reached = append(reached, string(o.Verdict))
		case !o.DNAT:
			reached = append(reached, "pass")
		default:
			reached = append(reached, o.Packet.Dst.String())
			if o.Packet.Mark != 0 {
				t.Error("the mark is left on", o.Packet)
			}
			marks = append(marks, map[bool]string{true: "masq", false: "plain"}[o.Masquerade])
		}
	}
	if math.Abs(total-1) > 1e-6 {
		t.Errorf("%s to %s: chances sum up to %v", from, to, total)
	}
	slices.Sort(reached)
	slices.Sort(marks)
	marks = slices.Compact(marks)
	if len(marks) == 1 && marks[0] == "plain" {
		marks = nil
	}
	s := strings.Join(slices.Compact(append(reached, marks...)), " ")
	return strings.NewReplacer(here+":80", "here", there+":80", "there").Replace(s)
}

func build(c kubeproxy.Config, ports ...kubeproxy.ServicePort) netfilter.Text {
	b := netfilter.NewBuilder(c.IPv6)
	kubeproxy.Write(b, c, ports)
	return b.Build()
}

// policies returns three services with an endpoint here and one there: with
// policy Cluster, with externalTrafficPolicy and with internalTrafficPolicy
// Local.
func policies() []kubeproxy.ServicePort {
	type port = kubeproxy.ServicePort
	eps := []string{here + ":80 here", there + ":80"}
	return []port{
		service("1", "172.30.0.41", func(p *port) {
			p.NodePort, p.LoadBalancerIPs, p.ExternalIPs = 3001, addrs("5.6.7.8"), addrs("192.168.99.1")
		}, eps...),
		service("2", "172.30.0.42", func(p *port) {
			p.NodePort, p.LoadBalancerIPs, p.ExternalIPs, p.ExternalLocal = 3002, addrs("5.6.7.9"), addrs("192.168.99.2"), true
		}, eps...),
		service("3", "172.30.0.43", func(p *port) {
			p.NodePort, p.LoadBalancerIPs, p.ExternalIPs, p.InternalLocal = 3003, addrs("5.6.7.10"), addrs("192.168.99.3"), true
		}, eps...),
	}
}

// TestFlowMatrix checks who reaches which endpoints through which address, and
// with what source, for every policy. A row holds what happens as kube-proxy
// is set up by default, without a way to tell pods from others, and with
// --masquerade-all; an empty cell is as by default.
func TestFlowMatrix(t *testing.T) {
	matrix := []struct{ service, from, to, want, noDetector, masqueradeAll string }{
		{"cluster", pod, "172.30.0.41:80", "here there", "", "here there masq"},
		{"cluster", pod, node + ":3001", "here there masq", "", ""},
		{"cluster", pod, "5.6.7.8:80", "here there masq", "", ""},
		{"cluster", pod, "192.168.99.1:80", "here there masq", "", ""},
		{"cluster", here, "172.30.0.41:80", "here there masq plain", "", "here there masq"},
		{"cluster", node, "172.30.0.41:80", "here there masq", "here there", ""},
		{"cluster", node, node + ":3001", "here there masq", "", ""},
		{"cluster", node, "5.6.7.8:80", "here there masq", "", ""},
		{"cluster", loopback, loopback + ":3001", "here there masq", "", ""},
		{"cluster", outside, "172.30.0.41:80", "here there masq", "here there", ""},
		{"cluster", outside, node + ":3001", "here there masq", "", ""},
		{"cluster", outside, "5.6.7.8:80", "here there masq", "", ""},
		{"cluster", outside, "192.168.99.1:80", "here there masq", "", ""},

		{"external local", pod, "172.30.0.42:80", "here there", "", "here there masq"},
		{"external local", pod, node + ":3002", "here there", "here", ""},
		{"external local", pod, "5.6.7.9:80", "here there", "here", ""},
		{"external local", pod, "192.168.99.2:80", "here there", "here", ""},
		{"external local", node, "172.30.0.42:80", "here there masq", "here there", ""},
		{"external local", node, node + ":3002", "here there masq", "", ""},
		{"external local", node, "5.6.7.9:80", "here there masq", "", ""},
		{"external local", loopback, loopback + ":3002", "here there masq", "", ""},
		{"external local", outside, "172.30.0.42:80", "here there masq", "here there", ""},
		{"external local", outside, node + ":3002", "here", "", ""},
		{"external local", outside, "5.6.7.9:80", "here", "", ""},
		{"external local", outside, "192.168.99.2:80", "here", "", ""},

		{"internal local", pod, "172.30.0.43:80", "here", "", "here masq"},
		{"internal local", node, "172.30.0.43:80", "here masq", "here", ""},
		{"internal local", outside, "172.30.0.43:80", "here masq", "here", ""},
		{"internal local", pod, node + ":3003", "here there masq", "", ""},
		{"internal local", node, node + ":3003", "here there masq", "", ""},
		{"internal local", loopback, loopback + ":3003", "here there masq", "", ""},
		{"internal local", outside, node + ":3003", "here there masq", "", ""},
		{"internal local", outside, "5.6.7.10:80", "here there masq", "", ""},
	}
	byDefault := build(testConfig(), policies()...)
	c := testConfig()
	c.ClusterCIDR = netip.Prefix{}
	noDetector := build(c, policies()...)
	c = testConfig()
	c.MasqueradeAll = true
	masqueradeAll := build(c, policies()...)

	for _, m := range matrix {
		check := func(setup string, rules netfilter.Text, want string) {
			if want == "" {
				want = m.want
			}
			if got := flow(t, rules, "tcp", m.from, m.to); got != want {
				t.Errorf("%s, %s: %s to %s: got %q, want %q", m.service, setup, m.from, m.to, got, want)
			}
		}
		check("default", byDefault, "")
		check("no detector", noDetector, m.noDetector)
		check("masquerade all", masqueradeAll, m.masqueradeAll)
	}
}

// TestHairpin checks that a pod which picks itself is masqueraded, and is not
// when it picks another.
func TestHairpin(t *testing.T) {
	rules := build(testConfig(), service("1", "172.30.0.41", nil, here+":80 here"))
	if got := flow(t, rules, "tcp", here, "172.30.0.41:80"); got != "here masq" {
		t.Error("itself:", got)
	}
	rules = build(testConfig(), service("1", "172.30.0.41", nil, there+":80"))
	if got := flow(t, rules, "tcp", here, "172.30.0.41:80"); got != "there" {
		t.Error("another:", got)
	}
}

// TestVerdictsWithoutEndpoints checks what clients meet where nothing answers.
func TestVerdictsWithoutEndpoints(t *testing.T) {
	type port = kubeproxy.ServicePort
	everywhere := func(p *port) {
		p.NodePort, p.LoadBalancerIPs, p.ExternalIPs = 3001, addrs("5.6.7.8"), addrs("192.168.99.1")
	}
	local := func(p *port) {
		everywhere(p)
		p.ExternalLocal, p.InternalLocal = true, true
	}
	externalLocal := func(p *port) {
		everywhere(p)
		p.ExternalLocal = true
	}
	tests := []struct {
		name           string
		change         func(*port)
		endpoints      []string
		from, to, want string
	}{
		{"none, cluster address", everywhere, nil, pod, "172.30.0.41:80", "reject"},
		{"none, cluster address, from the node", everywhere, nil, node, "172.30.0.41:80", "reject"},
		{"none, external address", everywhere, nil, outside, "192.168.99.1:80", "reject"},
		{"none, load balancer", everywhere, nil, pod, "5.6.7.8:80", "reject"},
		{"none, NodePort", everywhere, nil, outside, node + ":3001", "reject"},
		{"none, NodePort, policy Local", local, nil, pod, node + ":3001", "reject"},
		{"elsewhere, policy Local, cluster address", local, []string{there + ":80"}, pod, "172.30.0.41:80", "drop"},
		{"elsewhere, policy Local, outside client, NodePort", externalLocal, []string{there + ":80"}, outside, node + ":3001", "drop"},
		{"elsewhere, policy Local, outside client, external address", externalLocal, []string{there + ":80"}, outside, "192.168.99.1:80", "drop"},
		{"elsewhere, policy Local, pod, NodePort", externalLocal, []string{there + ":80"}, pod, node + ":3001", "there"},
		{"elsewhere, policy Local, node, NodePort", externalLocal, []string{there + ":80"}, node, node + ":3001", "there masq"},
		{"elsewhere, external policy Local, cluster address", externalLocal, []string{there + ":80"}, pod, "172.30.0.41:80", "there"},
		{"port that no service has", everywhere, []string{here + ":80"}, pod, "172.30.0.41:81", "pass"},
		{"address that no service has", everywhere, []string{here + ":80"}, pod, "172.30.0.99:80", "pass"},
		{"other protocol", func(p *port) { p.Protocol = "udp" }, []string{here + ":80"}, pod, "172.30.0.41:80", "pass"},
	}
	for _, tt := range tests {
		rules := build(testConfig(), service("1", "172.30.0.41", tt.change, tt.endpoints...))
		if got := flow(t, rules, "tcp", tt.from, tt.to); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestPortsOfOneService checks that ports lead to their own targets, and that
// protocols do not mix.
func TestPortsOfOneService(t *testing.T) {
	port := func(name, proto string, n uint16, target string) kubeproxy.ServicePort {
		p := service("2", "172.30.0.42", nil, here+target+" here", there+target)
		p.Name, p.Protocol, p.Port = name, proto, n
		return p
	}
	rules := build(testConfig(),
		service("1", "172.30.0.41", nil, here+":80 here"),
		port("http", "tcp", 80, ":80"), port("https", "tcp", 443, ":8443"),
		port("dns", "udp", 53, ":53"), port("dns-tcp", "tcp", 53, ":5353"))
	for _, tt := range []struct{ proto, from, to, want string }{
		{"tcp", pod, "172.30.0.41:80", "here"},
		{"tcp", pod, "172.30.0.42:80", "here there"},
		{"tcp", pod, "172.30.0.42:443", "10.180.0.1:8443 10.180.1.1:8443"},
		{"udp", pod, "172.30.0.42:53", "10.180.0.1:53 10.180.1.1:53"},
		{"tcp", pod, "172.30.0.42:53", "10.180.0.1:5353 10.180.1.1:5353"},
		{"udp", pod, "172.30.0.42:80", "pass"},
		{"tcp", pod, "172.30.0.41:443", "pass"},
	} {
		if got := flow(t, rules, tt.proto, tt.from, tt.to); got != tt.want {
			t.Errorf("%s to %s: got %q, want %q", tt.proto, tt.to, got, tt.want)
		}
	}
}

// TestSourceRanges checks who may use a load balancer's address.
func TestSourceRanges(t *testing.T) {
	rules := build(testConfig(), service("1", "172.30.0.41", func(p *kubeproxy.ServicePort) {
		p.NodePort, p.LoadBalancerIPs = 3001, addrs("1.2.3.4", "5.6.7.8")
		p.SourceRanges = prefixes("192.168.0.0/24", "203.0.113.0/25")
	}, here+":80"))
	for _, tt := range []struct{ from, to, want string }{
		{pod, "172.30.0.41:80", "here"},
		{outside, node + ":3001", "here masq"},
		{blocked, node + ":3001", "here masq"},
		{outside, "1.2.3.4:80", "here masq"},
		{outside, "5.6.7.8:80", "here masq"},
		{blocked, "1.2.3.4:80", "drop"},
		{pod, "5.6.7.8:80", "drop"},
		{node, "1.2.3.4:80", "here masq"},
		{"1.2.3.4", "1.2.3.4:80", "here masq"},
	} {
		if got := flow(t, rules, "tcp", tt.from, tt.to); got != tt.want {
			t.Errorf("%s to %s: got %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
}

// TestLocalhostNodePorts checks NodePorts on 127.0.0.1, and that nobody else
// gets to loopback addresses through them being open.
func TestLocalhostNodePorts(t *testing.T) {
	c := testConfig()
	rules := build(c, policies()...)
	if got := flow(t, rules, "tcp", outside, loopback+":22"); got != "drop" {
		t.Error("outside to loopback:", got)
	}
	c.LocalhostNodePorts = false
	rules = build(c, policies()...)
	if got := flow(t, rules, "tcp", loopback, loopback+":3001"); got != "pass" {
		t.Error("localhost NodePorts off:", got)
	}
	c = testConfig()
	c.NodePortAddresses = addrs(node)
	rules = build(c, policies()...)
	if got := flow(t, rules, "tcp", outside, node+":3001"); got != "here there masq" {
		t.Error("NodePort address:", got)
	}
	if got := flow(t, rules, "tcp", loopback, loopback+":3001"); got != "pass" {
		t.Error("other address:", got)
	}
}

// TestTerminatingEndpoints checks that endpoints that go away serve only where
// there are no others, for each policy on its own.
func TestTerminatingEndpoints(t *testing.T) {
	type port = kubeproxy.ServicePort
	externalLocal := func(p *port) { p.NodePort, p.ExternalLocal = 3001, true }
	for _, tt := range []struct{ here, there, inside, outside string }{
		{"here", "", "here there", "here"},
		{"here,leaving", "", "there", "here"},
		{"here", "leaving", "here", "here"},
		{"here,leaving", "leaving", "here there", "here"},
	} {
		rules := build(testConfig(), service("1", "172.30.0.41", externalLocal, here+":80 "+tt.here, there+":80 "+tt.there))
		if got := flow(t, rules, "tcp", pod, "172.30.0.41:80"); got != tt.inside {
			t.Errorf("%+v: inside %q", tt, got)
		}
		if got := flow(t, rules, "tcp", outside, node+":3001"); got != tt.outside {
			t.Errorf("%+v: outside %q", tt, got)
		}
	}
}

// TestAffinity checks that a client goes where it went before.
func TestAffinity(t *testing.T) {
	p := service("1", "172.30.0.41", func(p *kubeproxy.ServicePort) { p.Affinity = 3 * time.Hour },
		here+":80 here", there+":80")
	rules := build(testConfig(), p)
	sep := p.SEP(netip.MustParseAddrPort(there + ":80"))
	wantRules := []string{
		`-A ` + p.SVC() + ` -m comment --comment "ns1/svc1:p80 -> 10.180.1.1:80" -m recent --rcheck --seconds 10800 --reap --name ` + sep + ` --mask 255.255.255.255 --rsource -j ` + sep,
		`-A ` + sep + ` -p tcp -m comment --comment "ns1/svc1:p80" -m recent --set --name ` + sep + ` --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.180.1.1:80`,
	}
	for _, r := range wantRules {
		if !strings.Contains(string(rules), r+"\n") {
			t.Errorf("there is no rule\n%s", r)
		}
	}
	if got := flow(t, rules, "tcp", pod, "172.30.0.41:80"); got != "here there" {
		t.Error("a new client:", got)
	}
	w, err := netfilter.NewWalker(rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	ways, err := w.Walk(netfilter.Packet{
		Proto: "tcp", In: "eth0", Recent: []string{sep},
		Src: netip.MustParseAddrPort(pod + ":40000"), Dst: netip.MustParseAddrPort("172.30.0.41:80"),
	})
	if err != nil || len(ways) != 1 || ways[0].Packet.Dst.Addr() != addr(there) {
		t.Errorf("a known client: %v %v", ways, err)
	}
}

// TestEvenShares checks that every endpoint has the same chance.
func TestEvenShares(t *testing.T) {
	rules := build(testConfig(), service("1", "172.30.0.41", nil,
		"10.180.0.1:80", "10.180.0.2:80", "10.180.0.3:80", "10.180.0.4:80", "10.180.0.5:80", "10.180.0.6:80", "10.180.0.7:80"))
	w, err := netfilter.NewWalker(rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	ways, err := w.Walk(netfilter.Packet{
		Proto: "tcp", In: "eth0",
		Src: netip.MustParseAddrPort(pod + ":40000"), Dst: netip.MustParseAddrPort("172.30.0.41:80"),
	})
	if err != nil || len(ways) != 7 {
		t.Fatal(ways, err)
	}
	for _, o := range ways {
		if math.Abs(o.Chance-1.0/7) > 1e-8 {
			t.Errorf("%v has a chance of %v", o.Packet.Dst, o.Chance)
		}
	}
}
