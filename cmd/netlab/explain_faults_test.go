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
verify:
  - {from: client, to: "svc/web:80", expect: reachable}
  - {from: near, to: pod/web, expect: reachable}
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
	{name: "pod's interface down", spoil: "ip -n LAB.client link set eth0 down", want: []string{"LAB.client", "interface eth0", "down", "lab says up"}},
	{name: "node's end of a pod's cable down", spoil: "ip -n LAB.a link set veth-client down", want: []string{"LAB.a ", "veth-client", "down"}},
	{name: "node's interface down", spoil: "ip -n LAB.b link set eth0 down", want: []string{"LAB.b ", "interface eth0", "down"}, patient: true},
	{name: "port of the switch down", spoil: "ip -n LAB.fabric link set port-a down", want: []string{"LAB.fabric", "port-a", "down"}},
	{name: "pod bridge down", spoil: "ip -n LAB.a link set cni0 down", want: []string{"LAB.a ", "bridge cni0", "down"}},
	{name: "switch down", spoil: "ip -n LAB.fabric link set br0 down", want: []string{"LAB.fabric", "bridge br0", "down"}},
	{name: "pod bridge deleted", spoil: "ip -n LAB.a link del cni0", want: []string{"LAB.a ", "bridge cni0 is missing"}},
	{name: "port detached", spoil: "ip -n LAB.a link set veth-client nomaster", want: []string{"LAB.a ", "veth-client is no port of the bridge cni0"}},
	{name: "port disabled", spoil: "bridge -n LAB.a link set dev veth-near state 0", want: []string{"LAB.a ", "port veth-near", "state 0"}},
	{name: "ports isolated", spoil: "bridge -n LAB.a link set dev veth-client isolated on; bridge -n LAB.a link set dev veth-near isolated on", want: []string{"LAB.a ", "port veth-", "isolated 1"}},
	{name: "cable deleted", spoil: "ip -n LAB.client link del eth0", want: []string{"LAB.client", "cable from eth0", "missing"}},
	{name: "ARP off", spoil: "ip -n LAB.web link set eth0 arp off", want: []string{"LAB.web", "interface eth0", "arp off"}},
	{name: "queue that holds everything back", spoil: "tc -n LAB.web qdisc add dev eth0 root tbf rate 8bit burst 10b limit 1b", want: []string{"LAB.web", "interface eth0", "qdisc tbf"}},
	{name: "traffic led away as it comes in", spoil: "ip -n LAB.b link add v9 type veth peer name v8; ip -n LAB.b link set v9 up; tc -n LAB.b qdisc add dev eth0 ingress; tc -n LAB.b filter add dev eth0 parent ffff: protocol ip u32 match u32 0 0 action mirred egress redirect dev v9", want: []string{"LAB.b ", "interface eth0", "filters ingress"}},
	{name: "pod's address missing", spoil: "ip -n LAB.web addr flush dev eth0", want: []string{"LAB.web", "address 10.244.2.2/24 on eth0 is missing"}},
	{name: "pod's address wrong", spoil: "ip -n LAB.web addr flush dev eth0; ip -n LAB.web addr add 10.244.2.77/24 dev eth0; ip -n LAB.web route add default via 10.244.2.1", want: []string{"LAB.web", "address of eth0 is 10.244.2.77/24", "10.244.2.2/24"}},
	{name: "duplicate address in another pod", spoil: "ip -n LAB.near addr add 10.244.1.2/24 dev eth0", want: []string{"LAB.near", "10.244.1.2/24 on eth0 is there", "client"}},
	{name: "duplicate address in a foreign namespace", spoil: "ip netns add LABx; ip -n LAB.b link add vs type veth peer name eth0 netns LABx; ip -n LAB.b link set vs master cni0 up; ip -n LABx addr add 10.244.2.2/24 dev eth0; ip -n LABx link set eth0 up", mend: "ip netns del LABx", want: []string{"LAB.web", "somebody else answers for its own address 10.244.2.2", "interface vs in LAB.b"}},
	{name: "loopback down", spoil: "ip -n LAB.near link set lo down", want: []string{"LAB.near", "interface lo is down"}},
	{name: "MTU of a pod", spoil: "ip -n LAB.client link set eth0 mtu 1500", want: []string{"LAB.client", "interface eth0", "mtu is 1500", "lab says 1450"}, patient: true},
	{name: "MTU of a node", spoil: "ip -n LAB.a link set eth0 mtu 1400", want: []string{"LAB.a ", "interface eth0", "mtu is 1400", "lab says 1500"}, patient: true},
	{name: "names edited", spoil: "echo 10.9.9.9 web >>/run/netlab/LAB/etc/hosts", want: []string{"host: ", "file hosts", "the lab says"}},
	{name: "namespace deleted", spoil: "ip netns del LAB.web", want: []string{"LAB.web", "network namespace is missing"}},
}

// tunnelFaults are those of an overlay.
var tunnelFaults = []faultCase{
	{name: "FDB entry missing", spoil: "bridge -n LAB.a fdb del $(bridge -n LAB.a fdb show dev vxlan1 | grep -o '^[0-9a-f:]*') dev vxlan1 dst 172.30.0.3 self", want: []string{"LAB.a ", "FDB", "vxlan1 to 172.30.0.3 is missing"}},
	{name: "FDB entry to nobody", spoil: "bridge -n LAB.a fdb replace $(bridge -n LAB.a fdb show dev vxlan1 | grep -o '^[0-9a-f:]*') dev vxlan1 dst 172.30.0.99 self", want: []string{"LAB.a ", "FDB", "dst is 172.30.0.99", "lab says 172.30.0.3"}},
	{name: "permanent neighbour missing", spoil: "ip -n LAB.a neigh del 10.244.2.0 dev vxlan1", want: []string{"LAB.a ", "permanent neighbour 10.244.2.0 on vxlan1 is missing"}},
	{name: "neighbour's MAC wrong", spoil: "ip -n LAB.a neigh replace 10.244.2.0 lladdr 02:00:00:00:00:99 dev vxlan1 nud permanent", want: []string{"LAB.a ", "permanent neighbour 10.244.2.0", "lladdr is 02:00:00:00:00:99"}},
	{name: "route missing, default present", spoil: "ip -n LAB.a route del 10.244.2.0/24", want: []string{"LAB.a ", "route 10.244.2.0/24 via 10.244.2.0 dev vxlan1 onlink is missing"}},
	{name: "different VNI", spoil: "M=$(cat /dev/null; ip -n LAB.b -j link show vxlan1 | grep -o '\"address\":\"[^\"]*' | cut -d'\"' -f4); ip -n LAB.b link del vxlan1; ip -n LAB.b link add vxlan1 type vxlan id 7 local 172.30.0.3 dev eth0 dstport 8472 nolearning; ip -n LAB.b link set vxlan1 address $M up mtu 1450", want: []string{"LAB.b ", "VXLAN device vxlan1", "id is 7", "lab says 1"}},
	{name: "no VTEP on the remote", spoil: "ip -n LAB.b link del vxlan1", want: []string{"LAB.b ", "VXLAN device vxlan1 is missing"}},
	{name: "VXLAN device down", spoil: "ip -n LAB.a link set vxlan1 down", want: []string{"LAB.a ", "vxlan1", "down"}},
	{name: "VXLAN source address", spoil: "ip -n LAB.a link set vxlan1 type vxlan local 172.30.0.9", want: []string{"LAB.a ", "vxlan1", "local is 172.30.0.9"}},
	{name: "MAC of a VXLAN device", spoil: "ip -n LAB.b link set vxlan1 address 02:00:00:00:00:99", want: []string{"LAB.b ", "vxlan1", "mac is 02:00:00:00:00:99"}},
}

// tableFaults are about routes, routing rules and kernel parameters.
var tableFaults = []faultCase{
	{name: "route and default missing", spoil: "ip -n LAB.a route del 10.244.2.0/24; ip -n LAB.a route del default", want: []string{"LAB.a ", "route 10.244.2.0/24 via 10.244.2.0 dev vxlan1 onlink is missing"}},
	{name: "no forwarding", spoil: "ip netns exec LAB.a sysctl -qw net.ipv4.ip_forward=0", want: []string{"LAB.a ", "net.ipv4.ip_forward is 0, the lab says 1"}},
	{name: "strict rp_filter", spoil: "ip netns exec LAB.a sysctl -qw net.ipv4.conf.all.rp_filter=1", want: []string{"LAB.a ", "net.ipv4.conf.all.rp_filter is 1, the lab says 0"}},
	{name: "bridge-nf-call-iptables", spoil: "ip netns exec LAB.a sysctl -qw net.bridge.bridge-nf-call-iptables=0", want: []string{"LAB.a ", "bridge-nf-call-iptables is 0, the lab says 1"}},
	{name: "wrong gateway in the pod", spoil: "ip -n LAB.client route replace default via 10.244.1.99", want: []string{"LAB.client", "route default", "via is 10.244.1.99", "lab says 10.244.1.1"}},
	{name: "no default route in the pod", spoil: "ip -n LAB.client route del default", want: []string{"LAB.client", "route default via 10.244.1.1 dev eth0 is missing"}},
	{name: "black hole", spoil: "ip -n LAB.a route replace blackhole 10.244.2.0/24", want: []string{"LAB.a ", "route 10.244.2.0/24", "blackhole"}},
	{name: "black hole in another table", spoil: "ip -n LAB.a route add blackhole 10.244.2.0/24 table 100; ip -n LAB.a rule add from 10.244.1.2 lookup 100", want: []string{"LAB.a ", "route blackhole 10.244.2.0/24 table 100 is there"}},
	{name: "more specific route", spoil: "ip -n LAB.a route add 10.244.2.2/32 via 172.30.0.4", want: []string{"LAB.a ", "route 10.244.2.2 via 172.30.0.4 dev eth0 is there"}},
	{name: "routing rule that prohibits", spoil: "ip -n LAB.a rule add from 10.244.1.0/24 prohibit pref 5", want: []string{"LAB.a ", "routing rule 5", "prohibit"}},
	{name: "kernel's routing rule gone", spoil: "ip -n LAB.a rule del pref 32766", want: []string{"LAB.a ", "without lookup main"}},
	{name: "route that prohibits services", spoil: "ip -n LAB.a route add prohibit 10.96.0.0/16", want: []string{"LAB.a ", "route prohibit 10.96.0.0/16 is there"}},
	{name: "another table, and what leads there", spoil: "ip -n LAB.a rule add from 10.244.1.0/24 lookup 77 pref 100; ip -n LAB.a route add default via 172.30.0.4 table 77", want: []string{"LAB.a ", "table 77 is there", "the routing rule 100: from 10.244.1.0/24 to all lookup 77 leads there"}},
	{name: "ICMP held back", spoil: "ip netns exec LAB.a sysctl -qw net.ipv4.icmp_ratelimit=100000", want: []string{"LAB.a ", "net.ipv4.icmp_ratelimit is 100000, the lab expects 1000"}},
	{name: "neighbour learned wrong", spoil: "ip -n LAB.client neigh replace 10.244.1.1 lladdr 02:00:00:00:00:99 dev eth0 nud reachable", want: []string{"LAB.client", "neighbour 10.244.1.1 on eth0 has the MAC 02:00:00:00:00:99, the lab says 02:"}},
	{name: "neighbour that is never asked for", spoil: "ip -n LAB.client neigh replace 10.244.1.1 lladdr 02:00:00:00:00:99 dev eth0 nud noarp", want: []string{"LAB.client", "neighbour 10.244.1.1 on eth0 is there", "02:00:00:00:00:99"}},
	{name: "neighbour written down wrong", spoil: "ip -n LAB.client neigh replace 10.244.1.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent", want: []string{"LAB.client", "permanent neighbour 10.244.1.1 on eth0 is there", "02:00:00:00:00:99"}},
	{name: "FDB entry of a bridge wrong", spoil: "bridge -n LAB.a fdb replace $(cat /dev/null; ip netns exec LAB.client cat /sys/class/net/eth0/address) dev veth-near master static sticky", want: []string{"LAB.a ", "FDB", "on veth-near is there"}},
	{name: "pings ignored", spoil: "ip netns exec LAB.web sysctl -qw net.ipv4.icmp_echo_ignore_all=1", mend: "ip netns exec LAB.web sysctl -qw net.ipv4.icmp_echo_ignore_all=0", want: []string{"LAB.web", "icmp_echo_ignore_all is 1"}},
}

// ruleFaults are about netfilter rules that are the lab's.
var ruleFaults = []faultCase{
	{name: "service chain flushed", spoil: "ip netns exec LAB.a iptables -t nat -F KUBE-SERVICES", want: []string{"LAB.a ", "nat KUBE-SERVICES: chain is empty"}, patient: true},
	{name: "jump to services missing", spoil: "ip netns exec LAB.a iptables -t nat -D PREROUTING -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES", want: []string{"LAB.a ", "nat PREROUTING: jump to KUBE-SERVICES is missing"}},
	{name: "rule of a service missing", spoil: "ip netns exec LAB.a iptables -t nat -D KUBE-SERVICES 1", want: []string{"LAB.a ", "nat KUBE-SERVICES: rule 1 is missing"}},
	{name: "endpoint's DNAT missing", spoil: "C=$(ip netns exec LAB.a iptables-save -t nat | grep 10.244.2.2:8080 | grep -o 'KUBE-SEP-[A-Z0-9]*' | head -1); ip netns exec LAB.a iptables -t nat -D $C 2", want: []string{"LAB.a ", "nat KUBE-SEP-", "rule 2 is missing"}},
	{name: "endpoint's DNAT to elsewhere", spoil: "C=$(ip netns exec LAB.a iptables-save -t nat | grep 10.244.2.2:8080 | grep -o 'KUBE-SEP-[A-Z0-9]*' | head -1); ip netns exec LAB.a iptables -t nat -R $C 2 -p tcp -j DNAT --to-destination 10.244.2.9:8080", want: []string{"LAB.a ", "nat KUBE-SEP-", "rule 2 is"}},
	{name: "no masquerade", spoil: "ip netns exec LAB.a iptables -t nat -D POSTROUTING -m comment --comment 'kubernetes postrouting rules' -j KUBE-POSTROUTING", want: []string{"LAB.a ", "nat POSTROUTING: jump to KUBE-POSTROUTING is missing"}},
	{name: "all rules flushed", spoil: "ip netns exec LAB.a iptables -t nat -F", want: []string{"LAB.a ", "netfilter rules differ from the lab's in"}},
	{name: "refusal missing", spoil: "ip netns exec LAB.a iptables -F KUBE-SERVICES", want: []string{"LAB.a ", "filter KUBE-SERVICES", "missing"}},
	{name: "FORWARD drops", spoil: "ip netns exec LAB.a iptables -P FORWARD DROP; ip netns exec LAB.a iptables -F FLANNEL-FWD", want: []string{"LAB.a ", "filter F"}},
	{name: "hairpin off", spoil: "bridge -n LAB.a link set dev veth-near hairpin off", want: []string{"LAB.a ", "port veth-near", "hairpin is off"}},
}

// peopleFaults are those that are no difference from the lab file.
var peopleFaults = []faultCase{
	{name: "rule in a chain of a student's", spoil: "ip netns exec LAB.b sh -ec 'iptables -N STUDENT; iptables -A STUDENT -p tcp --dport 8080 -j DROP; iptables -I FORWARD -j STUDENT'", mend: "ip netns exec LAB.b sh -ec 'iptables -D FORWARD -j STUDENT; iptables -F STUDENT; iptables -X STUDENT'", want: []string{"LAB.b ", "filter STUDENT rule 1", "--dport 8080 -j DROP"}},
	{name: "rule in a pod", spoil: "ip netns exec LAB.web iptables -A INPUT -p icmp -j DROP", mend: "ip netns exec LAB.web iptables -F", want: []string{"LAB.web", "filter INPUT rule 1", "icmp -j DROP"}},
	{name: "answers dropped where they are made", spoil: "ip netns exec LAB.web iptables -A OUTPUT -p tcp --tcp-flags SYN,ACK SYN,ACK -j DROP", mend: "ip netns exec LAB.web iptables -F", want: []string{"LAB.web", "filter OUTPUT rule 1", "SYN,ACK -j DROP"}},
	{name: "rejected", spoil: "ip netns exec LAB.b iptables -I FORWARD -d 10.244.2.2 -j REJECT", mend: "ip netns exec LAB.b iptables -D FORWARD -d 10.244.2.2 -j REJECT", want: []string{"LAB.b ", "filter FORWARD rule 1", "-j REJECT"}},
	{name: "connections not tracked", spoil: "ip netns exec LAB.a iptables -t raw -A PREROUTING -j CT --notrack", mend: "ip netns exec LAB.a iptables -t raw -F", want: []string{"LAB.a ", "raw PREROUTING rule 1", "CT --notrack"}},
	{name: "source rewritten", spoil: "ip netns exec LAB.a iptables -t nat -I POSTROUTING -s 10.244.1.2 -o vxlan1 -j SNAT --to-source 172.30.0.2", mend: "ip netns exec LAB.a iptables -t nat -D POSTROUTING -s 10.244.1.2 -o vxlan1 -j SNAT --to-source 172.30.0.2", want: []string{"LAB.a ", "nat POSTROUTING rule 1", "SNAT --to-source 172.30.0.2"}},
	{name: "TTL set", spoil: "ip netns exec LAB.a iptables -t mangle -A FORWARD -j TTL --ttl-set 1", mend: "ip netns exec LAB.a iptables -t mangle -F FORWARD", want: []string{"LAB.a ", "mangle FORWARD rule 1", "TTL --ttl-set 1"}},
	{name: "nine of ten packets lost", spoil: "ip netns exec LAB.b iptables -I FORWARD -m statistic --mode random --probability 0.9 -j DROP", mend: "ip netns exec LAB.b iptables -D FORWARD 1", want: []string{"LAB.b ", "FORWARD", "statistic", "DROP"}},
	{name: "nft table", spoil: "ip netns exec LAB.a nft 'add table inet x; add chain inet x f { type filter hook forward priority 0 ; }; add rule inet x f ip daddr 10.244.2.2 drop'", mend: "ip netns exec LAB.a nft delete table inet x", want: []string{"LAB.a ", "rule 1 of the nft chain f of table inet x: drop"}},
	{name: "nft table of a bridge", spoil: "ip netns exec LAB.a nft 'add table bridge x; add chain bridge x f { type filter hook forward priority -200 ; }; add rule bridge x f ip daddr 10.244.1.3 drop'", mend: "ip netns exec LAB.a nft delete table bridge x", want: []string{"LAB.a ", "rule 1 of the nft chain f of table bridge x: drop"}},
	{name: "nft table in the switch", spoil: "ip netns exec LAB.fabric nft 'add table bridge x; add chain bridge x f { type filter hook forward priority 0 ; }; add rule bridge x f udp dport 8472 drop'", mend: "ip netns exec LAB.fabric nft delete table bridge x", want: []string{"LAB.fabric", "rule 1 of the nft chain f of table bridge x: drop"}},
	{name: "nft table of an interface", spoil: "ip netns exec LAB.b nft 'add table netdev x; add chain netdev x f { type filter hook ingress device eth0 priority 0 ; }; add rule netdev x f udp dport 8472 drop'", mend: "ip netns exec LAB.b nft delete table netdev x", want: []string{"LAB.b ", "table netdev x"}},
	{name: "tunnel packets dropped where they are made", spoil: "ip netns exec LAB.a iptables -I OUTPUT -p udp --dport 8472 -j DROP", mend: "ip netns exec LAB.a iptables -D OUTPUT 1", want: []string{"LAB.a ", "filter OUTPUT rule 1", "--dport 8472 -j DROP"}},
	{name: "policy of a pod", spoil: "ip netns exec LAB.web iptables -P INPUT DROP", mend: "ip netns exec LAB.web iptables -P INPUT ACCEPT", want: []string{"LAB.web", "the policy of filter INPUT is DROP"}},
	{name: "policy of an nft chain", spoil: "ip netns exec LAB.web nft 'add table inet x; add chain inet x f { type filter hook input priority 0 ; policy drop ; }'", mend: "ip netns exec LAB.web nft delete table inet x", want: []string{"LAB.web", "policy of the nft chain f of table inet x is drop"}},
	{name: "nft table that translates", spoil: "ip netns exec LAB.a nft 'add table ip x; add chain ip x f { type nat hook prerouting priority -150 ; }; add rule ip x f ip daddr 10.96.0.80 tcp dport 80 dnat to 10.244.1.3:8080'", mend: "ip netns exec LAB.a nft delete table ip x", want: []string{"LAB.a ", "rule 1 of the nft chain f of table ip x makes 10.244.1.3:8080 of 10.96.0.80:80"}},
	{name: "two rules, of which one drops", spoil: "ip netns exec LAB.a sh -ec 'iptables -t mangle -A PREROUTING -j TOS --set-tos 0x10; iptables -t security -A FORWARD -j DROP'", mend: "ip netns exec LAB.a sh -ec 'iptables -t mangle -F PREROUTING; iptables -t security -F'", want: []string{"LAB.a ", "security FORWARD rule 1", "-j DROP"}},
	{name: "packets doubled", spoil: "ip netns exec LAB.a nft 'add table ip x; add chain ip x f { type filter hook prerouting priority 0 ; }; add rule ip x f dup to 172.30.0.3 device eth0'", mend: "ip netns exec LAB.a nft delete table ip x", want: []string{"LAB.a ", "table ip x"}},
	{name: "IPsec policy", spoil: "ip -n LAB.client xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out action block", mend: "ip -n LAB.client xfrm policy flush", want: []string{"LAB.client", "xfrm: policy src 0.0.0.0/0 dst 0.0.0.0/0 dir out action block"}},
	{name: "connections not awaited", spoil: "ip netns exec LAB.a sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_syn_sent=0 net.netfilter.nf_conntrack_icmp_timeout=0", want: []string{"LAB.a ", "net.netfilter.nf_conntrack_", "_timeout", " is 0, the lab expects"}},
	{name: "no room to send, beside a shorter queue", spoil: "ip netns exec LAB.client sysctl -qw net.ipv4.neigh.eth0.unres_qlen_bytes=200000 net.ipv4.tcp_notsent_lowat=0", mend: "ip netns exec LAB.client sysctl -qw net.ipv4.neigh.eth0.unres_qlen_bytes=212992", want: []string{"LAB.client", "net.ipv4.tcp_notsent_lowat is 0"}},
	{name: "no port to connect from", spoil: "ip netns exec LAB.client sysctl -qw net.ipv4.ip_local_reserved_ports=1024-65535", mend: "ip netns exec LAB.client sysctl -qw net.ipv4.ip_local_reserved_ports=", want: []string{"LAB.client", "net.ipv4.ip_local_reserved_ports is 1024-65535"}},
	{name: "nobody asked for a MAC", spoil: "ip netns exec LAB.client sysctl -qw net.ipv4.neigh.eth0.mcast_solicit=0; ip -n LAB.client neigh flush all", want: []string{"LAB.client", "net.ipv4.neigh.eth0.mcast_solicit is 0"}},
	{name: "server stopped", spoil: "for p in $(ip netns pids LAB.web); do grep -aq http /proc/$p/cmdline && kill -STOP $p || true; done; for p in $(ip netns pids LAB.web); do grep -aq pause /proc/$p/cmdline || kill -STOP $p; done", mend: "for p in $(ip netns pids LAB.web); do kill -CONT $p; done", want: []string{"LAB.web", "is stopped"}},
	{name: "server killed", spoil: "for p in $(ip netns pids LAB.web); do grep -aq pause /proc/$p/cmdline || kill -9 $p; done", want: []string{"LAB.web", "container web", "the lab says it runs"}},
}

// flatFaults are those of plain routes between nodes.
var flatFaults = []faultCase{
	{name: "route missing", spoil: "ip -n LAB.a route del 10.244.2.0/24", want: []string{"LAB.a ", "route 10.244.2.0/24 via 172.30.0.3 dev eth0 is missing"}},
	{name: "route to the wrong node", spoil: "ip -n LAB.a route replace 10.244.2.0/24 via 172.30.0.1", want: []string{"LAB.a ", "route 10.244.2.0/24", "via is 172.30.0.1", "lab says 172.30.0.3"}},
	{name: "node's address missing", spoil: "ip -n LAB.b addr flush dev eth0", want: []string{"LAB.b ", "address 172.30.0.3/24 on eth0 is missing"}},
}

// routedFaults are those of pods without a subnet.
var routedFaults = []faultCase{
	{name: "no proxy ARP", spoil: "D=$(ip -n LAB.a -o route show 10.244.1.2 | grep -o 'cali[0-9a-f]*'); ip netns exec LAB.a sysctl -qw net.ipv4.conf.$D.proxy_arp=0", want: []string{"LAB.a ", "proxy_arp is 0, the lab says 1"}},
	{name: "route to a pod missing", spoil: "ip -n LAB.a route del 10.244.1.2", want: []string{"LAB.a ", "route 10.244.1.2 dev cali", "is missing"}},
	{name: "pod's route to its gateway missing", spoil: "ip -n LAB.client route del default; ip -n LAB.client route del 169.254.1.1", want: []string{"LAB.client", "route ", "is missing"}},
}

// sixFaults are those of IPv6.
var sixFaults = []faultCase{
	{name: "IPv6 route missing", spoil: "ip -n LAB.client -6 route del default", want: []string{"LAB.client", "route default(v6)", "is missing"}},
	{name: "IPv6 forwarding off", spoil: "ip netns exec LAB.a sysctl -qw net.ipv6.conf.all.forwarding=0", want: []string{"LAB.a ", "net.ipv6.conf.all.forwarding is 0, the lab says 1"}},
	{name: "IPv6 address missing", spoil: "ip -n LAB.web -6 addr flush dev eth0 scope global", want: []string{"LAB.web", "address fd00:244:", "is missing"}},
	{name: "packets of IPv6 that live for one hop", spoil: "ip netns exec LAB.client sysctl -qw net.ipv6.conf.eth0.hop_limit=1", want: []string{"LAB.client", "net.ipv6.conf.eth0.hop_limit is 1, the lab expects 64"}},
	{name: "IPv6 rules flushed", spoil: "ip netns exec LAB.a ip6tables -t nat -F KUBE-SERVICES", want: []string{"LAB.a ", "nat KUBE-SERVICES"}},
}

// noneFaults are those of labs that leave the wiring to people.
var noneFaults = []faultCase{
	{name: "lab's own route missing", spoil: "ip -n LAB.a route del 10.244.2.0/24", want: []string{"LAB.a ", "route 10.244.2.0/24 via 172.30.0.3 dev eth0 is missing"}},
	{name: "black hole that a student put there", spoil: "ip -n LAB.a route add blackhole 10.244.2.2/32", mend: "ip -n LAB.a route del blackhole 10.244.2.2/32", want: []string{"LAB.a ", "10.244.2.2"}},
}
