package kubeproxy_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netlab/provision/kubeproxy"
)

// TestStaleUDP has the cases of kube-proxy's TestCleanStaleEntries: one service
// with all kinds of addresses and one serving endpoint, 10.240.0.4. Endpoints
// that are not ready never get here.
func TestStaleUDP(t *testing.T) {
	ports := []kubeproxy.ServicePort{
		{
			Service: "svc", Name: "test-tcp", Protocol: "tcp", ClusterIP: addr("172.30.1.1"), Port: 8001,
			Endpoints: endpoints("10.240.9.9:9090"),
		},
		{
			Service: "svc", Name: "test-udp", Protocol: "udp", ClusterIP: addr("172.30.1.1"), Port: 8000, NodePort: 32000,
			ExternalIPs: addrs("192.168.99.100"), LoadBalancerIPs: addrs("1.2.3.4"),
			Endpoints: endpoints("10.240.0.4:9090"),
		},
		{
			Service: "both", Protocol: "udp", ClusterIP: addr("172.30.1.2"), Port: 53, InternalLocal: true,
			Endpoints: endpoints("10.240.0.6:53 here", "10.240.0.5:53"),
		},
		{Service: "nobody", Protocol: "udp", ClusterIP: addr("172.30.1.3"), Port: 8000, NodePort: 32001},
		{
			Service: "six", Protocol: "udp", ClusterIP: addr("fd00::1"), Port: 53, Endpoints: endpoints("[fd00:1::2]:53"),
		},
	}
	backends := kubeproxy.UDPBackendsOf(ports)
	want := kubeproxy.UDPBackends(`1.2.3.4:8000 10.240.0.4
172.30.1.1:8000 10.240.0.4
172.30.1.2:53 10.240.0.5 10.240.0.6
192.168.99.100:8000 10.240.0.4
:32000 10.240.0.4
[fd00::1]:53 fd00:1::2`)
	if diff := cmp.Diff(want, backends); diff != "" {
		t.Errorf("backends (-want +got):\n%s", diff)
	}
	stale := backends.Stale()
	for _, tt := range []struct {
		name, to, answerer string
		want               bool
	}{
		{"cluster address, serving", "172.30.1.1:8000", "10.240.0.4", false},
		{"cluster address, not serving", "172.30.1.1:8000", "10.240.1.5", true},
		{"cluster address, deleted", "172.30.1.1:8000", "10.240.2.6", true},
		{"cluster address, never translated", "172.30.1.1:8000", "172.30.1.1", true},
		{"external address, serving", "192.168.99.100:8000", "10.240.0.4", false},
		{"external address, deleted", "192.168.99.100:8000", "10.240.2.6", true},
		{"external address, never translated", "192.168.99.100:8000", "192.168.99.100", true},
		{"load balancer, serving", "1.2.3.4:8000", "10.240.0.4", false},
		{"load balancer, deleted", "1.2.3.4:8000", "10.240.2.6", true},
		{"another port of the address", "172.30.1.1:3000", "10.240.2.6", false},
		{"another port, never translated", "172.30.1.1:3000", "172.30.1.1", false},
		{"the number of a TCP port", "172.30.1.1:8001", "10.240.2.6", false},
		{"NodePort of any address, serving", "192.0.2.1:32000", "10.240.0.4", false},
		{"NodePort of any address, deleted", "192.0.2.1:32000", "10.240.2.6", true},
		{"NodePort, never translated", "192.0.2.1:32000", "192.0.2.1", true},
		{"both NodePort and nobody's address", "172.30.1.1:32000", "10.240.0.4", false},
		{"endpoints of other nodes count whatever the policy", "172.30.1.2:53", "10.240.0.5", false},
		{"endpoint of another service", "172.30.1.2:53", "10.240.0.4", true},
		{"service without endpoints", "172.30.1.3:8000", "10.240.2.6", false},
		{"NodePort without endpoints", "192.0.2.1:32001", "10.240.2.6", false},
		{"a direct flow", "10.240.2.6:8000", "10.240.2.6", false},
		{"IPv6, serving", "[fd00::1]:53", "fd00:1::2", false},
		{"IPv6, deleted", "[fd00::1]:53", "fd00:1::3", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := stale(kubeproxy.UDPFlow{To: netip.MustParseAddrPort(tt.to), Answerer: addr(tt.answerer)}); got != tt.want {
				t.Errorf("stale: %t, want %t", got, tt.want)
			}
		})
	}
	if kubeproxy.UDPBackends("").Stale()(kubeproxy.UDPFlow{To: netip.MustParseAddrPort("172.30.1.1:8000"), Answerer: addr("10.0.0.1")}) {
		t.Error("without services a flow is stale")
	}
}
