package main

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"netlab/labs"
	"netlab/provision/netns"
)

// flowLab has services of every kind, with one endpoint on each node, and a
// host outside that has routes to all of them by way of n1.
const flowLab = `name: t%d-flows-%[2]s
network: {mode: %[2]s}
nodes:
  - {name: n1, sysctls: {net.ipv4.icmp_ratelimit: 0}} # or only one refusal a second reaches a client
  - {name: n2, sysctls: {net.ipv4.icmp_ratelimit: 0}}
  - name: outside
    cluster: false
    interfaces: [{name: eth0, bridge: fabric, ip: 172.30.0.9}]
    routes: [{to: 10.96.0.0/16, via: 172.30.0.2}, {to: 203.0.113.0/24, via: 172.30.0.2}]
pods:
  - {name: client, node: n1, ip: 10.244.1.9}
  - {name: second, node: n1, ip: 10.244.1.8}
  - name: a
    node: n1
    ip: 10.244.1.2
    labels: {app: web}
    containers: &one
      - {name: c, serve: {tcp: 7000, udp: 5353}}
      - {name: alt, serve: {tcp: 7100}, ports: [{name: main, containerPort: 7100}]}
  - name: b
    node: n2
    ip: 10.244.2.2
    labels: {app: web, on: n2}
    containers:
      - {name: c, serve: {tcp: 7000, udp: 5353}}
      - {name: alt, serve: {tcp: 7200}, ports: [{name: main, containerPort: 7200}]}
  - {name: late, node: n1, labels: {app: web, state: late}, ready: false, containers: *one}
services:
  - {name: all, type: NodePort, clusterIP: 10.96.1.1, externalIPs: [203.0.113.1], selector: {app: web},
     ports: [{name: t, port: 80, targetPort: 7000, nodePort: 30001}, {name: u, port: 80, protocol: UDP, targetPort: 5353, nodePort: 30001}]}
  - {name: ext-local, type: NodePort, clusterIP: 10.96.1.2, externalIPs: [203.0.113.2], selector: {app: web}, externalTrafficPolicy: Local,
     ports: [{name: t, port: 80, targetPort: 7000, nodePort: 30002}, {name: u, port: 80, protocol: UDP, targetPort: 5353, nodePort: 30002}]}
  - {name: int-local, type: NodePort, clusterIP: 10.96.1.3, externalIPs: [203.0.113.3], selector: {app: web}, internalTrafficPolicy: Local,
     ports: [{name: t, port: 80, targetPort: 7000, nodePort: 30003}, {name: u, port: 80, protocol: UDP, targetPort: 5353, nodePort: 30003}]}
  - {name: far, type: NodePort, clusterIP: 10.96.1.4, externalIPs: [203.0.113.4], selector: {on: n2}, internalTrafficPolicy: Local, externalTrafficPolicy: Local,
     ports: [{name: t, port: 80, targetPort: 7000, nodePort: 30004}, {name: u, port: 80, protocol: UDP, targetPort: 5353, nodePort: 30004}]}
  - {name: sticky, type: NodePort, clusterIP: 10.96.1.5, selector: {app: web}, sessionAffinity: ClientIP,
     ports: [{name: t, port: 80, targetPort: 7000, nodePort: 30005}, {name: u, port: 80, protocol: UDP, targetPort: 5353, nodePort: 30005}]}
  - {name: named, clusterIP: 10.96.1.6, selector: {app: web}, ports: [{port: 443, targetPort: main}]}
  - {name: written, clusterIP: 10.96.1.7, endpoints: [{ip: 172.30.0.9, port: 7300}], ports: [{port: 80}]}
  - {name: none, type: NodePort, clusterIP: 10.96.1.8, externalIPs: [203.0.113.8],
     ports: [{name: t, port: 80, nodePort: 30008}, {name: u, port: 80, protocol: UDP, nodePort: 30008}]}
  - {name: unready, type: NodePort, clusterIP: 10.96.1.9, externalIPs: [203.0.113.9], selector: {state: late},
     ports: [{name: t, port: 80, targetPort: 7000, nodePort: 30009}, {name: u, port: 80, protocol: UDP, targetPort: 5353, nodePort: 30009}]}
  - {name: svc1, namespace: ns1, endpoints: [{ip: 10.180.0.1}], ports: [{name: p80, port: 80}]}
  - {name: svc4, namespace: ns4, type: NodePort, endpoints: [{ip: 10.180.0.4}], ports: [{name: p80, port: 80}]}
  - {name: svc5, namespace: ns5, type: NodePort, externalTrafficPolicy: Local, endpoints: [{ip: 10.180.0.3}], ports: [{name: p80, port: 80}]}
`

// flows is flowLab while it is up.
type flows struct {
	*testing.T
	lab     *labs.Lab
	callers map[string]caller
}

// at returns an address of a service: its VIP, an external address, its NodePort
// on the loopback or on a node.
func (f flows) at(service, how string) string {
	s := f.lab.Service("default", service)
	switch how {
	case "vip":
		return netip.AddrPortFrom(s.ClusterIPs[0], s.Ports[0].Port).String()
	case "external":
		return netip.AddrPortFrom(s.ExternalIPs[0], s.Ports[0].Port).String()
	case "localhost":
		return fmt.Sprintf("127.0.0.1:%d", s.Ports[0].NodePort)
	}
	return netip.AddrPortFrom(f.lab.Node(how).Addrs()[0], s.Ports[0].NodePort).String() // a NodePort of that node
}

// Addresses that servers see.
const (
	client  = "10.244.1.9"
	pod     = "10.244.1.2" // a itself
	outside = "172.30.0.9"
	node    = "172.30.0.2" // n1
	node2   = "172.30.0.3"
	bridge1 = "10.244.1.1" // n1's, towards its own pods
	tunnel1 = "10.244.1.0" // n1's, towards pods of others
	bridge2 = "10.244.2.1"
	tunnel2 = "10.244.2.0"
)

// flowMatrix is who answers and whom they see: the source address at endpoint
// a, on n1, and at b, on n2; "" is an endpoint that must not be asked. It is the
// table of kube-proxy's TestInternalExternalMasquerade with an address wherever
// that says whether there is masquerading.
var flowMatrix = []struct{ from, service, how, a, b string }{
	{"client", "all", "vip", client, client},
	{"a", "all", "vip", bridge1, pod}, // hairpin
	{"client", "all", "n1", bridge1, tunnel1},
	{"client", "all", "external", bridge1, tunnel1},
	{"n1", "all", "vip", bridge1, tunnel1},
	{"n1", "all", "n1", bridge1, tunnel1},
	{"n1", "all", "external", bridge1, tunnel1},
	{"n1", "all", "localhost", bridge1, tunnel1},
	{"outside", "all", "vip", bridge1, tunnel1},
	{"outside", "all", "n1", bridge1, tunnel1},
	{"outside", "all", "external", bridge1, tunnel1},
	{"client", "all", "n2", tunnel2, bridge2}, // leaves the cluster for another node
	{"outside", "all", "n2", tunnel2, bridge2},

	{"client", "ext-local", "vip", client, client},
	{"a", "ext-local", "vip", bridge1, pod},
	{"client", "ext-local", "n1", client, client},
	{"client", "ext-local", "external", client, client},
	{"n1", "ext-local", "vip", bridge1, tunnel1},
	{"n1", "ext-local", "n1", bridge1, tunnel1},
	{"n1", "ext-local", "external", bridge1, tunnel1},
	{"n1", "ext-local", "localhost", bridge1, tunnel1},
	{"outside", "ext-local", "vip", bridge1, tunnel1},
	{"outside", "ext-local", "n1", outside, ""},
	{"outside", "ext-local", "external", outside, ""},
	{"outside", "ext-local", "n2", "", outside},

	{"client", "int-local", "vip", client, ""},
	{"a", "int-local", "vip", bridge1, ""},
	{"n1", "int-local", "vip", bridge1, ""},
	{"n2", "int-local", "vip", "", bridge2},
	{"outside", "int-local", "vip", bridge1, ""},
	{"client", "int-local", "n1", bridge1, tunnel1},
	{"client", "int-local", "external", bridge1, tunnel1},
	{"n1", "int-local", "n1", bridge1, tunnel1},
	{"n1", "int-local", "localhost", bridge1, tunnel1},
	{"outside", "int-local", "n1", bridge1, tunnel1},
	{"outside", "int-local", "external", bridge1, tunnel1},

	// Endpoints only elsewhere: from inside they are reached by external
	// addresses all the same.
	{"client", "far", "n1", "", client},
	{"client", "far", "external", "", client},
	{"n1", "far", "n1", "", tunnel1},
	{"n1", "far", "localhost", "", tunnel1},
	{"outside", "far", "n2", "", outside},
}

// TestPrivilegedFlows sends requests from everywhere to services of every kind
// and wants the endpoints to answer, and to see the addresses, that they would
// in a cluster.
func TestPrivilegedFlows(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	for _, mode := range []labs.Mode{labs.ModeVXLAN, labs.ModeFlat, labs.ModeRouted} {
		t.Run(string(mode), func(t *testing.T) {
			file, lab := writeLab(t, fmt.Sprintf(flowLab, os.Getpid(), mode))
			bringUp(t, file, lab)
			f := flows{t, lab, map[string]caller{}}
			for _, n := range lab.Nodes {
				f.callers[n.Name] = caller{n.NS}
			}
			for _, p := range lab.Pods {
				f.callers[p.Name] = caller{p.NS}
			}
			t.Run("matrix", f.matrix)
			t.Run("verdicts", f.verdicts)
			t.Run("affinity", f.affinity)
			t.Run("others", f.others)
			t.Run("chains", f.chains)
		})
	}
}

// sources says which address a node has in place of those of mode vxlan: it
// masquerades with that of the interface through which the packet leaves.
var sources = map[labs.Mode]map[string]string{
	labs.ModeFlat:   {tunnel1: node, tunnel2: node2},
	labs.ModeRouted: {tunnel1: node, tunnel2: node2, bridge1: node, bridge2: node2},
}

// Numbers of tries. With two endpoints one is missed by chance in one cell of
// 2^60, and one that must not answer is overlooked in one of 2^24.
const (
	manyTries = 60
	someTries = 24
)

func (f flows) matrix(t *testing.T) {
	for _, cell := range flowMatrix {
		for _, protocol := range []string{"tcp", "udp"} {
			t.Run(fmt.Sprintf("%s to %s by %s, %s", cell.from, cell.service, cell.how, protocol), func(t *testing.T) {
				want := map[string]string{}
				for server, seen := range map[string]string{"a": cell.a, "b": cell.b} {
					if seen != "" {
						want[server] = cmp.Or(sources[f.lab.Network.Mode][seen], seen)
					}
				}
				got := f.seen(t, f.callers[cell.from], protocol, f.at(cell.service, cell.how), len(want))
				if !maps.Equal(got, want) {
					t.Errorf("server and the address it saw: %v, want %v", got, want)
				}
			})
		}
	}
}

// seen asks until endpoints have answered, and often enough to notice one that
// should not. It returns which address each of them saw.
func (f flows) seen(t *testing.T, c caller, protocol, to string, endpoints int) map[string]string {
	t.Helper()
	ask := c.tcp
	if protocol == "udp" {
		ask = c.udp
	}
	got := map[string]string{}
	for try := 0; try < someTries || len(got) < endpoints && try < manyTries; try++ {
		a, err := ask(to, patience)
		if err != nil {
			t.Fatalf("try %d: %v", try, err)
		}
		if before, ok := got[a.pod]; ok && before != a.remote.Addr().String() {
			t.Fatalf("%s saw %s and %s", a.pod, before, a.remote.Addr())
		}
		got[a.pod] = a.remote.Addr().String()
	}
	return got
}

// affinity wants each client to stay with one endpoint, whatever address of
// the service it asks, and different clients to be independent.
func (f flows) affinity(t *testing.T) {
	for _, protocol := range []string{"tcp", "udp"} {
		for _, from := range []string{"client", "second", "n1", "outside"} {
			c := f.callers[from]
			got := f.seen(t, c, protocol, f.at("sticky", "vip"), 1)
			maps.Copy(got, f.seen(t, c, protocol, f.at("sticky", "n1"), 1))
			if len(got) != 1 && from != "n1" { // n1 has another address towards itself
				t.Errorf("%s by %s: %v answer, want one", from, protocol, slices.Sorted(maps.Keys(got)))
			}
		}
	}
	if list := in(t, f.lab.Node("n1").NS, "sh", "-c", "cat /proc/net/xt_recent/KUBE-SEP-*"); !strings.Contains(list, "src="+client) || !strings.Contains(list, "src="+outside) {
		t.Errorf("the lists of clients are\n%s", list)
	}
}

// others are endpoints of other kinds: ports by their names, and addresses
// that were written out.
func (f flows) others(t *testing.T) {
	if got := f.seen(t, f.callers["client"], "tcp", "10.96.1.6:443", 2); !maps.Equal(got, map[string]string{"a": client, "b": client}) {
		t.Errorf("a port by its name: %v", got)
	}
	greet(t, f.callers["outside"].ns, ":7300", "outside")
	for from, seen := range map[string]string{"client": node, "n1": node, "n2": node2} {
		if got := f.seen(t, f.callers[from], "tcp", "10.96.1.7:80", 1); !maps.Equal(got, map[string]string{"outside": seen}) {
			t.Errorf("%s to an endpoint that was written out: %v, want %s", from, got, seen)
		}
	}
	// On the same VIP TCP is a's and b's, and so is UDP, by other ports. Asked anew:
	// the kernel forgets a UDP flow half a minute after its last packet.
	for name, ask := range map[string]func(string, time.Duration) (answer, error){"tcp": f.callers["client"].tcp, "udp": f.callers["client"].udp} {
		if _, err := ask(f.at("all", "vip"), patience); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries := in(t, f.lab.Node("n1").NS, "conntrack", "-L", "--orig-dst", "10.96.1.1")
	for _, want := range []string{"src=10.244.1.9 dst=10.96.1.1", "sport=7000", "sport=5353"} {
		if !strings.Contains(entries, want) {
			t.Errorf("no conntrack entry has %s\n%s", want, entries)
		}
	}
}

// greet is a TCP server in a namespace that is none of a container's.
func greet(t *testing.T, ns, at, name string) {
	t.Helper()
	var l net.Listener
	if err := netns.Do(ns, func() (err error) {
		l, err = net.Listen("tcp4", at)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, "pod=%s local=%s remote=%s\n", name, c.LocalAddr(), c.RemoteAddr())
			c.Close()
		}
	}()
}

// chains looks for the names that kube-proxy's own tests have for the same
// services.
func (f flows) chains(t *testing.T) {
	save := in(t, f.lab.Node("n1").NS, "iptables-save")
	for _, want := range []string{
		"KUBE-SVC-XPGD46QRK7WJZT7O", "KUBE-SEP-SXIVWICOYRO3J4NJ", // ns1/svc1:p80
		"KUBE-SVC-4SW47YFZTEDKD3PK", "KUBE-EXT-4SW47YFZTEDKD3PK", "KUBE-SEP-UKSFD7AGPMPPLUHC", // ns4/svc4:p80
		"KUBE-SVC-NUKIZ6OKUXPJNT4C", "KUBE-EXT-NUKIZ6OKUXPJNT4C", // ns5/svc5:p80
		"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-FORWARD",
		"KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL", "KUBE-FIREWALL",
	} {
		if !strings.Contains(save, "\n:"+want+" ") {
			t.Errorf("there is no chain %s", want)
		}
	}
	nat := strings.Split(strings.TrimSpace(in(t, f.lab.Node("n1").NS, "iptables", "-t", "nat", "-S", "KUBE-SERVICES")), "\n")
	if last := nat[len(nat)-1]; !strings.HasSuffix(last, "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS") {
		t.Errorf("the last rule of KUBE-SERVICES is %s", last)
	}
}
