package labs

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Pin writes into a lab file what follows from the order of its lists: pod
// subnets and addresses of nodes, addresses of pods and services, node ports,
// priorities of rules. The lab stays the same; afterwards an entry can be
// removed, or put elsewhere, and nothing else is renumbered.
//
// The diagnostics say what is wrong with the lab, or what cannot be written;
// then there is no result.
func Pin(file string, data []byte) ([]byte, Diagnostics) {
	spec, _ := Parse(file, data)
	lab, diags := Resolve(spec, Options{})
	if lab == nil {
		return nil, diags
	}
	r := &report{file: file}
	p := &pinner{report: r, editor: newEditor(data), root: r.document(data)}
	p.nodes(spec, lab)
	p.pods(spec, lab)
	p.services(spec, lab)
	out := p.apply()
	if found := r.sorted(); found.HasErrors() {
		return nil, found
	}
	if again, _ := Load(file, out); again == nil || !alike(lab, again) {
		r.errorf(Place{}, "write them by hand: netlab status shows them", "the addresses cannot be written into this file")
		return nil, r.sorted()
	}
	return out, nil
}

// pinner collects what is to be written.
type pinner struct {
	*report
	*editor
	root *yaml.Node
}

func (p *pinner) nodes(spec *Spec, lab *Lab) {
	for i := range spec.Nodes.Items {
		s := &spec.Nodes.Items[i]
		n := lab.Node(s.Name.Value)
		if n.Cluster {
			p.addresses(s.Place, "podSubnet", s.PodSubnet, texts(n.PodSubnets))
		}
		if !s.Interfaces.Written() {
			p.firstInterface(s, n)
		}
		for k := range s.Interfaces.Items {
			is := &s.Interfaces.Items[k]
			if f := n.iface(is.Name.Value); f != nil && f.Bridge != "" {
				p.addresses(is.Place, "ip", is.IP, addrs(f.Addrs))
			}
		}
		for k := range s.Rules.Items {
			if rs := &s.Rules.Items[k]; !rs.Priority.Written() {
				p.add(rs.Place, "priority", strconv.Itoa(n.Rules[k].Priority))
			}
		}
	}
}

// firstInterface writes down the interface that a node has by default.
func (p *pinner) firstInterface(s *NodeSpec, n *Node) {
	for _, f := range n.Interfaces {
		if f.Bridge != "" {
			p.add(s.Place, "interfaces", "[{name: "+f.Name+", bridge: "+f.Bridge+", ip: "+flow(addrs(f.Addrs))+"}]")
			return
		}
	}
}

// iface returns an interface of n by its name, or nil.
func (n *Node) iface(name string) *Interface {
	for i := range n.Interfaces {
		if n.Interfaces[i].Name == name {
			return &n.Interfaces[i]
		}
	}
	return nil
}

func (p *pinner) pods(spec *Spec, lab *Lab) {
	for i := range spec.Pods.Items {
		s := &spec.Pods.Items[i]
		pod := lab.Pod(s.Namespace.Or(defaultNamespace), s.Name.Value)
		p.addresses(s.Place, "ip", s.IP, addrs(pod.Addrs))
	}
}

func (p *pinner) services(spec *Spec, lab *Lab) {
	for i := range spec.Services.Items {
		s := &spec.Services.Items[i]
		svc := lab.Service(s.Namespace.Or(defaultNamespace), s.Name.Value)
		if !svc.Headless {
			p.clusterIPs(s, texts(svc.ClusterIPs))
		}
		for k := range s.Ports.Items {
			if ps := &s.Ports.Items[k]; svc.Ports[k].NodePort != 0 && !ps.NodePort.Written() {
				p.add(ps.Place, "nodePort", strconv.Itoa(int(svc.Ports[k].NodePort)))
			}
		}
	}
}

func (p *pinner) clusterIPs(s *ServiceSpec, ips []string) {
	switch {
	case s.ClusterIPs.Written():
		if len(s.ClusterIPs.Items) < len(ips) {
			p.set(s.ClusterIPs.Place, flow(ips))
		}
	case s.ClusterIP.Written() && len(ips) > 1:
		p.set(s.ClusterIP.Place, flow(ips))
		p.rename(s.Place, "clusterIP", "clusterIPs")
	case s.ClusterIP.Written():
	case len(ips) == 1:
		p.add(s.Place, "clusterIP", flow(ips))
	case len(ips) > 1:
		p.add(s.Place, "clusterIPs", flow(ips))
	}
}

// addresses writes down values of which the author wrote some or none.
func (p *pinner) addresses(owner Place, key string, written Several[string], all []string) {
	switch {
	case len(all) == 0 || len(written.Items) >= len(all):
	case written.Written():
		p.set(written.Place, flow(all))
	default:
		p.add(owner, key, flow(all))
	}
}

func texts[T interface{ String() string }](list []T) []string {
	var out []string
	for _, x := range list {
		out = append(out, x.String())
	}
	return out
}

// addrs writes addresses without their length.
func addrs(list []netip.Prefix) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.Addr().String())
	}
	return out
}

// flow writes one value as it is, several as a list. IPv6 needs quotes.
func flow(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = v
		if strings.Contains(v, ":") {
			quoted[i] = `"` + v + `"`
		}
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// find returns the value that stands at a place, which no alias may stand for:
// what is written once and used twice cannot have two addresses.
func (p *pinner) find(at Place) *yaml.Node {
	n, through := nodeAt(p.root, at.Pos)
	switch {
	case n == nil:
		p.errorf(at, "write its address by hand", "the place of an address cannot be found")
	case through:
		p.errorf(at, "write it out where it is used", "is shared through an alias, so no address can be written into it")
		return nil
	}
	return n
}

// nodeAt returns the node at a position, and whether an alias stands for it or
// for something it lies in.
func nodeAt(root *yaml.Node, pos Pos) (found *yaml.Node, through bool) {
	aliased := map[*yaml.Node]bool{}
	var mark func(n *yaml.Node)
	mark = func(n *yaml.Node) {
		if aliased[n] {
			return
		}
		aliased[n] = true
		for _, c := range n.Content {
			mark(c)
		}
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.AliasNode {
			mark(n.Alias)
		}
		if position(n) == pos && found == nil {
			found = n
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(root)
	return found, found != nil && (aliased[found] || found.Kind == yaml.AliasNode)
}

// add writes a new key into the map at a place.
func (p *pinner) add(at Place, key, value string) {
	n := p.find(at)
	if n == nil {
		return
	}
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 {
		p.insertInBraces(n, key+": "+value)
		return
	}
	if n.Kind == yaml.MappingNode && len(n.Content) > 1 {
		first := n.Content[0]
		for i := 0; i+1 < len(n.Content); i += 2 {
			if k := n.Content[i]; k.Value == "name" && n.Content[i+1].Line == k.Line {
				p.insertLine(k.Line, k.Column, key+": "+value)
				return
			}
		}
		p.insertBefore(first, key+": "+value)
		return
	}
	p.errorf(at, "", "there is no place for %s: %s", key, value)
}

// set replaces the value at a place.
func (p *pinner) set(at Place, value string) {
	n := p.find(at)
	if n == nil {
		return
	}
	if !p.replace(n, value) {
		p.errorf(at, "write "+value, "the list cannot be extended where it stands over several lines")
	}
}

// rename gives a key of the map at a place another name.
func (p *pinner) rename(at Place, from, to string) {
	n := p.find(at)
	if n == nil {
		return
	}
	i := slices.IndexFunc(n.Content, func(k *yaml.Node) bool { return k.Value == from })
	if i >= 0 {
		p.replace(n.Content[i], to)
	}
}
