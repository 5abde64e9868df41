package labs

// What dns: true adds to a lab has the names that it has in most clusters.
const (
	dnsNamespace = "kube-system"
	dnsName      = "kube-dns" // of the service
	dnsPod       = "coredns"
	dnsLabel     = "k8s-app"
	dnsPort      = 53
	dnsHost      = 10 // which address of subnet services the server has
)

// dnsPodSpec returns the pod of the lab's DNS server as an author would have
// written it, or nothing.
func (r *resolver) dnsPodSpec() []PodSpec {
	if !r.lab.DNS {
		return nil
	}
	at := r.spec.DNS.Place
	for _, p := range r.spec.Pods.Items {
		if p.Name.Value == dnsPod && p.Namespace.Value == dnsNamespace {
			r.errorf(at, "leave one of them out", "dns: true makes the pod %s/%s, which is also on line %d", dnsNamespace, dnsPod, p.Name.Pos.Line)
			return nil
		}
	}
	members := r.clusterNodes()
	if len(members) == 0 {
		if len(r.nodes) > 0 && !r.doubt.nodes {
			r.errorf(at, "leave cluster: false out at a node", "there is a DNS server, but no node in the cluster")
		}
		return nil
	}
	word := func(s string) At[string] { return At[string]{at, s} }
	return []PodSpec{{
		Place: at, Name: word(dnsPod), Namespace: word(dnsNamespace), Node: word(members[0].Name),
		Labels: Map[string]{at, []Entry[string]{{word(dnsLabel), word(dnsName)}}},
	}}
}

// dnsContainer is what runs in the pod of the DNS server.
func dnsContainer(at Pos) Container {
	return Container{
		Name: dnsPod, User: -1, Pos: at,
		Serve: []Serve{{ServeDNS, dnsPort}},
		Ports: []ContainerPort{{"dns", dnsPort, UDP}, {"dns-tcp", dnsPort, TCP}},
	}
}

// lastPodIP gives a pod the last addresses of its node's pod subnets, so that
// it stays where it is when the author adds pods. Those that are taken it does
// not get.
func (r *resolver) lastPodIP(p *pod) {
	for i, b := range p.node.PodSubnets {
		a := lastHost(b)
		if _, ok := p.node.pools[i].claim(a, owner{"pod " + quote(p.Name), p.Pos}); ok && a != firstHost(b) {
			p.Addrs = append(p.Addrs, r.podAddr(a, b))
		}
	}
}

// dnsService adds the service of the lab's DNS server.
func (r *resolver) dnsService(ss *services, first map[string]Pos) {
	if !r.lab.DNS || ss.subnet == nil {
		return
	}
	at := r.spec.DNS.Place
	s := &service{Service: Service{
		Name: dnsName, Namespace: dnsNamespace, Type: ClusterIP, Pos: at.Pos, Selector: map[string]string{dnsLabel: dnsName},
		Ports: []ServicePort{
			{Name: "dns", Protocol: UDP, Port: dnsPort, TargetPort: itoa(dnsPort)},
			{Name: "dns-tcp", Protocol: TCP, Port: dnsPort, TargetPort: itoa(dnsPort)},
		},
	}}
	if before, twice := first[s.ID()]; twice {
		r.errorf(at, "leave one of them out", "dns: true makes the service %s, which is also on line %d", s.ID(), before.Line)
		return
	}
	for i, p := range ss.subnet.Prefixes {
		a := nth(p, dnsHost)
		if !p.Contains(a) || edge(p, a) != "" {
			r.errorf(at, "", "subnet %s, which is %s, is too small for a DNS server at its address number %d", quote(servicesName), p, dnsHost)
			return
		}
		ss.pools[i].taken[a] = owner{"the DNS server of the lab", at.Pos}
		s.ClusterIPs = append(s.ClusterIPs, a)
	}
	ss.all = append(ss.all, s)
}
