package verify

import (
	"cmp"
	"net/netip"
	"slices"

	"netlab/labs"
)

// maxHops ends a walk that goes in circles, as the TTL does.
const maxHops = 64

// network follows packets through a lab on paper: interfaces, routes, rules
// and masquerades as the lab file has them. It knows no filters.
type network struct {
	lab         *labs.Lab
	nodes       map[string]*labs.Node
	fibs        map[string]*fib
	bridgeAddrs map[string][]netip.Addr
	onBridge    map[string]map[netip.Addr]string // node that has an address on a bridge
}

func newNetwork(lab *labs.Lab) *network {
	t := &network{
		lab: lab, nodes: map[string]*labs.Node{}, fibs: map[string]*fib{},
		bridgeAddrs: map[string][]netip.Addr{}, onBridge: map[string]map[netip.Addr]string{},
	}
	for _, b := range lab.Bridges {
		for _, p := range b.Gateways {
			t.bridgeAddrs[b.Name] = append(t.bridgeAddrs[b.Name], p.Addr())
		}
	}
	for i := range lab.Nodes {
		n := &lab.Nodes[i]
		t.nodes[n.Name] = n
		for _, i := range n.Interfaces {
			if i.Bridge == "" {
				continue
			}
			if t.onBridge[i.Bridge] == nil {
				t.onBridge[i.Bridge] = map[netip.Addr]string{}
			}
			for _, p := range i.Addrs {
				t.onBridge[i.Bridge][p.Addr()] = n.Name
			}
		}
	}
	for i := range lab.Nodes {
		t.fibs[lab.Nodes[i].Name] = t.newFIB(&lab.Nodes[i])
	}
	return t
}

// ownerOn returns the node that has address a on a bridge, or "".
func (t *network) ownerOn(bridge string, a netip.Addr) string { return t.onBridge[bridge][a] }

// source returns the address that a packet from a node to dst gets.
func (t *network) source(node string, dst netip.Addr) (netip.Addr, bool) {
	w, ok := t.fibs[node].lookup(packet{dst: dst})
	if !ok {
		return netip.Addr{}, false
	}
	return w.hops[0].Src, w.hops[0].Src.IsValid()
}

// bothWays reports whether packets get from src at one node to dst at another
// and answers back.
func (t *network) bothWays(from string, src netip.Addr, to string, dst netip.Addr) bool {
	if !dst.IsValid() {
		return false
	}
	there, ok := t.walk(from, src, dst)
	if !ok || there.at != to {
		return false
	}
	back, ok := t.answer(there, dst)
	return ok && back.at == from
}

// ping reports whether a node reaches dst and gets an answer, and what is left
// of the answer's TTL then: 0 if that depends on the way it takes.
func (t *network) ping(from string, dst netip.Addr) (ttl uint8, ok bool) {
	src, ok := t.source(from, dst)
	if !ok {
		return 0, false
	}
	there, ok := t.walk(from, src, dst)
	if !ok {
		return 0, false
	}
	back, ok := t.answer(there, dst)
	switch {
	case !ok || back.at != from:
		return 0, false
	case back.unsure:
		return 0, true
	}
	return uint8(maxHops - back.hops), true
}

// trail is where a packet got to and what happened to it on the way.
type trail struct {
	at      string     // node it arrived at
	src     netip.Addr // its source address there
	hops    int        // routers that forwarded it
	unsure  bool       // ways of different length were possible
	several bool       // there were several ways
	routers []string   // that forwarded it
	nats    []nat
}

// nat is a translation of a source address that a node remembers.
type nat struct {
	at   string
	addr netip.Addr
}

// answer follows the answer to a packet, which every node that translated the
// packet translates back.
func (t *network) answer(there trail, src netip.Addr) (trail, bool) {
	back, ok := t.walk(there.at, src, there.src)
	hops, unsure := back.hops, back.unsure
	for _, n := range slices.Backward(there.nats) {
		if !ok || back.at != n.at {
			return trail{}, false
		}
		back, ok = t.forward(n.at, packet{src: src, dst: n.addr}, 1)
		hops, unsure = hops+back.hops, unsure || back.unsure
	}
	back.hops, back.unsure = hops, unsure
	return back, ok
}

// walk follows a packet that a node sends.
func (t *network) walk(from string, src, dst netip.Addr) (trail, bool) {
	return t.forward(from, packet{src: src, dst: dst}, 0)
}

// forward follows p from a node on. Of several next hops all must lead to the
// same node.
func (t *network) forward(node string, p packet, hops int) (trail, bool) {
	if hops >= maxHops {
		return trail{}, false
	}
	n := t.nodes[node]
	w, ok := t.fibs[node].lookup(p)
	switch {
	case !ok:
		return trail{}, false
	case w.local:
		return trail{at: node, src: p.src, hops: max(hops-1, 0)}, true
	case hops > 0 && !forwards(n, p.dst):
		return trail{}, false
	}
	var all trail
	for i, h := range w.hops {
		one, ok := t.step(n, p, h, hops)
		switch {
		case !ok || i > 0 && (one.at != all.at || one.src != all.src):
			return trail{}, false
		case i == 0:
			all = one
		case one.hops != all.hops:
			all.unsure = true
		}
		all.unsure = all.unsure || one.unsure
		all.several = all.several || one.several || len(w.hops) > 1
	}
	if hops > 0 {
		all.routers = append([]string{node}, all.routers...)
	}
	return all, true
}

// step sends p through one next hop.
func (t *network) step(n *labs.Node, p packet, h Hop, hops int) (trail, bool) {
	hop := h.Via
	if !hop.IsValid() {
		hop = p.dst
	}
	next, iif := t.neighbour(n, h.Dev, hop)
	if next == "" {
		return trail{}, false
	}
	var nats []nat
	src := p.src
	for _, m := range n.Masquerade {
		if m.Out == h.Dev && m.From.Contains(src) {
			nats, src = []nat{{n.Name, src}}, sourceOn(n, h.Dev, hop)
			break
		}
	}
	if t.strict(next, iif, packet{src: p.dst, dst: src}) {
		return trail{}, false
	}
	one, ok := t.forward(next, packet{src: src, dst: p.dst, iif: iif}, hops+1)
	one.nats = append(nats, one.nats...)
	return one, ok
}

// entry returns the first member of the cluster that a packet from a machine
// to an address that nobody has comes to.
func (t *network) entry(from string, dst netip.Addr) (node string, ok bool) {
	p := packet{dst: dst}
	for range maxHops {
		w, ok := t.fibs[from].lookup(p)
		if !ok || w.local || len(w.hops) != 1 {
			return "", false
		}
		hop := cmp.Or(w.hops[0].Via, dst)
		next, iif := t.neighbour(t.nodes[from], w.hops[0].Dev, hop)
		if next == "" || t.nodes[next].Cluster {
			return next, next != ""
		}
		if !forwards(t.nodes[next], dst) {
			return "", false
		}
		from, p.iif = next, iif
	}
	return "", false
}

// neighbour returns the node that has address a on the link behind a device,
// and the device by which it is on that link.
func (t *network) neighbour(n *labs.Node, dev string, a netip.Addr) (node, iif string) {
	for _, i := range n.Interfaces {
		switch {
		case i.Name != dev:
		case i.Bridge != "":
			node = t.ownerOn(i.Bridge, a)
			if node != "" {
				iif = connected(t.nodes[node], a)
			}
			return node, iif
		default:
			if connected(t.nodes[i.PeerNode], a) == i.PeerIface && t.owns(i.PeerNode, a) {
				return i.PeerNode, i.PeerIface
			}
			return "", ""
		}
	}
	if dev == t.lab.Network.VXLANIface && dev != "" {
		for i := range t.lab.Nodes {
			if far := &t.lab.Nodes[i]; far.Cluster && vtep(far, a) == a {
				return far.Name, dev
			}
		}
	}
	return "", ""
}

// owns reports whether a is an address of an interface of the node.
func (t *network) owns(node string, a netip.Addr) bool {
	w, ok := t.fibs[node].best(localTable, a)
	return ok && w.local
}

// forwards reports whether n passes on packets of dst's family.
func forwards(n *labs.Node, dst netip.Addr) bool {
	name := "net.ipv4.ip_forward"
	if dst.Is6() {
		name = "net.ipv6.conf.all.forwarding"
	}
	if v, ok := sysctl(n, name); ok {
		return v != "0"
	}
	return n.Forwards()
}

// strict reports whether node drops a packet because the way back to its
// source does not lead through the device it came in by.
func (t *network) strict(node, iif string, back packet) bool {
	n := t.nodes[node]
	on := false
	for _, name := range []string{"all", iif} {
		v, _ := sysctl(n, "net.ipv4.conf."+name+".rp_filter")
		on = on || v == "1"
	}
	if !on || back.dst.Is6() {
		return false
	}
	w, ok := t.fibs[node].lookup(packet{dst: back.dst})
	return !ok || !slices.ContainsFunc(w.hops, func(h Hop) bool { return h.Dev == iif })
}

// sysctl returns what the lab file sets a kernel parameter of n to.
func sysctl(n *labs.Node, name string) (value string, ok bool) {
	for _, s := range n.Sysctls {
		if s.Name == name {
			value, ok = s.Value, true
		}
	}
	return value, ok
}
