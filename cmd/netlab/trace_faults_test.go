package main

import (
	"strings"
	"testing"

	"netlab/labs"
)

// TestPrivilegedTraceFaults breaks a lab in many ways and wants the last line
// to say where the packet ended, and why.
func TestPrivilegedTraceFaults(t *testing.T) {
	t.Parallel()
	file, lab := upTraceLab(t, "faults", labs.ModeVXLAN)
	a, b := lab.Node("node-a"), lab.Node("node-b")
	client, web, near := lab.Pod("default", "client"), lab.Pod("default", "web"), lab.Pod("default", "near")
	vtep := b.VXLANMAC.String()
	chain := strings.Fields(in(t, a.NS, "sh", "-c", "iptables-save -t nat | grep -o 'KUBE-SEP-[A-Z0-9]*' | sort -u"))
	if len(chain) != 2 {
		t.Fatalf("chains of endpoints: %v, want two", chain)
	}
	for _, tt := range []struct {
		name, to, ns string
		commands     []string
		want         string
	}{
		{"FDB entry", "pod/web", a.NS, []string{"bridge fdb del " + vtep + " dev vxlan1 dst 172.30.0.3 self"},
			"stops on node-a: vxlan1 has no forwarding entry that says behind which node " + vtep + " is: the forwarding entry of " + vtep + " on vxlan1, to 172.30.0.3, is missing"},
		{"neighbour", "pod/web", a.NS, []string{"ip neigh del 10.244.2.0 dev vxlan1"},
			"the permanent neighbour 10.244.2.0 on vxlan1 is missing"},
		{"neighbour's MAC", "pod/web", a.NS, []string{"ip neigh replace 10.244.2.0 lladdr 02:00:00:00:00:99 dev vxlan1 nud permanent", "bridge fdb add 02:00:00:00:00:99 dev vxlan1 dst 172.30.0.3 self permanent"},
			"stops on node-b: the frame is for 02:00:00:00:00:99, but vxlan1 is " + vtep + ": the permanent neighbour 10.244.2.0 on vxlan1: lladdr is 02:00:00:00:00:99, the lab says " + vtep},
		{"route", "pod/web", a.NS, []string{"ip route del 10.244.2.0/24"},
			"stops on node-a: route lookup for 10.244.2.2 chose default via 172.30.0.1 dev eth0: the route 10.244.2.0/24 dev vxlan1 is missing"},
		{"route and default", "pod/web", a.NS, []string{"ip route del 10.244.2.0/24", "ip route del default"},
			"stops on node-a: route lookup for 10.244.2.2 says: network is unreachable: the route 10.244.2.0/24 dev vxlan1 is missing"},
		{"way back", "pod/web", b.NS, []string{"ip route del 10.244.1.0/24"},
			"stops on node-b: route lookup for 10.244.1.2 chose default via 172.30.0.1 dev eth0: the route 10.244.1.0/24 dev vxlan1 is missing"},
		{"rule", "svc/web:80", a.NS, []string{"iptables -t nat -F KUBE-SERVICES"},
			"stops on node-a: its destination is 10.96.0.80:80, not 10.244.2.2:8080: it was not translated as expected: the rules differ: nat KUBE-SERVICES"},
		{"ip_forward here", "pod/web", a.NS, []string{"sysctl -qw net.ipv4.ip_forward=0"},
			"stops on node-a: the packet is for 10.244.2.2, and this namespace does not forward (net.ipv4.ip_forward is 0): net.ipv4.ip_forward is 0, the lab says 1"},
		{"ip_forward there", "pod/web", b.NS, []string{"sysctl -qw net.ipv4.ip_forward=0"},
			"stops on node-b: the packet is for 10.244.2.2, and this namespace does not forward"},
		{"FORWARD policy", "pod/web", a.NS, []string{"iptables -P FORWARD DROP", "iptables -F FORWARD"},
			"stops on node-a: netfilter drops it: the policy of filter FORWARD: the rules differ: filter FORWARD: policy is DROP, lab says ACCEPT"},
		{"somebody's rule", "svc/web:80", b.NS, []string{"iptables -I FORWARD -p tcp --dport 8080 -j DROP"},
			"stops on node-b: netfilter drops it: filter FORWARD rule 1: -A FORWARD -p tcp -m tcp --dport 8080 -j DROP"},
		{"VNI", "pod/web", b.NS, []string{"ip link del vxlan1", "ip link add vxlan1 type vxlan id 7 local 172.30.0.3 dev eth0 dstport 8472 nolearning", "ip link set vxlan1 address " + vtep + " up"},
			"stops on node-b: the packet is of VNI 1, but vxlan1 is of VNI 7: the VXLAN device vxlan1: id is 7, the lab says 1"},
		{"VXLAN device down", "pod/web", a.NS, []string{"ip link set vxlan1 down"},
			"the VXLAN device vxlan1: state is down, the lab says up"},
		{"pod's cable down", "pod/web", a.NS, []string{"ip link set " + client.HostIface + " down"},
			"stops on client: the interface eth0 has no carrier"},
		{"node's cable down", "pod/web", b.NS, []string{"ip link set eth0 down"},
			"peer-state is down, the lab says up"},
		{"bridge down", "pod/web", a.NS, []string{"ip link set cni0 down"},
			"the bridge cni0: state is down, the lab says up"},
		{"bridge-nf-call-iptables", "svc/near:80", a.NS, []string{"sysctl -qw net.bridge.bridge-nf-call-iptables=0"},
			"it was not translated back here: net.bridge.bridge-nf-call-iptables is 0, the lab says 1"},
		{"hairpin", "svc/near:80", a.NS, []string{"bridge link set dev " + near.HostIface + " hairpin off"},
			"hairpin is off there: the port " + near.HostIface + " of cni0: hairpin is off, the lab says on"},
		{"pod's default route", "pod/web", client.NS, []string{"ip route replace default via 10.244.1.99"},
			"stops on client: nobody on eth0 answers for 10.244.1.99: the route default dev eth0: via is 10.244.1.99, the lab says 10.244.1.1"},
		{"no default route", "pod/web", client.NS, []string{"ip route del default"},
			"stops on client: route lookup for 10.244.2.2 says: network is unreachable: the route default dev eth0 is missing"},
		{"pod's address", "pod/web", web.NS, []string{"ip addr flush dev eth0"},
			"the address 10.244.2.2/24 on eth0 is missing"},
		{"rp_filter", "pod/web", b.NS, []string{"sysctl -qw net.ipv4.conf.all.rp_filter=1", "ip route replace 10.244.1.0/24 via 172.30.0.2"},
			"stops on node-b: rp_filter drops it: the way back to 10.244.1.2 does not lead through vxlan1: net.ipv4.conf.all.rp_filter is 1, the lab says 0"},
		{"namespace", "pod/web", "", []string{"ip netns del " + web.NS},
			"the namespace " + web.NS + " is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from := "client"
			if tt.name == "hairpin" {
				from = "near"
			}
			t.Cleanup(func() {
				in(t, b.NS, "sh", "-c", "iptables -D FORWARD -p tcp --dport 8080 -j DROP 2>/dev/null || true")
				must(t, exitOK, "up", file, "-q")
			})
			for _, c := range tt.commands {
				if tt.ns != "" {
					in(t, tt.ns, strings.Fields(c)...)
				} else if out, err := tool(t, strings.Fields(c)...); err != nil {
					t.Errorf("%s: %v\n%s", c, err, out)
				}
			}
			out := must(t, exitDiffers, "trace", lab.Name, from, tt.to, "--listen", "--wait", "300ms")
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if last := lines[len(lines)-1]; !strings.Contains(last, tt.want) {
				t.Errorf("the last line is\n%s\nand lacks\n%s", last, tt.want)
			}
		})
	}
}
