package kerneltest

import (
	"net/netip"
	"strings"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netfilter"
)

// Lab is the lab that the contract works on.
const Lab = "kt"

// The namespaces of the lab: two nodes on one switch, and a pod.
const (
	nsA      = Lab + ".a"
	nsB      = Lab + ".b"
	nsPod    = Lab + ".pod"
	nsSwitch = Lab + ".sw"
)

func mac(n byte) labs.MAC              { return labs.MAC{2, 0, 0, 0, 0x6b, n} }
func addr(s string) netip.Addr         { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix     { return netip.MustParsePrefix(s) }
func via(gw, dev string) provision.Hop { return provision.Hop{Via: addr(gw), Dev: dev} }
func mainTable(r provision.Route) provision.Route {
	r.Table = provision.MainTable
	if r.Type == "" {
		r.Type = provision.Unicast
	}
	return r
}

// The objects that the cases speak of.
var (
	cableA = provision.Veth{
		A: provision.End{NS: nsA, Name: "eth0", MAC: mac(1), MTU: 1500, Up: true},
		B: provision.End{NS: nsSwitch, Name: "port-a", MAC: mac(2), MTU: 1500, Up: true},
	}
	cableB = provision.Veth{
		A: provision.End{NS: nsSwitch, Name: "port-b", MAC: mac(3), MTU: 1500, Up: true},
		B: provision.End{NS: nsB, Name: "eth0", MAC: mac(4), MTU: 1500, Up: true},
	}
	cablePod = provision.Veth{
		A: provision.End{NS: nsA, Name: "veth-pod", MAC: mac(5), MTU: 1450, Up: true},
		B: provision.End{NS: nsPod, Name: "eth0", MAC: mac(6), MTU: 1450, Up: true},
	}
	lan       = provision.Bridge{NS: nsSwitch, Name: "br0", MAC: mac(7), MTU: 1500, Up: true}
	cni       = provision.Bridge{NS: nsA, Name: "cni0", MAC: mac(8), MTU: 1450, Up: true}
	portA     = provision.Port{NS: nsSwitch, Dev: "port-a", Bridge: "br0"}
	portB     = provision.Port{NS: nsSwitch, Dev: "port-b", Bridge: "br0"}
	portPod   = provision.Port{NS: nsA, Dev: "veth-pod", Bridge: "cni0", Hairpin: true}
	primary   = provision.Addr{NS: nsA, Dev: "eth0", Prefix: prefix("10.0.0.1/24")}
	secondary = provision.Addr{NS: nsA, Dev: "eth0", Prefix: prefix("10.0.0.5/24")}
	addrB     = provision.Addr{NS: nsB, Dev: "eth0", Prefix: prefix("10.0.0.2/24")}
	addr6     = provision.Addr{NS: nsA, Dev: "eth0", Prefix: prefix("fd00::1/64")}
	addrPod   = provision.Addr{NS: nsPod, Dev: "eth0", Prefix: prefix("10.1.0.2/24")}
	addrCNI   = provision.Addr{NS: nsA, Dev: "cni0", Prefix: prefix("10.1.0.1/24")}
	vtep      = provision.VXLAN{
		NS: nsA, Name: "vxlan1", MAC: mac(9), MTU: 1450, Up: true,
		VNI: 1, Port: 8472, Local: addr("10.0.0.1"), Dev: "eth0",
	}
	addrVTEP   = provision.Addr{NS: nsA, Dev: "vxlan1", Prefix: prefix("10.1.0.0/32")}
	neighVTEP  = provision.Neigh{NS: nsA, Dev: "vxlan1", Addr: addr("10.1.1.0"), MAC: mac(10)}
	fdbVTEP    = provision.FDB{NS: nsA, Dev: "vxlan1", MAC: mac(10), Dst: addr("10.0.0.2")}
	routeVTEP  = mainTable(provision.Route{NS: nsA, To: prefix("10.1.1.0/24"), Hop: provision.Hop{Via: addr("10.1.1.0"), Dev: "vxlan1", OnLink: true}})
	neighA     = provision.Neigh{NS: nsA, Dev: "eth0", Addr: addr("10.0.0.77"), MAC: mac(11)}
	defaultA   = mainTable(provision.Route{NS: nsA, To: prefix("0.0.0.0/0"), Hop: via("10.0.0.2", "eth0")})
	routeSrc   = mainTable(provision.Route{NS: nsA, To: prefix("10.9.0.0/16"), Metric: 50, Hop: via("10.0.0.2", "eth0"), Src: addr("10.0.0.5")})
	blackhole  = mainTable(provision.Route{NS: nsA, To: prefix("10.8.0.0/16"), Type: provision.Blackhole})
	blackhole6 = mainTable(provision.Route{NS: nsA, To: prefix("fd08::/32"), Type: provision.Blackhole})
	ecmp       = mainTable(provision.Route{NS: nsA, To: prefix("10.7.0.0/16"), Hops: provision.JoinHops([]provision.Hop{
		via("10.0.0.2", "eth0"), via("10.1.0.2", "cni0"),
	})})
	ecmp6 = mainTable(provision.Route{NS: nsA, To: prefix("fd07::/32"), Hops: provision.JoinHops([]provision.Hop{
		via("fd00::2", "eth0"), via("fd00::3", "eth0"),
	})})
	route6     = mainTable(provision.Route{NS: nsA, To: prefix("::/0"), Hop: via("fd00::2", "eth0")})
	tableRoute = provision.Route{NS: nsA, Table: 300, To: prefix("0.0.0.0/0"), Type: provision.Unicast, Hop: via("10.1.0.2", "cni0")}
	defaultPod = mainTable(provision.Route{NS: nsPod, To: prefix("0.0.0.0/0"), Hop: via("10.1.0.1", "eth0")})
	rule       = provision.Rule{NS: nsA, Priority: 1000, From: prefix("10.5.0.0/16"), Iif: "cni0", Table: 300}
	rule6      = provision.Rule{NS: nsA, Priority: 1000, IPv6: true, To: prefix("fd05::/32"), Table: 300}
	forward    = provision.Sysctl{NS: nsA, Name: "net.ipv4.ip_forward", Value: "1"}
	proxyARP   = provision.Sysctl{NS: nsA, Name: "net.ipv4.conf.veth-pod.proxy_arp", Dev: "veth-pod", Value: "1"}
	hosts      = provision.File{Lab: Lab, Name: "hosts", Content: "127.0.0.1 localhost\n10.0.0.1 a\n", Mode: provision.FileMode}
	rules      = provision.Ruleset{NS: nsA, Text: ruleText("10.1.0.0/24", "ACCEPT")}
	pausePod   = provision.Pause{NS: nsPod, Hostname: "pod", Process: provision.Running}
	rules6     = provision.Ruleset{NS: nsA, IPv6: true, Text: ruleText("fd07::/32", "DROP")}
)

// ruleText is a ruleset with a chain of ours in two tables.
func ruleText(subnet, verdict string) netfilter.Text {
	b := netfilter.NewBuilder(strings.Contains(subnet, ":"))
	b.Rule("nat", "-A POSTROUTING -j NETLAB-TEST")
	b.Rule("nat", "-A NETLAB-TEST -s "+subnet+" ! -d "+subnet+" -j MASQUERADE")
	b.Rule("filter", "-A FORWARD -j NETLAB-FWD")
	b.Rule("filter", "-A NETLAB-FWD -s "+subnet+" -m comment --comment \"of the pods\" -j "+verdict)
	return b.Build()
}

func namespace(name, kind string) provision.Namespace {
	return provision.Namespace{
		Name: name, Mark: provision.Mark(Lab, kind, name[len(Lab)+1:]),
		Loopback: "up", Rules: "default", Names: true, Witness: true,
	}
}

// want is the lab: each kind of object that a kernel can be asked for.
func want(changes ...provision.Object) provision.State {
	objects := []provision.Object{
		namespace(nsA, "node"), namespace(nsB, "node"), namespace(nsPod, "pod"), namespace(nsSwitch, "bridge"),
		// Hosts differ in it, and namespaces inherit it from them.
		provision.Sysctl{NS: nsA, Name: "net.ipv4.conf.all.promote_secondaries", Value: "0"},
		provision.Sysctl{NS: nsA, Name: "net.ipv4.conf.default.promote_secondaries", Value: "0"},
		hosts, forward, proxyARP,
		cableA, cableB, cablePod, lan, cni, vtep, portA, portB, portPod,
		primary, secondary, addr6, addrB, addrPod, addrCNI, addrVTEP,
		neighVTEP, neighA, fdbVTEP,
		routeVTEP, defaultA, routeSrc, blackhole, blackhole6, ecmp, ecmp6, route6, tableRoute, defaultPod,
		rule, rule6, rules, rules6, pausePod,
	}
	return provision.NewState(Lab, append(objects, changes...)...)
}
