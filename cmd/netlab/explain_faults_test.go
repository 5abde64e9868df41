package main

// Addresses in this lab: nodes a, b and out are 172.30.0.2, .3 and .4; client
// is 10.244.1.2 and near 10.244.1.3 on a, web is 10.244.2.2 on b.
const explainLab = `name: LAB
nodes: [{name: a}, {name: b}, {name: out, cluster: false}]
pods:
  - {name: client, node: a}
  - {name: near, node: a, labels: {app: near}, containers: [{name: web, serve: {http: 8080}}]}
  - {name: web, node: b, labels: {app: web}, restartPolicy: Never, containers: [{name: web, serve: {http: 8080}}]}
services:
  - {name: web, type: NodePort, clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
  - {name: near, clusterIP: 10.96.0.81, selector: {app: near}, ports: [{port: 80, targetPort: 8080}]}
  - {name: dead, clusterIP: 10.96.0.82, ports: [{port: 80}]}
`

// explainLabs are labs for faults that this one cannot have.
var explainLabs = map[string]string{
	"flat":   "name: LAB\nnetwork: {mode: flat}\nnodes: [{name: a}, {name: b}]\npods: [{name: client, node: a}, {name: web, node: b}]\n",
	"routed": "name: LAB\nnetwork: {mode: routed}\nnodes: [{name: a}, {name: b}]\npods: [{name: client, node: a}, {name: near, node: a}, {name: web, node: b}]\n",
	"six": `name: LAB
subnets:
  - {name: underlay, cidr: [172.30.0.0/24, "fd00:30::/64"]}
  - {name: pods, cidr: [10.244.0.0/16, "fd00:244::/48"]}
  - {name: services, cidr: [10.96.0.0/16, "fd00:96::/112"]}
nodes: [{name: a}, {name: b}]
pods: [{name: client, node: a}, {name: web, node: b, labels: {app: web}}]
services: [{name: web, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}]
`,
	"none": `name: LAB
network: {mode: none}
nodes:
  - {name: a, routes: [{to: 10.244.2.0/24, via: 172.30.0.3}]}
  - {name: b, routes: [{to: 10.244.1.0/24, via: 172.30.0.2}]}
pods: [{name: client, node: a}, {name: web, node: b}]
`,
}

// linkFaults are about interfaces, bridges and addresses.
var linkFaults = []faultCase{
	{"pod's interface down", "ip -n LAB.client link set eth0 down", "", []string{"LAB.client", "interface eth0", "down", "lab says up"}},
	{"node's end of a pod's cable down", "ip -n LAB.a link set veth-client down", "", []string{"LAB.a ", "veth-client", "down"}},
	{"node's interface down", "ip -n LAB.b link set eth0 down", "", []string{"LAB.b ", "interface eth0", "down"}},
	{"port of the switch down", "ip -n LAB.fabric link set port-a down", "", []string{"LAB.fabric", "port-a", "down"}},
	{"pod bridge down", "ip -n LAB.a link set cni0 down", "", []string{"LAB.a ", "bridge cni0", "down"}},
	{"switch down", "ip -n LAB.fabric link set br0 down", "", []string{"LAB.fabric", "bridge br0", "down"}},
	{"pod bridge deleted", "ip -n LAB.a link del cni0", "", []string{"LAB.a ", "bridge cni0 is missing"}},
	{"port detached", "ip -n LAB.a link set veth-client nomaster", "", []string{"LAB.a ", "veth-client is no port of the bridge cni0"}},
	{"port disabled", "bridge -n LAB.a link set dev veth-near state 0", "", []string{"LAB.a ", "port veth-near", "state 0"}},
	{"ports isolated", "bridge -n LAB.a link set dev veth-client isolated on; bridge -n LAB.a link set dev veth-near isolated on", "", []string{"LAB.a ", "port veth-", "isolated 1"}},
	{"cable deleted", "ip -n LAB.client link del eth0", "", []string{"LAB.client", "cable from eth0", "missing"}},
	{"ARP off", "ip -n LAB.web link set eth0 arp off", "", []string{"LAB.web", "interface eth0", "arp off"}},
	{"queue that holds everything back", "tc -n LAB.web qdisc add dev eth0 root tbf rate 8bit burst 10b limit 1b", "", []string{"LAB.web", "interface eth0", "qdisc tbf"}},
	{"traffic led away as it comes in", "ip -n LAB.b link add v9 type veth peer name v8; ip -n LAB.b link set v9 up; tc -n LAB.b qdisc add dev eth0 ingress; tc -n LAB.b filter add dev eth0 parent ffff: protocol ip u32 match u32 0 0 action mirred egress redirect dev v9", "", []string{"LAB.b ", "interface eth0", "filters ingress"}},
	{"pod's address missing", "ip -n LAB.web addr flush dev eth0", "", []string{"LAB.web", "address 10.244.2.2/24 on eth0 is missing"}},
	{"pod's address wrong", "ip -n LAB.web addr flush dev eth0; ip -n LAB.web addr add 10.244.2.77/24 dev eth0; ip -n LAB.web route add default via 10.244.2.1", "", []string{"LAB.web", "address of eth0 is 10.244.2.77/24", "10.244.2.2/24"}},
	{"duplicate address in another pod", "ip -n LAB.near addr add 10.244.1.2/24 dev eth0", "", []string{"LAB.near", "10.244.1.2/24 on eth0 is there", "client"}},
	{"duplicate address in a foreign namespace", "ip netns add LABx; ip -n LAB.b link add vs type veth peer name eth0 netns LABx; ip -n LAB.b link set vs master cni0 up; ip -n LABx addr add 10.244.2.2/24 dev eth0; ip -n LABx link set eth0 up", "ip netns del LABx", []string{"LAB.web", "somebody else answers for its own address 10.244.2.2", "interface vs in LAB.b"}},
	{"loopback down", "ip -n LAB.near link set lo down", "", []string{"LAB.near", "interface lo is down"}},
	{"MTU of a pod", "ip -n LAB.client link set eth0 mtu 1500", "", []string{"LAB.client", "interface eth0", "mtu is 1500", "lab says 1450"}},
	{"MTU of a node", "ip -n LAB.a link set eth0 mtu 1400", "", []string{"LAB.a ", "interface eth0", "mtu is 1400", "lab says 1500"}},
	{"namespace deleted", "ip netns del LAB.web", "", []string{"LAB.web", "network namespace is missing"}},
}

// tunnelFaults are those of an overlay.
var tunnelFaults = []faultCase{
	{"FDB entry missing", "bridge -n LAB.a fdb del $(bridge -n LAB.a fdb show dev vxlan1 | grep -o '^[0-9a-f:]*') dev vxlan1 dst 172.30.0.3 self", "", []string{"LAB.a ", "FDB", "vxlan1 to 172.30.0.3 is missing"}},
	{"FDB entry to nobody", "bridge -n LAB.a fdb replace $(bridge -n LAB.a fdb show dev vxlan1 | grep -o '^[0-9a-f:]*') dev vxlan1 dst 172.30.0.99 self", "", []string{"LAB.a ", "FDB", "dst is 172.30.0.99", "lab says 172.30.0.3"}},
	{"permanent neighbour missing", "ip -n LAB.a neigh del 10.244.2.0 dev vxlan1", "", []string{"LAB.a ", "permanent neighbour 10.244.2.0 on vxlan1 is missing"}},
	{"neighbour's MAC wrong", "ip -n LAB.a neigh replace 10.244.2.0 lladdr 02:00:00:00:00:99 dev vxlan1 nud permanent", "", []string{"LAB.a ", "permanent neighbour 10.244.2.0", "lladdr is 02:00:00:00:00:99"}},
	{"route missing, default present", "ip -n LAB.a route del 10.244.2.0/24", "", []string{"LAB.a ", "route 10.244.2.0/24 via 10.244.2.0 dev vxlan1 onlink is missing"}},
	{"different VNI", "M=$(cat /dev/null; ip -n LAB.b -j link show vxlan1 | grep -o '\"address\":\"[^\"]*' | cut -d'\"' -f4); ip -n LAB.b link del vxlan1; ip -n LAB.b link add vxlan1 type vxlan id 7 local 172.30.0.3 dev eth0 dstport 8472 nolearning; ip -n LAB.b link set vxlan1 address $M up mtu 1450", "", []string{"LAB.b ", "VXLAN device vxlan1", "id is 7", "lab says 1"}},
	{"no VTEP on the remote", "ip -n LAB.b link del vxlan1", "", []string{"LAB.b ", "VXLAN device vxlan1 is missing"}},
	{"VXLAN device down", "ip -n LAB.a link set vxlan1 down", "", []string{"LAB.a ", "vxlan1", "down"}},
	{"VXLAN source address", "ip -n LAB.a link set vxlan1 type vxlan local 172.30.0.9", "", []string{"LAB.a ", "vxlan1", "local is 172.30.0.9"}},
	{"MAC of a VXLAN device", "ip -n LAB.b link set vxlan1 address 02:00:00:00:00:99", "", []string{"LAB.b ", "vxlan1", "mac is 02:00:00:00:00:99"}},
}

// tableFaults are about routes, routing rules and kernel parameters.
var tableFaults = []faultCase{
	{"route and default missing", "ip -n LAB.a route del 10.244.2.0/24; ip -n LAB.a route del default", "", []string{"LAB.a ", "route 10.244.2.0/24 via 10.244.2.0 dev vxlan1 onlink is missing"}},
	{"no forwarding", "ip netns exec LAB.a sysctl -qw net.ipv4.ip_forward=0", "", []string{"LAB.a ", "net.ipv4.ip_forward is 0, the lab says 1"}},
	{"strict rp_filter", "ip netns exec LAB.a sysctl -qw net.ipv4.conf.all.rp_filter=1", "", []string{"LAB.a ", "net.ipv4.conf.all.rp_filter is 1, the lab says 0"}},
	{"bridge-nf-call-iptables", "ip netns exec LAB.a sysctl -qw net.bridge.bridge-nf-call-iptables=0", "", []string{"LAB.a ", "bridge-nf-call-iptables is 0, the lab says 1"}},
	{"wrong gateway in the pod", "ip -n LAB.client route replace default via 10.244.1.99", "", []string{"LAB.client", "route default", "via is 10.244.1.99", "lab says 10.244.1.1"}},
	{"no default route in the pod", "ip -n LAB.client route del default", "", []string{"LAB.client", "route default via 10.244.1.1 dev eth0 is missing"}},
	{"black hole", "ip -n LAB.a route replace blackhole 10.244.2.0/24", "", []string{"LAB.a ", "route 10.244.2.0/24", "blackhole"}},
	{"black hole in another table", "ip -n LAB.a route add blackhole 10.244.2.0/24 table 100; ip -n LAB.a rule add from 10.244.1.2 lookup 100", "", []string{"LAB.a ", "route blackhole 10.244.2.0/24 table 100 is there"}},
	{"more specific route", "ip -n LAB.a route add 10.244.2.2/32 via 172.30.0.4", "", []string{"LAB.a ", "route 10.244.2.2 via 172.30.0.4 dev eth0 is there"}},
	{"routing rule that prohibits", "ip -n LAB.a rule add from 10.244.1.0/24 prohibit pref 5", "", []string{"LAB.a ", "routing rule 5", "prohibit"}},
	{"kernel's routing rule gone", "ip -n LAB.a rule del pref 32766", "", []string{"LAB.a ", "without lookup main"}},
	{"neighbour written down wrong", "ip -n LAB.client neigh replace 10.244.1.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent", "", []string{"LAB.client", "permanent neighbour 10.244.1.1 on eth0 is there", "02:00:00:00:00:99"}},
	{"FDB entry of a bridge wrong", "bridge -n LAB.a fdb replace $(cat /dev/null; ip netns exec LAB.client cat /sys/class/net/eth0/address) dev veth-near master static sticky", "", []string{"LAB.a ", "FDB", "on veth-near is there"}},
	{"pings ignored", "ip netns exec LAB.web sysctl -qw net.ipv4.icmp_echo_ignore_all=1", "ip netns exec LAB.web sysctl -qw net.ipv4.icmp_echo_ignore_all=0", []string{"LAB.web", "icmp_echo_ignore_all is 1"}},
}

// ruleFaults are about netfilter rules that are the lab's.
var ruleFaults = []faultCase{
	{"service chain flushed", "ip netns exec LAB.a iptables -t nat -F KUBE-SERVICES", "", []string{"LAB.a ", "nat KUBE-SERVICES: chain is empty"}},
	{"jump to services missing", "ip netns exec LAB.a iptables -t nat -D PREROUTING -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES", "", []string{"LAB.a ", "nat PREROUTING: jump to KUBE-SERVICES is missing"}},
	{"rule of a service missing", "ip netns exec LAB.a iptables -t nat -D KUBE-SERVICES 1", "", []string{"LAB.a ", "nat KUBE-SERVICES: rule 1 is missing"}},
	{"endpoint's DNAT missing", "C=$(ip netns exec LAB.a iptables-save -t nat | grep 10.244.2.2:8080 | grep -o 'KUBE-SEP-[A-Z0-9]*' | head -1); ip netns exec LAB.a iptables -t nat -D $C 2", "", []string{"LAB.a ", "nat KUBE-SEP-", "rule 2 is missing"}},
	{"endpoint's DNAT to elsewhere", "C=$(ip netns exec LAB.a iptables-save -t nat | grep 10.244.2.2:8080 | grep -o 'KUBE-SEP-[A-Z0-9]*' | head -1); ip netns exec LAB.a iptables -t nat -R $C 2 -p tcp -j DNAT --to-destination 10.244.2.9:8080", "", []string{"LAB.a ", "nat KUBE-SEP-", "rule 2 is"}},
	{"no masquerade", "ip netns exec LAB.a iptables -t nat -D POSTROUTING -m comment --comment 'kubernetes postrouting rules' -j KUBE-POSTROUTING", "", []string{"LAB.a ", "nat POSTROUTING: jump to KUBE-POSTROUTING is missing"}},
	{"all rules flushed", "ip netns exec LAB.a iptables -t nat -F", "", []string{"LAB.a ", "netfilter rules differ from the lab's in"}},
	{"refusal missing", "ip netns exec LAB.a iptables -F KUBE-SERVICES", "", []string{"LAB.a ", "filter KUBE-SERVICES", "missing"}},
	{"FORWARD drops", "ip netns exec LAB.a iptables -P FORWARD DROP; ip netns exec LAB.a iptables -F FLANNEL-FWD", "", []string{"LAB.a ", "filter F"}},
	{"hairpin off", "bridge -n LAB.a link set dev veth-near hairpin off", "", []string{"LAB.a ", "port veth-near", "hairpin is off"}},
}

// peopleFaults are those that are no difference from the lab file.
var peopleFaults = []faultCase{
	{"rule in a chain of a student's", "ip netns exec LAB.b sh -ec 'iptables -N STUDENT; iptables -A STUDENT -p tcp --dport 8080 -j DROP; iptables -I FORWARD -j STUDENT'", "ip netns exec LAB.b sh -ec 'iptables -D FORWARD -j STUDENT; iptables -F STUDENT; iptables -X STUDENT'", []string{"LAB.b ", "filter STUDENT rule 1", "--dport 8080 -j DROP"}},
	{"rule in a pod", "ip netns exec LAB.web iptables -A INPUT -p icmp -j DROP", "ip netns exec LAB.web iptables -F", []string{"LAB.web", "filter INPUT rule 1", "icmp -j DROP"}},
	{"answers dropped where they are made", "ip netns exec LAB.web iptables -A OUTPUT -p tcp --tcp-flags SYN,ACK SYN,ACK -j DROP", "ip netns exec LAB.web iptables -F", []string{"LAB.web", "filter OUTPUT rule 1", "SYN,ACK -j DROP"}},
	{"rejected", "ip netns exec LAB.b iptables -I FORWARD -d 10.244.2.2 -j REJECT", "ip netns exec LAB.b iptables -D FORWARD -d 10.244.2.2 -j REJECT", []string{"LAB.b ", "filter FORWARD rule 1", "-j REJECT"}},
	{"connections not tracked", "ip netns exec LAB.a iptables -t raw -A PREROUTING -j CT --notrack", "ip netns exec LAB.a iptables -t raw -F", []string{"LAB.a ", "raw PREROUTING rule 1", "CT --notrack"}},
	{"source rewritten", "ip netns exec LAB.a iptables -t nat -I POSTROUTING -s 10.244.1.2 -o vxlan1 -j SNAT --to-source 172.30.0.2", "ip netns exec LAB.a iptables -t nat -D POSTROUTING -s 10.244.1.2 -o vxlan1 -j SNAT --to-source 172.30.0.2", []string{"LAB.a ", "nat POSTROUTING rule 1", "SNAT --to-source 172.30.0.2"}},
	{"TTL set", "ip netns exec LAB.a iptables -t mangle -A FORWARD -j TTL --ttl-set 1", "ip netns exec LAB.a iptables -t mangle -F FORWARD", []string{"LAB.a ", "mangle FORWARD rule 1", "TTL --ttl-set 1"}},
	{"nine of ten packets lost", "ip netns exec LAB.b iptables -I FORWARD -m statistic --mode random --probability 0.9 -j DROP", "ip netns exec LAB.b iptables -D FORWARD 1", []string{"LAB.b ", "FORWARD", "statistic", "DROP"}},
	{"nft table", "ip netns exec LAB.a nft 'add table inet x; add chain inet x f { type filter hook forward priority 0 ; }; add rule inet x f ip daddr 10.244.2.2 drop'", "ip netns exec LAB.a nft delete table inet x", []string{"LAB.a ", "rule 1 of the nft chain f of table inet x: drop"}},
	{"nft table of a bridge", "ip netns exec LAB.a nft 'add table bridge x; add chain bridge x f { type filter hook forward priority 0 ; }; add rule bridge x f ip daddr 10.244.1.3 drop'", "ip netns exec LAB.a nft delete table bridge x", []string{"LAB.a ", "rule 1 of the nft chain f of table bridge x: drop"}},
	{"nft table in the switch", "ip netns exec LAB.fabric nft 'add table bridge x; add chain bridge x f { type filter hook forward priority 0 ; }; add rule bridge x f udp dport 8472 drop'", "ip netns exec LAB.fabric nft delete table bridge x", []string{"LAB.fabric", "rule 1 of the nft chain f of table bridge x: drop"}},
	{"nft table of an interface", "ip netns exec LAB.b nft 'add table netdev x; add chain netdev x f { type filter hook ingress device eth0 priority 0 ; }; add rule netdev x f udp dport 8472 drop'", "ip netns exec LAB.b nft delete table netdev x", []string{"LAB.b ", "table netdev x"}},
	{"server stopped", "for p in $(ip netns pids LAB.web); do grep -aq http /proc/$p/cmdline && kill -STOP $p || true; done; for p in $(ip netns pids LAB.web); do grep -aq pause /proc/$p/cmdline || kill -STOP $p; done", "for p in $(ip netns pids LAB.web); do kill -CONT $p; done", []string{"LAB.web", "is stopped"}},
	{"server killed", "for p in $(ip netns pids LAB.web); do grep -aq pause /proc/$p/cmdline || kill -9 $p; done", "", []string{"LAB.web", "container web", "the lab says it runs"}},
}

// flatFaults are those of plain routes between nodes.
var flatFaults = []faultCase{
	{"route missing", "ip -n LAB.a route del 10.244.2.0/24", "", []string{"LAB.a ", "route 10.244.2.0/24 via 172.30.0.3 dev eth0 is missing"}},
	{"route to the wrong node", "ip -n LAB.a route replace 10.244.2.0/24 via 172.30.0.1", "", []string{"LAB.a ", "route 10.244.2.0/24", "via is 172.30.0.1", "lab says 172.30.0.3"}},
	{"node's address missing", "ip -n LAB.b addr flush dev eth0", "", []string{"LAB.b ", "address 172.30.0.3/24 on eth0 is missing"}},
}

// routedFaults are those of pods without a subnet.
var routedFaults = []faultCase{
	{"no proxy ARP", "D=$(ip -n LAB.a -o route show 10.244.1.2 | grep -o 'cali[0-9a-f]*'); ip netns exec LAB.a sysctl -qw net.ipv4.conf.$D.proxy_arp=0", "", []string{"LAB.a ", "proxy_arp is 0, the lab says 1"}},
	{"route to a pod missing", "ip -n LAB.a route del 10.244.1.2", "", []string{"LAB.a ", "route 10.244.1.2 dev cali", "is missing"}},
	{"pod's route to its gateway missing", "ip -n LAB.client route del default; ip -n LAB.client route del 169.254.1.1", "", []string{"LAB.client", "route ", "is missing"}},
}

// sixFaults are those of IPv6.
var sixFaults = []faultCase{
	{"IPv6 route missing", "ip -n LAB.client -6 route del default", "", []string{"LAB.client", "route default(v6)", "is missing"}},
	{"IPv6 forwarding off", "ip netns exec LAB.a sysctl -qw net.ipv6.conf.all.forwarding=0", "", []string{"LAB.a ", "net.ipv6.conf.all.forwarding is 0, the lab says 1"}},
	{"IPv6 address missing", "ip -n LAB.web -6 addr flush dev eth0 scope global", "", []string{"LAB.web", "address fd00:244:", "is missing"}},
	{"IPv6 rules flushed", "ip netns exec LAB.a ip6tables -t nat -F KUBE-SERVICES", "", []string{"LAB.a ", "nat KUBE-SERVICES"}},
}

// noneFaults are those of labs that leave the wiring to people.
var noneFaults = []faultCase{
	{"lab's own route missing", "ip -n LAB.a route del 10.244.2.0/24", "", []string{"LAB.a ", "route 10.244.2.0/24 via 172.30.0.3 dev eth0 is missing"}},
	{"black hole that a student put there", "ip -n LAB.a route add blackhole 10.244.2.2/32", "ip -n LAB.a route del blackhole 10.244.2.2/32", []string{"LAB.a ", "10.244.2.2"}},
}
