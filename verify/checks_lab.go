package verify

import (
	"net/netip"
	"slices"

	"netlab/labs"
)

// expectations promises what the lab's verify section asks for.
func (b *builder) expectations() {
	for i := range b.lab.Verify {
		e := &b.lab.Verify[i]
		from := b.end(e.From)
		if from == nil || from.NS == "" {
			continue // resolved labs name who asks
		}
		if e.To.Ref.Kind == labs.RefService {
			b.expectService(e, from)
			continue
		}
		to := b.end(e.To.Ref)
		for _, dst := range to.Addrs {
			switch {
			case len(from.Addrs) > 0 && !sameFamily(from.Addrs, dst).IsValid():
			case e.Route != nil:
				b.expectRoute(e, from, dst)
			case e.ARP != nil:
				b.expectARP(e, from, dst)
			default:
				b.expect(e, from, to, dst, e.To.Port)
			}
		}
	}
}

// end returns what a reference names: a pod, a node, a bridge or an address.
func (b *builder) end(r labs.Ref) *End {
	switch r.Kind {
	case labs.RefPod:
		for i := range b.lab.Pods {
			p := &b.lab.Pods[i]
			if p.Name == r.Name && (p.Namespace == r.Namespace || r.Namespace == "" && p.Namespace == "default") {
				return b.podEnds[i]
			}
		}
	case labs.RefNode:
		return b.nodeEnd[r.Name]
	case labs.RefBridge:
		return b.bridgeEnd[r.Name]
	case labs.RefAddr:
		return b.ownerOf(r.Addr)
	}
	return nil
}

// ownerOf returns who has an address, under that address alone.
func (b *builder) ownerOf(a netip.Addr) *End {
	e := &End{Name: a.String(), Kind: labs.RefAddr, Addrs: []netip.Addr{a}}
	if on := b.owner(labs.Endpoint{Addr: a}); on != nil {
		e.NS, e.Node, e.Host, e.Gateways, e.Bridged = on.NS, on.Node, on.Host, on.Gateways, on.Bridged
	}
	return e
}

// expectService adds an expectation about a service. A headless one has no
// address: its endpoints are asked.
func (b *builder) expectService(e *labs.Expectation, from *End) {
	for i := range b.lab.Services {
		s := &b.lab.Services[i]
		if s.Name != e.To.Ref.Name || s.Namespace != e.To.Ref.Namespace && (e.To.Ref.Namespace != "" || s.Namespace != "default") {
			continue
		}
		to := &End{Name: "svc " + s.ID(), Kind: labs.RefService, Pos: s.Pos}
		for _, vip := range s.ClusterIPs {
			if len(from.Addrs) > 0 && !sameFamily(from.Addrs, vip).IsValid() {
				continue
			}
			if e.Route != nil {
				b.expectRoute(e, from, vip)
				continue
			}
			b.expect(e, from, to, vip, e.To.Port)
		}
		for _, p := range s.Ports {
			for _, ep := range p.Endpoints {
				if s.Headless && p.Port == e.To.Port && p.Protocol == e.To.Protocol {
					b.expect(e, from, b.ownerOf(ep.Addr), ep.Addr, ep.Port)
				}
			}
		}
	}
}

// translated returns the port of a service that nodes translate traffic to an
// address to: a cluster address, an external one, or a node's with a node port, in which
// case it returns that node too.
func (b *builder) translated(dst netip.Addr, number uint16, proto labs.Protocol) (p port, n *labs.Node, ok bool) {
	for i := range b.lab.Services {
		s := &b.lab.Services[i]
		for _, p := range b.portsOf(s) {
			if p.port.Protocol != proto || p.at.Addr().Is4() != dst.Is4() {
				continue
			}
			if p.port.Port == number && (p.at.Addr() == dst || slices.Contains(s.ExternalIPs, dst)) {
				return p, nil, true
			}
			for _, n := range b.clusterNodes() {
				if p.port.NodePort == number && number != 0 && b.net.owns(n.Name, dst) {
					return p, n, true
				}
			}
		}
	}
	return port{}, nil, false
}

// mostTries is how often an expectation about a service is tried at most, to
// meet every endpoint if chance allows.
const mostTries = 24

// answerers adds to an expectation that something answers who may. Which
// address the server sees is said only for the cluster address.
func (b *builder) answerers(c *Check, p port, at *labs.Node) {
	n := at
	if n == nil {
		n = b.net.nodes[c.From.Node]
	}
	local := p.svc.InternalLocal
	if at != nil || p.at.Addr() != c.Addr {
		local = at != nil && p.svc.ExternalLocal && c.From.Node != at.Name
	}
	for _, e := range p.endpoints() {
		on := b.owner(e)
		if on == nil {
			continue
		}
		srv := b.server(netip.AddrPortFrom(e.Addr, e.Port), on, c.Kind)
		if p.at.Addr() == c.Addr && n != nil && n.Cluster && on.Kind == labs.RefPod {
			if some, ok := b.behind(c.From, n, p, []labs.Endpoint{e}, c.From.Kind == labs.RefNode); ok {
				srv = some[0]
			}
		}
		c.More.Listen = append(c.More.Listen, srv)
		if !local || n == nil || e.Node == n.Name {
			c.More.Behind = append(c.More.Behind, srv)
		}
	}
	if n := len(c.More.Behind); n > 1 && !p.svc.Affinity {
		c.More.Tries = min(8*n, mostTries)
	}
}

// expect adds one expectation. A server is provided where there is an end to
// run it in, unless nobody is to listen there.
func (b *builder) expect(e *labs.Expectation, from, to *End, dst netip.Addr, port uint16) {
	c := Check{
		Kind: ICMP, From: from, To: to, Addr: dst, Port: port, Want: e.Expect, Wait: waitAnswer,
		More: &More{Pos: e.Pos, Path: e.Path},
	}
	if port != 0 || e.Rate != nil {
		c.Kind = TCP
		if e.To.Protocol == labs.UDP {
			c.Kind = UDP
		}
	}
	switch e.Expect {
	case labs.Refused:
		if _, _, ok := b.translated(dst, port, e.To.Protocol); ok || c.Kind != TCP {
			c.Wait = waitRefusal
		} // else it is a reset, which comes as fast as an answer
	case labs.Timeout:
		c.Wait, c.More.Watch = waitSilence, b.watch
	case labs.Unreachable:
		c.Wait = waitUnreachable
	}
	if p, at, ok := b.translated(dst, port, e.To.Protocol); ok {
		if e.Expect != labs.Refused {
			b.answerers(&c, p, at)
		}
	} else if port != 0 && to.NS != "" && e.Expect != labs.Refused {
		c.More.Listen = []Server{b.server(netip.AddrPortFrom(dst, port), to, c.Kind)}
	}
	b.extra(e, &c)
	b.add(c)
}
