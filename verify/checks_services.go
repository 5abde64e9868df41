package verify

import (
	"net/netip"
	"strconv"

	"netlab/labs"
)

// maxRefusals is how many services without endpoints one pod asks: the kernel
// sends no more than six ICMP errors at once to one destination.
const maxRefusals = 4

// port is one port of a service as one kind of client sees it.
type port struct {
	svc  *labs.Service
	port *labs.ServicePort
	to   *End
	at   netip.AddrPort
	kind Kind
}

// ports returns the ports of all services, once for each address.
func (b *builder) ports() []port {
	var ports []port
	for i := range b.lab.Services {
		ports = append(ports, b.portsOf(&b.lab.Services[i])...)
	}
	return ports
}

// services promises that pods and nodes reach what is behind each service, and
// are refused where nothing is.
func (b *builder) services() {
	refusals := 0
	ports := b.ports()
	for _, p := range ports {
		if len(p.endpoints()) == 0 {
			refusals++
		}
	}
	for i, from := range b.podEnds {
		refused := i // pods take turns where there are many to be refused by
		for _, p := range ports {
			if len(p.endpoints()) == 0 {
				refused++
				if refusals > maxRefusals && refused%((refusals+maxRefusals-1)/maxRefusals) != 0 {
					continue
				}
			}
			b.internal(from, p)
			b.external(from, b.net.nodes[from.Node], p)
		}
	}
	for _, n := range b.clusterNodes() {
		for _, p := range ports {
			b.internal(b.nodeEnd[n.Name], p)
			b.external(b.nodeEnd[n.Name], n, p)
		}
	}
	for _, m := range b.clusterNodes() {
		for _, n := range b.clusterNodes() {
			for _, p := range ports {
				b.nodePort(b.nodeEnd[m.Name], n, p)
			}
		}
	}
	b.podsToNodePorts(ports)
	b.headless()
	b.samples(ports)
}

// portsOf returns the ports of a service, once for each of its addresses.
func (b *builder) portsOf(s *labs.Service) []port {
	var ports []port
	for i := range s.Ports {
		p := &s.Ports[i]
		to := serviceEnd(s, p)
		for _, ip := range s.ClusterIPs {
			ports = append(ports, port{s, p, to, netip.AddrPortFrom(ip, p.Port), kindOf(p.Protocol)})
		}
	}
	return ports
}

func serviceEnd(s *labs.Service, p *labs.ServicePort) *End {
	return &End{Name: "svc " + s.ID() + ":" + strconv.Itoa(int(p.Port)), Kind: labs.RefService, Pos: s.Pos}
}

func kindOf(proto labs.Protocol) Kind {
	if proto == labs.UDP {
		return UDP
	}
	return TCP
}

// endpoints returns what is behind p, of its address family.
func (p port) endpoints() []labs.Endpoint {
	var some []labs.Endpoint
	for _, e := range p.port.Endpoints {
		if e.Addr.Is4() == p.at.Addr().Is4() {
			some = append(some, e)
		}
	}
	return some
}

// local returns those of some endpoints that are on a node.
func local(endpoints []labs.Endpoint, node string) []labs.Endpoint {
	var some []labs.Endpoint
	for _, e := range endpoints {
		if e.Node == node {
			some = append(some, e)
		}
	}
	return some
}

// internal adds the check of the cluster address.
func (b *builder) internal(from *End, p port) {
	eps := p.endpoints()
	if p.svc.InternalLocal && len(eps) > 0 {
		eps = local(eps, from.Node)
		if len(eps) == 0 {
			b.silence(from, p, p.at)
			return
		}
	}
	b.reach(from, b.net.nodes[from.Node], p, p.at, eps, from.Kind == labs.RefNode)
}

// external adds the checks of the external addresses and of the node port at
// the node n that from is on. Such traffic comes from the cluster, so it is
// never held to the endpoints of one node.
func (b *builder) external(from *End, n *labs.Node, p port) {
	masquerade := from.Kind == labs.RefNode || !p.svc.ExternalLocal
	for _, ip := range p.svc.ExternalIPs {
		if ip.Is4() == p.at.Addr().Is4() {
			b.reach(from, n, p, netip.AddrPortFrom(ip, p.port.Port), p.endpoints(), masquerade)
		}
	}
	if ip := sameFamily(n.Addrs(), p.at.Addr()); ip.IsValid() && p.port.NodePort != 0 {
		b.reach(from, n, p, netip.AddrPortFrom(ip, p.port.NodePort), p.endpoints(), masquerade)
		b.localNodePort(from, n, p)
	}
}

// silence adds a check that a policy drops what is sent to at.
func (b *builder) silence(from *End, p port, at netip.AddrPort) {
	b.add(Check{
		Kind: p.kind, From: from, To: p.to, Addr: at.Addr(), Port: at.Port(),
		Want: labs.Timeout, Wait: waitSilence, More: &More{Watch: b.watch},
	})
}

// reach adds a check that from reaches one of the endpoints through the rules
// of node n, which rewrites the client's address or does not.
func (b *builder) reach(from *End, n *labs.Node, p port, at netip.AddrPort, eps []labs.Endpoint, masquerade bool) {
	b.reachAs(from, from, n, p, at, eps, masquerade)
}

// reachAs is reach for a client that comes to node n as somebody else.
func (b *builder) reachAs(from, as *End, n *labs.Node, p port, at netip.AddrPort, eps []labs.Endpoint, masquerade bool) {
	c := Check{
		Kind: p.kind, From: from, To: p.to, Addr: at.Addr(), Port: at.Port(),
		Want: labs.Refused, Wait: waitRefusal,
	}
	if len(eps) > 0 {
		behind, ok := b.behind(as, n, p, eps, masquerade)
		if !ok {
			return
		}
		c.Want, c.Wait = labs.Reachable, waitAnswer
		c.More = &More{Behind: behind, Listen: behind}
	}
	b.add(c)
}

// behind returns the servers that endpoints are and the client address each of
// them is to see. It reports false where the lab does not say that from
// reaches all of them.
func (b *builder) behind(from *End, n *labs.Node, p port, eps []labs.Endpoint, masquerade bool) ([]Server, bool) {
	servers := make([]Server, len(eps))
	for i, e := range eps {
		on := b.owner(e)
		if on == nil || !b.joined(n.Name, on.Node, e.Addr) {
			return nil, false
		}
		servers[i] = b.server(netip.AddrPortFrom(e.Addr, e.Port), on, p.kind)
		switch {
		case on.Kind != labs.RefPod: // another masquerade may follow
		case !servers[i].Program.Introduces(): // nobody says what was seen
		case masquerade || on == from: // the node's address on the way to the endpoint
			servers[i].Src, _ = b.net.source(n.Name, e.Addr)
		case from.Kind == labs.RefPod:
			servers[i].Src = sameFamily(from.Addrs, e.Addr)
		default:
			servers[i].Src = b.seenAt(from.Node, n, e.Addr)
		}
	}
	return servers, true
}

// seenAt returns the source address with which packets of one machine arrive
// at node n.
func (b *builder) seenAt(from string, n *labs.Node, like netip.Addr) netip.Addr {
	if dst := sameFamily(n.Addrs(), like); dst.IsValid() {
		return b.seenAs(from, n.Name, dst)
	}
	return netip.Addr{}
}

// seenAs is seenAt for a certain address of the node.
func (b *builder) seenAs(from, at string, dst netip.Addr) netip.Addr {
	if src, ok := b.net.source(from, dst); ok {
		if there, ok := b.net.walk(from, src, dst); ok && there.at == at {
			return there.src
		}
	}
	return netip.Addr{}
}

// owner returns the pod or node that an endpoint is at, or nil.
func (b *builder) owner(e labs.Endpoint) *End {
	if e.Pod != "" {
		return b.podByID[e.Pod]
	}
	if on := b.podByAddr[e.Addr]; on != nil {
		return on
	}
	for _, n := range b.lab.Nodes {
		if b.net.owns(n.Name, e.Addr) {
			return b.nodeEnd[n.Name]
		}
	}
	return nil
}
