package verify

import (
	"slices"
	"time"

	"netlab/labs"
)

// Limits of what is asked to find out about chance and affinity.
const (
	mostRequests  = 3000 // of all checks of balance together; also of a single one
	mostHairpins  = 600  // endpoints, counted as often as there are others beside them
	nodeClients   = 8    // of one node that ask
	someClients   = 24   // of all nodes that ask
	affinityTries = 5    // of one client
)

// unit is a service as some clients see it: what one sample is taken from.
type unit struct {
	aim     Aim
	from    *End
	port    port
	eps     []labs.Endpoint
	clients []Client
	cost    int
}

// samples adds the checks that ask services many times.
func (b *builder) samples(ports []port) {
	affine, hairpins := b.affinities(ports), b.hairpins(ports)
	balanced := b.balances(ports, true)
	alarm := func() float64 { return FalseAlarms / float64(max(len(affine)+len(hairpins)+len(balanced), 1)) }
	// As fine as the limit allows: each node by itself or all together, finding
	// an endpoint that gets too much or only one that gets nothing.
	if !price(balanced, triesDouble, alarm()) && !price(balanced, triesMissing, alarm()) {
		balanced = b.balances(ports, false)
		_ = price(balanced, triesDouble, alarm()) || price(balanced, triesMissing, alarm())
	}
	left := mostRequests
	for _, u := range balanced {
		tries := u.cost
		if left -= u.cost; left < 0 {
			tries, left = 0, left+u.cost
		}
		b.sample(u, tries, alarm())
	}
	for _, u := range hairpins {
		b.sample(u, missing(len(u.eps), alarm()), alarm())
	}
	for _, u := range affine {
		b.sample(u, affinityTries*len(u.clients), alarm())
	}
}

// price sets the cost of units and reports whether all can be afforded.
func price(units []unit, tries func(n int, alarm float64) int, alarm float64) bool {
	costs, total := map[int]int{}, 0
	for i := range units {
		n := len(units[i].eps)
		if _, known := costs[n]; !known {
			if costs[n] = triesMissing(n, alarm); costs[n] <= mostRequests {
				costs[n] = tries(n, alarm)
			}
		}
		units[i].cost = costs[n]
		total += costs[n]
	}
	return total <= mostRequests
}

// sample adds the check of a unit.
func (b *builder) sample(u unit, tries int, alarm float64) {
	s := &Sample{Aim: u.aim, Tries: tries, Clients: u.clients, Alarm: alarm, Cost: u.cost}
	if u.aim == Affinity {
		s.Within = u.port.svc.AffinityFor
	}
	behind := u.clients[0].Behind
	b.add(Check{
		Kind: u.port.kind, From: u.from, To: u.port.to, Addr: u.port.at.Addr(), Port: u.port.at.Port(),
		Want: labs.Reachable, Wait: waitAnswer, More: &More{Behind: behind, Listen: behind, Sample: s},
	})
}

// balances returns a unit for each service whose endpoints clients meet by
// chance, for each node or all nodes together. Where only the endpoints of a
// node are met there, each node is one.
func (b *builder) balances(ports []port, byNode bool) []unit {
	var units []unit
	for _, p := range ports {
		if !p.svc.Affinity {
			units = append(units, b.units(p, byNode || p.svc.InternalLocal)...)
		}
	}
	for i := range units {
		units[i].aim = Balance
	}
	return units
}

// affinities returns a unit for each service that keeps a client with an
// endpoint.
func (b *builder) affinities(ports []port) []unit {
	var units []unit
	for _, p := range ports {
		if p.svc.Affinity && p.svc.AffinityFor >= time.Second {
			units = append(units, b.units(p, p.svc.InternalLocal)...)
		}
	}
	for i := range units {
		units[i].aim = Affinity
	}
	return units
}

// units returns what samples of one service may be taken from.
func (b *builder) units(p port, byNode bool) []unit {
	var units []unit
	var all []Client
	nodes := b.clusterNodes()
	for _, n := range nodes {
		eps := p.endpoints()
		if p.svc.InternalLocal {
			eps = local(eps, n.Name)
		}
		clients := b.clients(n, p, eps, nodeClients)
		if len(eps) < 2 || len(clients) == 0 {
			continue
		}
		if byNode {
			units = append(units, unit{from: b.nodeEnd[n.Name], port: p, eps: eps, clients: clients})
		}
		all = append(all, clients[:min(max(someClients/len(nodes), 1), len(clients))]...)
	}
	if !byNode && len(all) > 0 {
		units = append(units, unit{from: b.everybody, port: p, eps: p.endpoints(), clients: all})
	}
	return units
}

// clients returns some pods of a node, or the node itself if it has none, that
// see who answers them.
func (b *builder) clients(n *labs.Node, p port, eps []labs.Endpoint, most int) []Client {
	var list []Client
	add := func(from *End) {
		if !sameFamily(from.Addrs, p.at.Addr()).IsValid() {
			return
		}
		behind, ok := b.behind(from, n, p, eps, from.Kind == labs.RefNode)
		if ok && len(list) < most && !slices.ContainsFunc(behind, func(s Server) bool { return !s.Program.Introduces() }) {
			list = append(list, Client{from, behind})
		}
	}
	for _, i := range b.byNode[n.Name] {
		if len(list) < most {
			add(b.podEnds[i])
		}
	}
	if len(list) == 0 {
		add(b.nodeEnd[n.Name])
	}
	return list
}

// hairpins returns a unit for pods that are endpoints beside others: sooner or
// later each has to reach itself.
func (b *builder) hairpins(ports []port) []unit {
	total := 0
	for _, p := range ports {
		total += len(p.endpoints())
	}
	var units []unit
	for _, p := range ports {
		left := max(mostHairpins/max(total, 1), 1)
		for _, e := range p.endpoints() {
			on := b.podByID[e.Pod]
			if on == nil || p.svc.Affinity || left == 0 {
				continue
			}
			eps := p.endpoints()
			if p.svc.InternalLocal {
				eps = local(eps, on.Node)
			}
			behind, ok := b.behind(on, b.net.nodes[on.Node], p, eps, false)
			if !ok || len(eps) < 2 || slices.ContainsFunc(behind, func(s Server) bool { return !s.Program.Introduces() }) {
				continue
			}
			left--
			units = append(units, unit{aim: Hairpin, from: on, port: p, eps: eps, clients: []Client{{on, behind}}})
		}
	}
	return units
}
