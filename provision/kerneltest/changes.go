package kerneltest

import "netlab/provision"

// change is the lab with one object different.
type change struct {
	name    string
	to      provision.Object
	inPlace bool // one update does it
}

func changes() []change {
	cable := cableA
	cable.A.MTU, cable.B.MTU, cable.A.MAC = 1400, 1400, mac(50)
	down := cableB
	down.A.Up = false
	bridge := cni
	bridge.MTU, bridge.MAC, bridge.Snooping = 1400, mac(51), true
	tunnel := vtep
	tunnel.MTU, tunnel.MAC = 1400, mac(52)
	vni := vtep
	vni.VNI = 7
	port := portA
	port.Hairpin = true
	plain := portPod
	plain.Hairpin = false
	neigh := neighVTEP
	neigh.MAC = mac(53)
	fdb := fdbVTEP
	fdb.Dst = addr("10.0.0.3")
	hop := defaultA
	hop.Hop = via("10.0.0.3", "eth0")
	hole := defaultA
	hole.Type, hole.Hop = provision.Blackhole, provision.Hop{}
	hops := ecmp
	hops.Hops = provision.JoinHops([]provision.Hop{via("10.0.0.3", "eth0"), via("10.0.0.4", "eth0"), via("10.1.0.2", "cni0")})
	hops6 := ecmp6
	hops6.Hops = provision.JoinHops([]provision.Hop{via("fd00::4", "eth0"), via("fd00::5", "eth0"), via("fd00::6", "eth0")})
	hop6 := route6
	hop6.Hop = via("fd00::3", "eth0")
	several := defaultA
	several.Hop, several.Hops = provision.Hop{}, provision.JoinHops([]provision.Hop{via("10.0.0.2", "eth0"), via("10.0.0.3", "eth0")})
	sysctl := forward
	sysctl.Value = "0"
	file := hosts
	file.Content = "127.0.0.1 localhost\n"
	text := rules
	text.Text = ruleText("10.1.0.0/24", "DROP")
	return []change{
		{"MTU and MAC of a cable", cable, false}, // the VXLAN device below follows its underlay's MTU
		{"MTU, MAC and snooping of a bridge", bridge, true},
		{"MTU and MAC of a VXLAN device", tunnel, true},
		{"VNI", vni, false},
		{"one end of a cable down", down, false}, // and with it routes and neighbours
		{"hairpin mode on", port, true},
		{"hairpin mode off", plain, true},
		{"MAC of a neighbour", neigh, true},
		{"VTEP of a MAC", fdb, true},
		{"next hop", hop, true},
		{"next hop of IPv6", hop6, true},
		{"a route into a black hole", hole, true},
		{"next hops", hops, true},
		{"next hops of IPv6", hops6, false},
		{"one next hop becomes two", several, true},
		{"sysctl", sysctl, true},
		{"file", file, true},
		{"a netfilter chain", text, true},
	}
}

// disturbances are what people do by hand.
func disturbances() []change {
	down, far := cableA, cableA
	down.A.Up = false
	far.B.Up = false
	mac1 := cableA
	mac1.A.MAC = mac(60)
	tunnel := vtep
	tunnel.Up = false
	bridge := cni
	bridge.Up = false
	lanDown := lan
	lanDown.Up = false
	stp := lan
	stp.STP = true
	sysctl := proxyARP
	sysctl.Value = "0"
	return []change{
		{name: "a cable set down", to: down},
		{name: "the far end of a cable set down", to: far},
		{name: "another MAC", to: mac1},
		{name: "a VXLAN device set down", to: tunnel},
		{name: "a bridge set down", to: bridge},
		{name: "a switch set down", to: lanDown},
		{name: "STP", to: stp},
		{name: "a sysctl of an interface", to: sysctl},
	}
}
