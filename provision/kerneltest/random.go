package kerneltest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// RandomLab writes the file of a lab called name with a random network, nodes,
// pods and services.
func RandomLab(rng *rand.Rand, name string) string {
	var b strings.Builder
	mode := []string{"vxlan", "flat", "routed", "none"}[rng.IntN(4)]
	vni := ""
	if mode == "vxlan" {
		vni = fmt.Sprintf(", vxlan: {vni: %d}", 1+rng.IntN(2))
	}
	uplink := rng.IntN(2) == 0
	fmt.Fprintf(&b, "name: %s\nnetwork: {mode: %s, mtu: %d%s}\nbridges: [{name: fabric, uplink: %t}]\nnodes:\n", name, mode, 1400+100*rng.IntN(2), vni, uplink)
	// Of three labs one has both address families; the rest of the file does not
	// depend on it.
	if rng.IntN(3) == 0 {
		head := strings.Replace(b.String(), "\nnodes:\n", "\nsubnets:\n"+
			"  - {name: underlay, cidr: [172.30.0.0/24, \"fd00:30::/64\"]}\n"+
			"  - {name: pods, cidr: [10.244.0.0/16, \"fd00:244::/48\"]}\n"+
			"  - {name: services, cidr: [10.96.0.0/16, \"fd00:96::/112\"]}\nnodes:\n", 1)
		b.Reset()
		b.WriteString(head)
	}
	nodes := 1 + rng.IntN(4)
	for i := range nodes {
		fmt.Fprintf(&b, "  - name: n%d\n", i)
		switch rng.IntN(6) {
		case 0:
			fmt.Fprintf(&b, "    interfaces: [{name: eth0, bridge: fabric, ip: 172.30.0.%d}]\n", 100+i)
		case 1:
			fmt.Fprintf(&b, "    podSubnet: 10.244.%d.0/24\n", 100+i)
		case 2:
			fmt.Fprintf(&b, "    routes: [{to: 10.%d.0.0/16, via: 172.30.0.1}]\n", rng.IntN(3))
		case 3:
			fmt.Fprintf(&b, "    sysctls: {net.ipv4.ip_forward: %d}\n    rules: [{from: 10.%d.0.0/16, table: 300}]\n", rng.IntN(2), rng.IntN(3))
		}
	}
	if rng.IntN(2) == 0 {
		b.WriteString("  - {name: out, cluster: false, interfaces: [{name: eth0, bridge: fabric}, {name: eth1, peer: \"far:eth0\", ip: 10.9.0.1/30}]}\n  - {name: far, cluster: false, interfaces: [{name: eth0, peer: \"out:eth1\"}]}\n")
	}
	b.WriteString("pods:\n")
	for i := range 1 + rng.IntN(6) {
		fmt.Fprintf(&b, "  - {name: p%d, node: n%d, labels: {app: a%d}}\n", rng.IntN(3)+3*i, rng.IntN(nodes), rng.IntN(2))
	}
	b.WriteString("services:\n")
	for i := range 1 + rng.IntN(2) {
		fmt.Fprintf(&b, "  - {name: s%d, selector: {app: a%d}, ports: [{port: %d}]}\n", i, rng.IntN(2), 80+rng.IntN(2))
	}
	return b.String()
}
