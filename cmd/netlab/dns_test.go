package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"netlab/labs"
	"netlab/provision/netns"
)

// resolve asks a DNS server from a namespace and returns the code and the last
// word of each answer, sorted.
func resolve(t *testing.T, ns, network, server, name, kind string) string {
	t.Helper()
	var conn net.Conn
	if err := netns.Do(ns, func() (err error) {
		conn, err = net.DialTimeout(network, server+":53", patience)
		return err
	}); err != nil {
		return err.Error()
	}
	defer conn.Close()
	q := new(dns.Msg)
	q.SetQuestion(name, dns.StringToType[kind])
	client := dns.Client{Timeout: patience}
	m, _, err := client.ExchangeWithConn(q, &dns.Conn{Conn: conn})
	if err != nil {
		return err.Error()
	}
	words := []string{}
	for _, rr := range m.Answer {
		fields := strings.Fields(rr.String())
		words = append(words, fields[len(fields)-1])
	}
	slices.Sort(words)
	return strings.TrimSpace(dns.RcodeToString[m.Rcode] + " " + strings.Join(words, " "))
}

// TestPrivilegedDNS asks the DNS server of a lab over the network, before and
// after the lab changes.
func TestPrivilegedDNS(t *testing.T) {
	requireRoot(t)
	file, lab := shippedLab(t, "dns")
	bringUp(t, file, lab)
	client, other := lab.Pod("default", "client").NS, lab.Pod("default", "db-1").NS
	node := lab.Node("node-b").NS
	const vip, cluster = "10.96.0.10", ".default.svc.cluster.local."
	for _, tt := range []struct{ ns, network, name, kind, want string }{
		{client, "udp", "web" + cluster, "A", "NOERROR 10.96.0.11"},
		{client, "tcp", "web" + cluster, "A", "NOERROR 10.96.0.11"},
		{node, "udp", "db" + cluster, "A", "NOERROR 10.244.1.3 10.244.2.2"},
		{node, "tcp", "db-1.db" + cluster, "A", "NOERROR 10.244.2.2"},
		{other, "udp", "_http._tcp.db" + cluster, "SRV", "NOERROR db-0.db" + cluster + " db-1.db" + cluster},
		{other, "udp", "10.0.96.10.in-addr.arpa.", "PTR", "NOERROR kube-dns.kube-system.svc.cluster.local."},
		{client, "udp", "web" + cluster, "AAAA", "NOERROR"},
		{client, "udp", "nobody" + cluster, "A", "NXDOMAIN"},
		{client, "udp", "example.com.", "A", "REFUSED"},
	} {
		if got := resolve(t, tt.ns, tt.network, vip, tt.name, tt.kind); got != tt.want {
			t.Errorf("%s: %s %s by %s: %s, want %s", tt.ns, tt.name, tt.kind, tt.network, got, tt.want)
		}
	}
	// The search list of resolv.conf makes short names long.
	if out := in(t, client, "curl", "-sS", "http://db-1.db:8080/hostname"); out != "db-1\n" {
		t.Errorf("curl by a short name prints %q", out)
	}

	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), "labels: {app: db}", "labels: {app: db}\n    ready: false", 1)
	rewrite(t, file, text)
	if got := resolve(t, client, "udp", vip, "db"+cluster, "A"); got != "NOERROR 10.244.2.2" {
		t.Errorf("after a pod became unready: %s", got)
	}

	// A file that somebody removed comes back, and the server finds it.
	if err := os.Remove(filepath.Join("/run/netlab", lab.Name, "dns.json")); err != nil {
		t.Fatal(err)
	}
	rewrite(t, file, string(data))
	within(t, func() error {
		if got := resolve(t, client, "udp", vip, "db"+cluster, "A"); got != "NOERROR 10.244.1.3 10.244.2.2" {
			return fmt.Errorf("after the file of names was removed: %s", got)
		}
		return nil
	})
}

// TestPrivilegedDNSReadiness lets a probe decide who is behind a headless
// service.
func TestPrivilegedDNSReadiness(t *testing.T) {
	requireRoot(t)
	file, lab := writeLab(t, fmt.Sprintf(`name: t%d-dnsready
dns: true
nodes: [{name: node-a}]
pods:
  - {name: client, node: node-a}
  - name: slow
    node: node-a
    labels: {app: slow}
    containers:
      - {name: c, serve: {http: 8080}, readinessProbe: {tcp: 9000, periodSeconds: 0.1, failureThreshold: 1}}
services:
  - {name: slow, clusterIP: None, selector: {app: slow}, ports: [{port: 8080}]}
`, os.Getpid()))
	bringUp(t, file, lab)
	client := lab.Pod("default", "client").NS
	is := func(want string) {
		t.Helper()
		within(t, func() error {
			if got := resolve(t, client, "udp", "10.96.0.10", "slow.default.svc.cluster.local.", "A"); got != want {
				return fmt.Errorf("%s, want %s", got, want)
			}
			return nil
		})
	}
	is("NXDOMAIN")
	l := listen(t, lab, "slow", ":9000")
	is("NOERROR " + lab.Pod("default", "slow").Addrs[0].Addr().String())
	l.Close()
	is("NXDOMAIN")
}

// listen opens a TCP port in a pod that accepts connections and says nothing.
func listen(t *testing.T, lab *labs.Lab, pod, at string) net.Listener {
	t.Helper()
	var l net.Listener
	if err := netns.Do(lab.Pod("default", pod).NS, func() (err error) {
		l, err = net.Listen("tcp", at)
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
			c.Close()
		}
	}()
	return l
}

// within waits until a condition holds, and fails the test if it never does.
func within(t *testing.T, condition func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(hung)
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Error(err)
			return
		}
	}
}

const twoShops = `name: t%d-shops
dns: true
nodes: [{name: node-a}]
pods:
  - {name: client, node: node-a}
  - {name: web-0, node: node-a, labels: {app: web}, containers: [{name: c, serve: {http: 80}}]}
  - {name: client, namespace: shop, node: node-a}
  - {name: web-1, namespace: shop, node: node-a, labels: {app: web}, containers: [{name: c, serve: {http: 80}}]}
services:
  - {name: web, selector: {app: web}, ports: [{port: 80}]}
  - {name: set, clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
  - {name: web, namespace: shop, selector: {app: web}, ports: [{port: 80}]}
  - {name: set, namespace: shop, clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
`

// TestPrivilegedNamespaces wants short names to mean what is in the client's
// own Kubernetes namespace, by /etc/hosts and by DNS.
func TestPrivilegedNamespaces(t *testing.T) {
	requireRoot(t)
	file, lab := writeLab(t, fmt.Sprintf(twoShops, os.Getpid()))
	bringUp(t, file, lab)
	for _, tt := range []struct{ namespace, name, want string }{
		{"default", "web", "web-0"},
		{"default", "web.shop", "web-1"},
		{"default", "web.shop.svc.cluster.local", "web-1"},
		{"default", "set", "web-0"},
		{"default", "web-1.set.shop", "web-1"},
		{"shop", "web", "web-1"},
		{"shop", "web.default", "web-0"},
		{"shop", "set", "web-1"},
		{"shop", "set.default", "web-0"},
		{"shop", "web-1", "web-1"},
	} {
		if out := in(t, lab.Pod(tt.namespace, "client").NS, "curl", "-sS", "http://"+tt.name+"/hostname"); out != tt.want+"\n" {
			t.Errorf("%s in namespace %s: %q answers, want %s", tt.name, tt.namespace, out, tt.want)
		}
	}
	if out, err := tool(t, "ip", "netns", "exec", lab.Pod("shop", "client").NS, "curl", "-sS", "http://web-0/"); err == nil || !strings.Contains(out, "Could not resolve") {
		t.Errorf("a pod of another namespace by its short name: %v\n%s", err, out)
	}
	must(t, exitOK, "plan", file, "--exit-code")
}
