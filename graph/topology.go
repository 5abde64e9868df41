package graph

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"netlab/labs"
)

// Topology is a lab as it is to be drawn. It is built by [New] and only read
// afterwards.
type Topology struct {
	lab  *labs.Lab
	live *Live
	opt  Options

	bridges  []*bridge
	nodes    []*node
	services []*service
	nets     []*net
	numbers  map[string][]int // numbers of the services of which a pod is an endpoint, by its ID
}

type bridge struct {
	thing
	uplink bool
}

// node is a machine, what it holds, and its sockets.
type node struct {
	thing
	cluster bool
	sockets []*socket
	inner   *thing // cni0, or the routes instead; nil for hosts
	tunnel  *thing // the tunnel's device, or nil
	pods    []*pod
}

// socket is an interface of a node.
type socket struct {
	name  string
	lines []string
	net   *net
}

type pod struct {
	thing
	pod   *labs.Pod
	cable level // of the cable to the node
	why   string
}

type service struct {
	thing
	service *labs.Service
	number  int      // from 1, in the order of the lab file
	ports   []string // in words
	pods    []*pod   // its endpoints, each once
	others  []string // endpoints that are no pods
}

// net is what joins nodes: a bridge, a cable or a tunnel.
type net struct {
	kind string // kindBridge, kindTunnel, or kindCable
	name string
	on   *bridge // kindBridge
	ends []end
	note string // of a tunnel
}

const kindCable = "cable"

// end is where a net is joined to a node.
type end struct {
	node   int // index
	socket int // index, or -1 for the tunnel's device
	level  level
	why    string
}

// New prepares a picture of lab. live is nil unless somebody looked how the lab
// is; its endpoints should then be those of the readiness that was seen.
func New(lab *labs.Lab, opt Options, live *Live) *Topology {
	t := &Topology{lab: lab, live: live, opt: opt, numbers: map[string][]int{}}
	byName := map[string]*net{}
	for i := range lab.Bridges {
		b := t.newBridge(&lab.Bridges[i])
		t.bridges = append(t.bridges, b)
		n := &net{kind: kindBridge, name: b.name, on: b}
		byName[b.name] = n
		t.nets = append(t.nets, n)
	}
	index := map[string]int{}
	for i := range lab.Nodes {
		index[lab.Nodes[i].Name] = i
		t.nodes = append(t.nodes, t.newNode(&lab.Nodes[i]))
	}
	for i := range lab.Nodes {
		t.plug(i, index, byName)
	}
	if lab.Network.Mode == labs.ModeVXLAN {
		t.tunnel()
	}
	pods := map[string]*pod{}
	for i := range lab.Pods {
		p := t.newPod(&lab.Pods[i])
		at := t.nodes[index[lab.Pods[i].Node]]
		at.pods = append(at.pods, p)
		pods[lab.Pods[i].ID()] = p
	}
	for i := range lab.Services {
		t.services = append(t.services, t.newService(i, pods))
	}
	return t
}

// plug joins the interfaces of a node to what they are plugged into. A cable
// between two nodes is made at the first of its ends.
func (t *Topology) plug(i int, index map[string]int, bridges map[string]*net) {
	n := &t.lab.Nodes[i]
	for k := range n.Interfaces {
		f := &n.Interfaces[k]
		s := t.nodes[i].sockets[k]
		if f.Bridge != "" {
			s.net = bridges[f.Bridge]
			seen, l := t.live.cable(Device{n.NS, f.Name}, Device{t.lab.Bridge(f.Bridge).NS, f.Port})
			s.net.ends = append(s.net.ends, end{i, k, l, strings.Join(seen.Differences, "; ")})
			continue
		}
		if s.net != nil {
			continue
		}
		j := index[f.PeerNode]
		peer := &t.lab.Nodes[j]
		m := slices.IndexFunc(peer.Interfaces, func(x labs.Interface) bool { return x.Name == f.PeerIface })
		seen, l := t.live.cable(Device{n.NS, f.Name}, Device{peer.NS, f.PeerIface})
		why := strings.Join(seen.Differences, "; ")
		s.net = &net{kind: kindCable, name: n.Name + ":" + f.Name + " – " + peer.Name + ":" + f.PeerIface, ends: []end{{i, k, l, why}, {j, m, l, why}}}
		t.nodes[j].sockets[m].net = s.net
		t.nets = append(t.nets, s.net)
	}
}

// tunnel joins the nodes of the cluster by VXLAN.
func (t *Topology) tunnel() {
	w := t.lab.Network
	tunnel := &net{kind: kindTunnel, name: fmt.Sprintf("VXLAN %d", w.VNI), note: fmt.Sprintf("UDP port %d", w.VXLANPort)}
	for i, n := range t.nodes {
		if n.cluster {
			tunnel.ends = append(tunnel.ends, end{i, -1, n.tunnel.level, strings.Join(n.tunnel.seen.Differences, "; ")})
		}
	}
	if len(tunnel.ends) > 1 {
		t.nets = append(t.nets, tunnel)
	}
}

func (t *Topology) newBridge(b *labs.Bridge) *bridge {
	out := &bridge{uplink: b.Uplink, thing: thing{id: slug(kindBridge, b.Name), kind: kindBridge, name: b.Name}}
	out.seen, out.level = t.live.space(b.NS)
	subnet := ""
	for _, s := range t.lab.Subnets {
		if s.Name == b.Subnet {
			subnet = joined(s.Prefixes, prefixText)
		}
	}
	gateway := joined(b.Gateways, prefixText)
	out.add(t.opt.Addresses && gateway != "", "address", gateway)
	out.add(t.opt.Addresses && gateway == "", "subnet", subnet)
	out.add(t.opt.MACs, "MAC", b.MAC.String())
	out.add(t.opt.Interfaces, "interface", "br0")
	out.add(false, "network namespace", b.NS)
	return out
}

// add notes a fact, and shows its value if asked to.
func (t *thing) add(show bool, name, value string) {
	if value == "" {
		return
	}
	t.facts = append(t.facts, fact{name, value})
	if show {
		t.lines = append(t.lines, value)
	}
}

func (t *Topology) newNode(n *labs.Node) *node {
	out := &node{cluster: n.Cluster, thing: thing{id: slug(kindNode, n.Name), kind: nodeKind(n), name: n.Name}}
	out.seen, out.level = t.live.space(n.NS)
	if len(n.PodSubnets) > 0 {
		out.add(false, "pod subnet", joined(n.PodSubnets, prefixText))
		if t.opt.Addresses {
			out.lines = append(out.lines, "pods "+joined(n.PodSubnets, prefixText))
		}
	}
	for i := range n.Interfaces {
		f := &n.Interfaces[i]
		other := f.Port
		if f.PeerNode != "" {
			other = f.PeerNode + ":" + f.PeerIface
		}
		s := &socket{name: f.Name}
		if t.opt.Interfaces {
			s.lines = append(s.lines, f.Name+" – "+other)
		}
		if t.opt.Addresses {
			s.lines = append(s.lines, prefixText(f.Addrs)...)
		}
		if t.opt.MACs {
			s.lines = append(s.lines, f.MAC.String())
		}
		out.sockets = append(out.sockets, s)
		out.add(false, f.Name, strings.Join(append(prefixText(f.Addrs), f.MAC.String(), "to "+other), " "))
	}
	out.add(false, "network namespace", n.NS)
	if n.Cluster {
		t.equip(out, n)
	}
	return out
}

// equip gives a node of the cluster its devices.
func (t *Topology) equip(out *node, n *labs.Node) {
	if t.lab.Network.Mode == labs.ModeRouted {
		out.inner = &thing{id: slug(kindRoutes, n.Name), kind: kindRoutes, name: "routes"}
	} else {
		gateways := joined(n.PodGateways, addrText)
		out.inner = &thing{id: slug(kindSwitch, n.Name), kind: kindSwitch, name: "cni0"}
		out.inner.add(t.opt.Addresses, "address", gateways)
		out.inner.add(t.opt.MACs, "MAC", n.BridgeMAC.String())
		out.inner.seen, out.inner.level = t.live.cable(Device{n.NS, "cni0"})
		out.add(false, "cni0", gateways+" "+n.BridgeMAC.String())
	}
	if t.lab.Network.Mode != labs.ModeVXLAN {
		return
	}
	name := t.lab.Network.VXLANIface
	out.tunnel = &thing{id: slug(kindTunnel, n.Name), kind: kindTunnel, name: name}
	var first []string
	for _, s := range n.PodSubnets {
		first = append(first, s.Addr().String())
	}
	out.tunnel.add(t.opt.Addresses, "address", strings.Join(first, " "))
	out.tunnel.add(t.opt.MACs, "MAC", n.VXLANMAC.String())
	out.tunnel.seen, out.tunnel.level = t.live.cable(Device{n.NS, name})
	out.add(false, name, strings.Join(first, " ")+" "+n.VXLANMAC.String())
}

func (t *Topology) newPod(p *labs.Pod) *pod {
	out := &pod{pod: p, thing: thing{id: slug(kindPod, p.Namespace, p.Name), kind: kindPod, name: plainName(p.Namespace, p.Name)}}
	out.seen, out.level = t.live.space(p.NS)
	out.add(false, "address", joined(p.Addrs, prefixText))
	if t.opt.Addresses {
		out.lines = append(out.lines, prefixText(p.Addrs)...)
	}
	out.add(t.opt.MACs, "MAC", p.MAC.String())
	out.add(t.opt.Interfaces, "interface", "eth0 – "+p.HostIface)
	out.add(false, "MAC of "+p.HostIface, p.HostMAC.String())
	out.add(false, "on", p.Node)
	if !p.Ready {
		out.facts = append(out.facts, fact{"ready", "no"})
		out.lines = append(out.lines, "not ready")
	}
	out.add(false, "network namespace", p.NS)
	seen, l := t.live.cable(Device{p.NS, "eth0"}, Device{t.lab.Node(p.Node).NS, p.HostIface})
	out.cable, out.why = l, strings.Join(seen.Differences, "; ")
	return out
}

func (t *Topology) newService(i int, pods map[string]*pod) *service {
	s := &t.lab.Services[i]
	out := &service{service: s, number: i + 1, thing: thing{id: slug(kindService, s.Namespace, s.Name), kind: kindService, name: plainName(s.Namespace, s.Name)}}
	out.seen, out.level = t.live.service(s.ID())
	out.add(false, "type", serviceKind(s))
	out.add(t.opt.Addresses, "cluster address", joined(s.ClusterIPs, addrText))
	out.add(t.opt.Addresses, "external addresses", joined(s.ExternalIPs, addrText))
	for k := range s.Ports {
		p := &s.Ports[k]
		out.ports = append(out.ports, portText(p))
		for _, e := range p.Endpoints {
			q := pods[e.Pod]
			switch {
			case q == nil:
				if text := netip.AddrPortFrom(e.Addr, e.Port).String(); !slices.Contains(out.others, text) {
					out.others = append(out.others, text)
				}
			case !slices.Contains(out.pods, q):
				out.pods = append(out.pods, q)
				t.numbers[e.Pod] = append(t.numbers[e.Pod], out.number)
			}
		}
	}
	out.add(false, "ports", strings.Join(out.ports, "; "))
	out.add(false, "endpoints", strings.Join(out.endpoints(), ", "))
	return out
}

// serviceKind says how a service is reached.
func serviceKind(s *labs.Service) string {
	if s.Headless {
		return "headless"
	}
	return string(s.Type)
}

// endpoints names what is behind a service.
func (s *service) endpoints() []string {
	var names []string
	for _, p := range s.pods {
		names = append(names, p.name)
	}
	return append(names, s.others...)
}

// Summary says in words what a lab consists of.
func (t *Topology) summary() string {
	kinds := map[string]int{}
	for _, n := range t.nodes {
		kinds[n.kind]++
	}
	var words []string
	if kinds[kindNode] > 0 {
		words = append(words, "mode "+string(t.lab.Network.Mode))
	}
	for _, k := range []string{kindNode, kindHost, kindRouter} {
		if kinds[k] > 0 {
			words = append(words, count(kinds[k], k))
		}
	}
	if n := len(t.lab.Pods); n > 0 {
		words = append(words, count(n, "pod"))
	}
	if n := len(t.services); n > 0 {
		words = append(words, count(n, "service"))
	}
	return strings.Join(words, " · ")
}

// health says in words how a lab is, and how well that is.
func (t *Topology) health() (string, level) {
	if t.live == nil {
		return "", unknown
	}
	worst := well
	for _, f := range t.live.Spaces {
		worst = max(worst, f.level())
	}
	if t.live.State != "up" {
		worst = max(worst, drifted)
	}
	if len(t.live.Failures) > 0 {
		worst = failing
	}
	if t.live.Checks == "" {
		return t.live.State, worst
	}
	return t.live.State + ", " + t.live.Checks, worst
}
