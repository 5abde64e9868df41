package kubeproxy_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"netlab/labs"
	"netlab/provision/kubeproxy"
	"netlab/provision/netfilter"
)

// twoNodes is a lab of both address families with services of every kind.
func twoNodes() *labs.Lab {
	eps := func(port uint16) []labs.Endpoint {
		return []labs.Endpoint{
			{Addr: addr("10.244.1.2"), Port: port, Pod: "default/web-1", Node: "node-a"},
			{Addr: addr("10.244.2.2"), Port: port, Pod: "default/web-2", Node: "node-b"},
			{Addr: addr("fd00:244:0:1::2"), Port: port, Pod: "default/web-1", Node: "node-a"},
			{Addr: addr("192.0.2.7"), Port: port},
		}
	}
	return &labs.Lab{
		Name:    "two-node",
		Network: labs.Network{PodCIDRs: prefixes("10.244.0.0/16", "fd00:244::/48")},
		Nodes: []labs.Node{
			{Name: "node-a", Cluster: true, Interfaces: []labs.Interface{{Name: "eth0", Addrs: prefixes("172.30.0.11/24", "fd00:30::11/64")}}},
			{Name: "node-b", Cluster: true, Interfaces: []labs.Interface{{Name: "eth0", Addrs: prefixes("172.30.0.12/24")}}},
		},
		Services: []labs.Service{
			{Name: "headless", Namespace: "default", Headless: true, Ports: []labs.ServicePort{{Protocol: labs.TCP, Port: 80, Endpoints: eps(80)}}},
			{
				Name: "web", Namespace: "default", Type: labs.NodePort,
				ClusterIPs: addrs("10.96.0.10", "fd00:96::10"), ExternalIPs: addrs("203.0.113.250"),
				Affinity: true, AffinityFor: 3 * time.Hour, ExternalLocal: true,
				Ports: []labs.ServicePort{
					{Name: "http", Protocol: labs.TCP, Port: 80, NodePort: 30080, Endpoints: eps(8080)},
					{Name: "dns", Protocol: labs.UDP, Port: 53, NodePort: 30053, Endpoints: eps(53)},
				},
			},
			{
				Name: "empty", Namespace: "other", Type: labs.NodePort, ClusterIPs: addrs("10.96.0.11"), AffinityFor: time.Hour,
				Ports: []labs.ServicePort{{Protocol: labs.TCP, Port: 443, NodePort: 30443}},
			},
			{
				Name: "here", Namespace: "default", Type: labs.ClusterIP, ClusterIPs: addrs("10.96.0.12"), InternalLocal: true,
				Ports: []labs.ServicePort{{Protocol: labs.TCP, Port: 80, Endpoints: eps(8080)}},
			},
		},
	}
}

func TestPortsOfLab(t *testing.T) {
	lab := twoNodes()
	want := []kubeproxy.ServicePort{
		{
			Namespace: "default", Service: "web", Name: "http", Protocol: "tcp",
			ClusterIP: addr("10.96.0.10"), Port: 80, NodePort: 30080, ExternalIPs: addrs("203.0.113.250"),
			ExternalLocal: true, Affinity: 3 * time.Hour,
			Endpoints: endpoints("10.244.1.2:8080 here", "10.244.2.2:8080", "192.0.2.7:8080"),
		},
		{
			Namespace: "default", Service: "web", Name: "dns", Protocol: "udp",
			ClusterIP: addr("10.96.0.10"), Port: 53, NodePort: 30053, ExternalIPs: addrs("203.0.113.250"),
			ExternalLocal: true, Affinity: 3 * time.Hour,
			Endpoints: endpoints("10.244.1.2:53 here", "10.244.2.2:53", "192.0.2.7:53"),
		},
		{
			Namespace: "other", Service: "empty", Protocol: "tcp",
			ClusterIP: addr("10.96.0.11"), Port: 443, NodePort: 30443,
		},
		{
			Namespace: "default", Service: "here", Protocol: "tcp",
			ClusterIP: addr("10.96.0.12"), Port: 80, InternalLocal: true,
			Endpoints: endpoints("10.244.1.2:8080 here", "10.244.2.2:8080", "192.0.2.7:8080"),
		},
	}
	compare := cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})
	if diff := cmp.Diff(want, kubeproxy.Ports(lab, &lab.Nodes[0], false), compare); diff != "" {
		t.Errorf("IPv4:\n%s", diff)
	}
	want6 := []kubeproxy.ServicePort{
		{
			Namespace: "default", Service: "web", Name: "http", Protocol: "tcp",
			ClusterIP: addr("fd00:96::10"), Port: 80, NodePort: 30080, ExternalLocal: true, Affinity: 3 * time.Hour,
			Endpoints: endpoints("[fd00:244:0:1::2]:8080"),
		},
		{
			Namespace: "default", Service: "web", Name: "dns", Protocol: "udp",
			ClusterIP: addr("fd00:96::10"), Port: 53, NodePort: 30053, ExternalLocal: true, Affinity: 3 * time.Hour,
			Endpoints: endpoints("[fd00:244:0:1::2]:53"),
		},
	}
	if diff := cmp.Diff(want6, kubeproxy.Ports(lab, &lab.Nodes[1], true), compare); diff != "" {
		t.Errorf("IPv6:\n%s", diff)
	}
}

func TestConfigOfLab(t *testing.T) {
	lab := twoNodes()
	got := kubeproxy.ConfigOf(lab, &lab.Nodes[0], false)
	if got.ClusterCIDR != lab.Network.PodCIDRs[0] || got.NodeIP != addr("172.30.0.11") || !got.LocalhostNodePorts || got.IPv6 {
		t.Errorf("IPv4: %+v", got)
	}
	got = kubeproxy.ConfigOf(lab, &lab.Nodes[1], true)
	if got.ClusterCIDR != lab.Network.PodCIDRs[1] || got.NodeIP.IsValid() || got.LocalhostNodePorts || !got.IPv6 {
		t.Errorf("IPv6: %+v", got)
	}
}

// TestLargeCluster checks that the rules for endpoints, and only those, lose
// their comments above a thousand endpoints.
func TestLargeCluster(t *testing.T) {
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("10.1.%d.%d:80", i/250, i%250))
	}
	p := service("1", "172.30.0.41", func(p *kubeproxy.ServicePort) { p.Affinity = time.Hour }, many...)
	if s := build(testConfig(), p); strings.Count(string(s), `--comment "ns1/svc1:p80 -> `) != 2000 {
		t.Error("comments are missing with 1000 endpoints")
	}
	rules := build(testConfig(), p, service("2", "172.30.0.42", nil, "10.2.0.1:80"))
	for _, chain := range rules.Chains("nat") {
		for _, r := range rules.Chain("nat", chain) {
			perEndpoint := strings.HasPrefix(chain, "KUBE-SEP-") || strings.Contains(r, "-j KUBE-SEP-")
			fixed := strings.Contains(r, "KUBE-MARK-MASQ -j") || strings.Contains(r, "-A KUBE-POSTROUTING")
			if commented := strings.Contains(r, "--comment"); !fixed && commented == perEndpoint {
				t.Fatalf("comment: %v in %s", commented, r)
			}
		}
	}
}

func TestPrivilegedRulesReadBackAsWritten(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it under unshare --map-root-user --net")
	}
	lab := twoNodes()
	for _, tool := range []string{"iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"} {
		t.Run(tool, func(t *testing.T) {
			if _, err := exec.LookPath(tool + "-restore"); err != nil {
				t.Skip("not installed:", err)
			}
			for i := range lab.Nodes {
				ipv6 := strings.HasPrefix(tool, "ip6")
				b := netfilter.NewBuilder(ipv6)
				kubeproxy.Rules(b, lab, &lab.Nodes[i], ipv6)
				want := b.Build()

				sh := exec.Command("sh", "-ec", tool+"-restore --noflush -w; "+tool+"-save")
				sh.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
				sh.Env = append(os.Environ(), "XTABLES_LOCKFILE="+filepath.Join(t.TempDir(), "lock"))
				sh.Stdin = strings.NewReader(string(netfilter.Script("", want)))
				var stderr strings.Builder
				sh.Stderr = &stderr
				out, err := sh.Output()
				if err != nil {
					t.Fatalf("%v\n%s", err, stderr.String())
				}
				got, foreign, err := netfilter.Parse(out)
				if err != nil || len(foreign) > 0 {
					t.Error(err, foreign)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("%s: -written +read:\n%s", lab.Nodes[i].Name, diff)
				}
			}
		})
	}
}
