package kubeproxy_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netlab/provision/kubeproxy"
	"netlab/provision/netfilter"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func addrs(list ...string) []netip.Addr {
	var as []netip.Addr
	for _, s := range list {
		as = append(as, addr(s))
	}
	return as
}

func prefixes(list ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range list {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

// endpoints makes endpoints of "ip:port", local ones written "ip:port here".
func endpoints(list ...string) []kubeproxy.Endpoint {
	var es []kubeproxy.Endpoint
	for _, s := range list {
		at, word, _ := strings.Cut(s, " ")
		es = append(es, kubeproxy.Endpoint{
			Addr:        netip.MustParseAddrPort(at),
			Local:       strings.Contains(word, "here"),
			Terminating: strings.Contains(word, "leaving"),
		})
	}
	return es
}

// testConfig is how kube-proxy is set up in its own tests.
func testConfig() kubeproxy.Config {
	return kubeproxy.Config{
		ClusterCIDR:        netip.MustParsePrefix("10.0.0.0/8"),
		NodeIP:             addr("192.168.0.2"),
		LocalhostNodePorts: true,
	}
}

// service returns port p80 of ns<n>/svc<n>.
func service(n, clusterIP string, change func(*kubeproxy.ServicePort), eps ...string) kubeproxy.ServicePort {
	p := kubeproxy.ServicePort{
		Namespace: "ns" + n, Service: "svc" + n, Name: "p80", Protocol: "tcp",
		ClusterIP: addr(clusterIP), Port: 80, Endpoints: endpoints(eps...),
	}
	if change != nil {
		change(&p)
	}
	return p
}

// TestGolden compares with what kube-proxy itself writes.
func TestGolden(t *testing.T) {
	type port = kubeproxy.ServicePort
	localNodePort := func(p *port) { p.NodePort, p.ExternalLocal = 30001, true }
	tests := []struct {
		name   string
		config func(*kubeproxy.Config)
		ports  []port
	}{
		{name: "services", ports: []port{
			service("1", "172.30.0.41", nil, "10.180.0.1:80"),
			service("2", "172.30.0.42", func(p *port) {
				p.NodePort, p.ExternalLocal, p.HealthCheckNodePort = 3001, true, 30000
				p.LoadBalancerIPs, p.ExternalIPs = addrs("1.2.3.4"), addrs("192.168.99.22")
			}, "10.180.0.2:80"),
			service("3", "172.30.0.43", func(p *port) { p.NodePort = 3003 }, "10.180.0.3:80"),
			service("4", "172.30.0.44", func(p *port) { p.ExternalIPs = addrs("192.168.99.33") },
				"10.180.0.4:80", "10.180.0.5:80 here"),
			service("5", "172.30.0.45", func(p *port) {
				p.NodePort, p.LoadBalancerIPs, p.SourceRanges = 3002, addrs("5.6.7.8"), prefixes("203.0.113.0/25")
			}, "10.180.0.3:80"),
			service("6", "172.30.0.46", nil),
		}},
		{name: "loadbalancer", ports: []port{
			service("1", "172.30.0.41", func(p *port) {
				p.NodePort, p.LoadBalancerIPs = 3001, addrs("1.2.3.4", "5.6.7.8")
				p.SourceRanges = prefixes("192.168.0.0/24", "203.0.113.0/25")
			}, "10.180.0.1:80"),
		}},
		{name: "external-local", ports: []port{
			service("1", "172.30.0.41", func(p *port) {
				p.NodePort, p.ExternalLocal, p.HealthCheckNodePort = 3001, true, 30000
				p.LoadBalancerIPs, p.ExternalIPs = addrs("1.2.3.4"), addrs("192.168.99.11")
			}, "10.180.0.1:80", "10.180.2.1:80 here"),
		}},
		{
			name: "no-localhost-no-detector",
			config: func(c *kubeproxy.Config) {
				c.ClusterCIDR, c.LocalhostNodePorts = netip.Prefix{}, false
			},
			ports: []port{service("1", "10.69.0.10", localNodePort, "10.244.0.1:80", "10.244.2.1:80 here")},
		},
		{
			name:   "ipv6",
			config: func(c *kubeproxy.Config) { c.IPv6, c.ClusterCIDR = true, netip.Prefix{} },
			ports:  []port{service("1", "fd00:ab34::20", localNodePort, "[ff06::c1]:80", "[ff06::c2]:80 here")},
		},
		{
			name:   "nodeport-addresses",
			config: func(c *kubeproxy.Config) { c.NodePortAddresses = addrs("127.0.0.1") },
			ports: []port{service("1", "172.30.0.42", func(p *port) {
				p.NodePort, p.ExternalLocal, p.HealthCheckNodePort = 3001, true, 30000
			})},
		},
	}
	golden, err := filepath.Glob("testdata/*.iptables")
	if err != nil || len(golden) != len(tests) {
		t.Errorf("%d tests for %d golden files (%v)", len(tests), len(golden), err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := testConfig()
			if tt.config != nil {
				tt.config(&c)
			}
			b := netfilter.NewBuilder(c.IPv6)
			kubeproxy.Write(b, c, tt.ports)
			dump, err := os.ReadFile("testdata/" + tt.name + ".iptables")
			if err != nil {
				t.Fatal(err)
			}
			want, _, err := netfilter.Parse(dump)
			if err != nil {
				t.Fatal(err)
			}
			sameChains(t, want, b.Build())
		})
	}
}

// sameChains compares the chains of a dump of kube-proxy with ours. The jumps
// from built-in chains, and KUBE-FIREWALL if it is empty, are not in the dump:
// kube-proxy makes them by other commands.
func sameChains(t *testing.T, want, got netfilter.Text) {
	t.Helper()
	for _, table := range []string{"nat", "filter"} {
		chains := got.Chains(table)
		if table == "filter" && len(got.Chain("filter", "KUBE-FIREWALL")) == 0 {
			chains = slices.DeleteFunc(chains, func(c string) bool { return c == "KUBE-FIREWALL" })
		}
		if diff := cmp.Diff(want.Chains(table), chains); diff != "" {
			t.Errorf("chains of %s, -kube-proxy +ours:\n%s", table, diff)
		}
		for _, chain := range want.Chains(table) {
			if diff := cmp.Diff(want.Chain(table, chain), got.Chain(table, chain)); diff != "" {
				t.Errorf("%s %s, -kube-proxy +ours:\n%s", table, chain, diff)
			}
		}
	}
}

// TestJumps holds the rules in built-in chains as they stand on a node of a
// cluster.
func TestJumps(t *testing.T) {
	b := netfilter.NewBuilder(false)
	kubeproxy.Write(b, testConfig(), nil)
	got := b.Build()
	for at, want := range map[string][]string{
		"filter INPUT": {
			`-m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL`,
			`-m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS`,
			`-m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES`,
			`-j KUBE-FIREWALL`,
		},
		"filter FORWARD": {
			`-m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL`,
			`-m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD`,
			`-m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
			`-m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES`,
		},
		"filter OUTPUT": {
			`-m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL`,
			`-m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
			`-j KUBE-FIREWALL`,
		},
		"nat PREROUTING":  {`-m comment --comment "kubernetes service portals" -j KUBE-SERVICES`},
		"nat OUTPUT":      {`-m comment --comment "kubernetes service portals" -j KUBE-SERVICES`},
		"nat POSTROUTING": {`-m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING`},
	} {
		table, chain, _ := strings.Cut(at, " ")
		for i := range want {
			want[i] = "-A " + chain + " " + want[i]
		}
		if diff := cmp.Diff(want, got.Chain(table, chain)); diff != "" {
			t.Errorf("%s:\n%s", at, diff)
		}
	}
}
