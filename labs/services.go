package labs

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	dnsNamespace = "kube-system"
	dnsName      = "kube-dns"
	dnsHost      = 10 // which address of subnet services the DNS server has, as in most clusters

	minNodePort     = 30000
	maxNodePort     = 32767
	defaultAffinity = 10800 // seconds
	maxAffinity     = 86400 // seconds
	headless        = "None"
)

// service is a service being resolved.
type service struct {
	Service
	spec *ServiceSpec // nil for the one of the DNS server
	bad  bool         // an address of it is wrong, which has been reported
}

// services are the notes of resolving services.
type services struct {
	all       []*service
	pools     []*pool // of subnet services, one for each prefix
	subnet    *subnet
	nodePorts map[nodePort]owner
	external  map[netip.AddrPort]map[Protocol]owner
	endpoints int // of all services
}

type nodePort struct {
	port     int
	protocol Protocol
}

// resolveServices resolves the services: names and written values first, then
// the addresses and ports that are left open, then what is behind them.
func (r *resolver) resolveServices() {
	ss := &services{
		subnet:    r.subnet(servicesName),
		nodePorts: map[nodePort]owner{},
		external:  map[netip.AddrPort]map[Protocol]owner{},
	}
	if ss.subnet != nil {
		for _, p := range ss.subnet.Prefixes {
			pl := newPool(p, nth(p, dnsHost+1))
			pl.taken[nth(p, dnsHost)] = owner{what: "the DNS server of a cluster"}
			ss.pools = append(ss.pools, pl)
		}
	}
	first := map[string]Pos{}
	for i := range r.spec.Services.Items {
		s := &service{spec: &r.spec.Services.Items[i]}
		r.serviceIdentity(s, first)
		r.policies(s)
		r.servicePorts(s, ss)
		ss.all = append(ss.all, s)
	}
	r.dnsService(ss, first)
	for _, s := range ss.all {
		if s.spec != nil {
			r.explicitClusterIPs(s, ss)
		}
	}
	for _, s := range ss.all {
		r.automaticClusterIPs(s, ss)
		r.automaticNodePorts(s, ss)
		if s.spec != nil {
			r.externalIPs(s, ss)
		}
	}
	r.resolveEndpoints(ss)
	for _, s := range ss.all {
		r.lab.Services = append(r.lab.Services, s.Service)
	}
	if len(ss.all) > 0 && len(r.clusterNodes()) == 0 && !r.doubt.nodes && len(r.nodes) > 0 && ss.all[0].spec != nil {
		r.errorf(ss.all[0].spec.Place, "leave cluster: false out at a node", "there is a service, but no node in the cluster")
	}
}

// serviceIdentity reads the name, the namespace and the type of a service.
func (r *resolver) serviceIdentity(s *service, first map[string]Pos) {
	spec := s.spec
	s.Pos = spec.Pos
	s.Name = r.label(spec.Name, spec.Place, "name", maxLabel)
	s.Namespace = r.namespace(spec.Namespace)
	if spec.Name.OK() && !spec.Namespace.Bad {
		if before, twice := first[s.ID()]; twice {
			r.errorf(spec.Name.Place, "", "there is already a service %s in namespace %s%s", quote(s.Name), quote(s.Namespace), lineOf(before))
		} else {
			first[s.ID()] = spec.Name.Pos
		}
	}
	s.Type = ClusterIP
	switch spec.Type.Value {
	case "LoadBalancer", "ExternalName":
		r.errorf(spec.Type.Place, "use ClusterIP or NodePort", "type %s is not supported", quote(spec.Type.Value))
	default:
		s.Type = ServiceType(r.oneOf(spec.Type, string(ClusterIP), string(ClusterIP), string(NodePort)))
	}
}

// policies reads who may reach which endpoint of a service.
func (r *resolver) policies(s *service) {
	spec := s.spec
	s.Affinity = r.oneOf(spec.SessionAffinity, "None", "None", "ClientIP") == "ClientIP"
	timeout := spec.SessionAffinityConfig.ClientIP.TimeoutSeconds
	s.AffinityFor = time.Duration(r.inRange(timeout, defaultAffinity, 1, maxAffinity)) * time.Second
	if !s.Affinity {
		s.AffinityFor = 0
		if timeout.OK() && !spec.SessionAffinity.Bad {
			r.errorf(spec.SessionAffinityConfig.Place, "", "needs sessionAffinity: ClientIP")
		}
	}
	s.InternalLocal = r.oneOf(spec.InternalTrafficPolicy, "Cluster", "Cluster", "Local") == "Local"
	s.ExternalLocal = r.oneOf(spec.ExternalTrafficPolicy, "Cluster", "Cluster", "Local") == "Local"
	if s.ExternalLocal && s.Type != NodePort && !spec.ExternalIPs.Written() && !spec.Type.Written() && !spec.mayHave("type", "externalIPs") ||
		s.ExternalLocal && spec.Type.Value == string(ClusterIP) && !spec.ExternalIPs.Written() {
		r.errorf(spec.ExternalTrafficPolicy.Place, "", "needs type: NodePort or externalIPs")
	}
}

// servicePorts reads the ports of a service.
func (r *resolver) servicePorts(s *service, ss *services) {
	spec := s.spec
	if len(spec.Ports.Items) == 0 && !spec.Ports.Bad && spec.ClusterIP.Value != headless {
		if spec.Ports.Written() {
			r.errorf(spec.Ports.Place, "for instance ports: [{port: 80}]", "a service needs at least one port")
		} else {
			r.missing(spec.Place, "ports")
		}
	}
	names := map[string]Pos{}
	first := map[nodePort]Pos{}
	for i := range spec.Ports.Items {
		ps := &spec.Ports.Items[i]
		if !ps.Port.Written() {
			r.missing(ps.Place, "port")
		}
		p := ServicePort{Name: ps.Name.Value, Protocol: r.protocol(ps.Protocol)}
		p.Port = uint16(r.inRange(ps.Port, 0, 1, maxPort))
		p.TargetPort = r.targetPort(ps)
		r.servicePortName(ps, names, len(spec.Ports.Items))
		k := nodePort{int(p.Port), p.Protocol}
		if before, twice := first[k]; twice && p.Port != 0 {
			r.errorf(ps.Port.Place, "", "%s port %d is already listed%s", p.Protocol, p.Port, lineOf(before))
		}
		first[k] = ps.Port.Pos
		p.NodePort = r.explicitNodePort(s, ps, p.Protocol, ss)
		s.Ports = append(s.Ports, p)
	}
}

// servicePortName checks the name of a service port.
func (r *resolver) servicePortName(ps *ServicePortSpec, names map[string]Pos, count int) {
	if !ps.Name.Written() && count > 1 && !ps.mayHave("name") {
		r.errorf(ps.Place, "", "name is missing: the service has several ports")
	}
	if !ps.Name.OK() {
		return
	}
	if why := notALabel(ps.Name.Value, maxLabel); why != "" {
		r.errorf(ps.Name.Place, labelHint(ps.Name.Value, maxLabel), "%s %s", quote(ps.Name.Value), why)
	} else if !letter.MatchString(ps.Name.Value) {
		r.errorf(ps.Name.Place, "", "%s is not a name for a port: one letter at least", quote(ps.Name.Value))
	}
	if before, twice := names[ps.Name.Value]; twice {
		r.errorf(ps.Name.Place, "", "there is already a port %s in this service%s", quote(ps.Name.Value), lineOf(before))
	}
	names[ps.Name.Value] = ps.Name.Pos
}

// targetPort reads which port of the pods is meant: a number or a name.
func (r *resolver) targetPort(ps *ServicePortSpec) string {
	tp := ps.TargetPort
	if !tp.OK() {
		return itoa(ps.Port.Value)
	}
	if decimal.MatchString(tp.Value) {
		if n, ok := number(tp.Value); !ok || n < 1 || n > maxPort {
			r.errorf(tp.Place, "", "%s should be from 1 to %d", tp.Value, maxPort)
			return ""
		}
		return tp.Value
	}
	if why := notAPortName(tp.Value, maxPortName); why != "" {
		r.errorf(tp.Place, "", "%s %s", quote(tp.Value), why)
		return ""
	}
	return tp.Value
}

// explicitNodePort claims the nodePort the author wrote.
func (r *resolver) explicitNodePort(s *service, ps *ServicePortSpec, proto Protocol, ss *services) uint16 {
	np := ps.NodePort
	if !np.OK() {
		return 0
	}
	if s.Type != NodePort {
		if !s.spec.Type.Written() || s.spec.Type.Value == string(ClusterIP) {
			r.errorf(np.Place, "", "nodePort needs type: NodePort")
		}
		return 0
	}
	port := r.inRange(np, 0, minNodePort, maxNodePort)
	k := nodePort{port, proto}
	if before, taken := ss.nodePorts[k]; taken && port != 0 {
		r.errorf(np.Place, "", "%s port %d of the nodes is already taken by %s", proto, port, before)
		return 0
	}
	ss.nodePorts[k] = owner{"service " + quote(s.Name), np.Pos}
	return uint16(port)
}

// automaticNodePorts gives a service of type NodePort the next free ports.
func (r *resolver) automaticNodePorts(s *service, ss *services) {
	if s.Type != NodePort {
		return
	}
	next := map[Protocol]int{TCP: minNodePort, UDP: minNodePort}
	for i := range s.Ports {
		p := &s.Ports[i]
		if p.NodePort != 0 || s.spec.Ports.Items[i].NodePort.Written() {
			continue
		}
		port := next[p.Protocol]
		for ; port <= maxNodePort; port++ {
			k := nodePort{port, p.Protocol}
			if _, taken := ss.nodePorts[k]; !taken {
				ss.nodePorts[k] = owner{"service " + quote(s.Name), s.Pos}
				p.NodePort = uint16(port)
				break
			}
		}
		if p.NodePort == 0 {
			r.errorf(s.spec.Ports.Items[i].Place, "", "all ports of the nodes from %d to %d are taken", minNodePort, maxNodePort)
			return
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
		Name: dnsName, Namespace: dnsNamespace, Type: ClusterIP, Pos: at.Pos,
		Ports: []ServicePort{
			{Name: "dns", Protocol: UDP, Port: 53, TargetPort: "53"},
			{Name: "dns-tcp", Protocol: TCP, Port: 53, TargetPort: "53"},
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

// explicitClusterIPs claims the cluster addresses the author wrote.
func (r *resolver) explicitClusterIPs(s *service, ss *services) {
	spec := s.spec
	ips := spec.ClusterIPs.Items
	s.bad = spec.ClusterIP.Bad || spec.ClusterIPs.Bad
	if spec.ClusterIP.Written() {
		if spec.ClusterIPs.Written() {
			r.errorf(spec.ClusterIPs.Place, "keep one of them", "a service has clusterIP or clusterIPs, not both")
		}
		ips = []At[string]{spec.ClusterIP}
	}
	if len(ips) == 1 && ips[0].Value == headless {
		s.Headless = true
		if s.Type == NodePort {
			r.errorf(ips[0].Place, "", "a service of type NodePort cannot be headless")
		}
		return
	}
	for _, ip := range ips {
		if strings.EqualFold(ip.Value, headless) {
			s.bad = true
			r.errorf(ip.Place, "write clusterIP: None", "%s is not an address", quote(ip.Value))
			continue
		}
		if !r.explicitClusterIP(s, ip, ss) {
			s.bad = true
		}
	}
}

// explicitClusterIP claims one cluster address.
func (r *resolver) explicitClusterIP(s *service, ip At[string], ss *services) bool {
	a, ok := r.address(ip)
	if !ok || ss.subnet == nil || ss.subnet.bad {
		return false
	}
	i := slices.IndexFunc(ss.subnet.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
	if i < 0 {
		r.errorf(ip.Place, "", "%s is not in subnet %s, which is %s", a, quote(servicesName), ss.subnet.cidr())
		return false
	}
	if slices.ContainsFunc(s.ClusterIPs, func(b netip.Addr) bool { return a.Is4() == b.Is4() }) {
		r.errorf(ip.Place, "a list holds one for each address family", "%s is the second %s address of the service", a, familyName(a))
		return false
	}
	if what := edge(ss.subnet.Prefixes[i], a); what != "" {
		r.errorf(ip.Place, "", "%s is %s of subnet %s", a, what, quote(servicesName))
		return false
	}
	o := owner{"service " + quote(s.Name), ip.Pos}
	if before, ok := ss.pools[i].claim(a, o); !ok && (before.pos.Line > 0 || r.lab.DNS) {
		r.errorf(ip.Place, "", "%s is already the address of %s", a, before)
		return false
	}
	ss.pools[i].taken[a] = o
	s.ClusterIPs = append(s.ClusterIPs, a)
	return true
}

// automaticClusterIPs gives a service a free address of each family that the
// author did not write one of.
func (r *resolver) automaticClusterIPs(s *service, ss *services) {
	if s.Headless || s.bad || s.spec == nil || ss.subnet == nil {
		return
	}
	for i, p := range ss.subnet.Prefixes {
		if slices.ContainsFunc(s.ClusterIPs, func(a netip.Addr) bool { return p.Addr().Is4() == a.Is4() }) {
			continue
		}
		pl := ss.pools[i]
		o := owner{"service " + quote(s.Name), s.Pos}
		a, ok := pl.take(o)
		if !ok {
			a, ok = takeLow(pl, o)
		}
		if !ok {
			if !pl.full {
				r.errorf(s.spec.Place, "give subnet services a shorter prefix", "subnet %s is full: no address of %s is left", quote(servicesName), p)
			}
			pl.full = true
			continue
		}
		s.ClusterIPs = append(s.ClusterIPs, a)
	}
	slices.SortFunc(s.ClusterIPs, func(a, b netip.Addr) int { return family(a) - family(b) })
}

// takeLow hands out one of the addresses below the DNS server's, which a small
// subnet needs in the end. The first is Kubernetes' own.
func takeLow(pl *pool, o owner) (netip.Addr, bool) {
	for n := 2; n < dnsHost; n++ {
		a := nth(pl.prefix, n)
		if !pl.prefix.Contains(a) || edge(pl.prefix, a) != "" {
			continue
		}
		if _, ok := pl.claim(a, o); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// externalIPs reads the further addresses of a service.
func (r *resolver) externalIPs(s *service, ss *services) {
	for _, ip := range s.spec.ExternalIPs.Items {
		a, ok := r.address(ip)
		if !ok {
			continue
		}
		if slices.Contains(s.ExternalIPs, a) {
			r.errorf(ip.Place, "", "%s is listed twice", a)
			continue
		}
		inside := ""
		for _, name := range []string{podsName, servicesName} {
			if sn := r.subnet(name); sn != nil && slices.ContainsFunc(sn.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) }) {
				inside = name
			}
		}
		if inside != "" {
			r.errorf(ip.Place, "", "%s is in subnet %s; an external address is outside the cluster", a, quote(inside))
			continue
		}
		for _, p := range s.Ports {
			k := netip.AddrPortFrom(a, p.Port)
			if before, taken := ss.external[k][p.Protocol]; taken {
				r.errorf(ip.Place, "", "%s port %d of %s is already taken by %s", p.Protocol, p.Port, a, before)
				continue
			}
			if ss.external[k] == nil {
				ss.external[k] = map[Protocol]owner{}
			}
			ss.external[k][p.Protocol] = owner{"service " + quote(s.Name), ip.Pos}
		}
		s.ExternalIPs = append(s.ExternalIPs, a)
	}
}
