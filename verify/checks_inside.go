package verify

import (
	"net/netip"

	"netlab/labs"
)

// Addresses of one's own.
var (
	localhost4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	localhost6 = netip.IPv6Loopback()
)

// containers promises that everything runs that the lab file says, and in the
// namespace of its pod.
func (b *builder) containers() {
	for i, from := range b.podEnds {
		p := &b.lab.Pods[i]
		for _, c := range p.Containers {
			b.add(Check{Kind: Process, From: from, Want: labs.Reachable, More: &More{Name: c.Name, Restart: p.RestartPolicy, Pos: c.Pos}})
		}
	}
	if len(b.podEnds) > 0 {
		b.state(TopicProcesses)
		b.stateOfLab(TopicProcesses)
	}
}

// localhost promises that what runs in one pod is reached there on localhost:
// its containers share the namespace.
func (b *builder) localhost() {
	for i, from := range b.podEnds {
		for _, addr := range loopbacks(from) {
			b.add(Check{Kind: ICMP, From: from, To: from, Addr: addr, TTL: maxHops, Want: labs.Reachable, Wait: waitAnswer})
			for _, c := range b.lab.Pods[i].Containers {
				for _, s := range c.Serve {
					for _, kind := range []Kind{TCP, UDP} {
						if serves(s.Kind, kind) {
							b.served(from, kind, addr, s.Port)
						}
					}
				}
			}
		}
	}
	for i := range b.lab.Nodes {
		from := b.nodeEnd[b.lab.Nodes[i].Name]
		for _, addr := range loopbacks(from) {
			b.add(Check{Kind: ICMP, From: from, To: from, Addr: addr, TTL: maxHops, Want: labs.Reachable, Wait: waitAnswer})
		}
	}
}

// served adds a check that a built-in server answers in its own pod.
func (b *builder) served(pod *End, kind Kind, addr netip.Addr, number uint16) {
	s := b.server(netip.AddrPortFrom(addr, number), pod, kind)
	c := Check{
		Kind: kind, From: pod, To: pod, Addr: addr, Port: number, Want: labs.Reachable, Wait: waitAnswer,
		More: &More{Listen: []Server{s}},
	}
	if s.Program.Introduces() {
		c.Src = addr
	}
	b.add(c)
}

// loopbacks returns the addresses by which an end knows itself.
func loopbacks(e *End) []netip.Addr {
	var list []netip.Addr
	for _, a := range e.Addrs {
		if a.Is4() {
			list = append(list, localhost4)
		} else {
			list = append(list, localhost6)
		}
	}
	return list
}
