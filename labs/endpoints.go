package labs

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
)

// maxEndpoints bounds the endpoints of a lab: services and pods multiply.
const maxEndpoints = 100_000

func itoa(n int) string { return strconv.Itoa(n) }

// number reads a decimal number.
func number(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// resolveEndpoints finds what is behind every service port.
func (r *resolver) resolveEndpoints(ss *services) {
	byLabel := map[[3]string][]*pod{} // namespace, key, value
	byAddr := map[netip.Addr]*pod{}
	for _, p := range r.pods {
		for k, v := range p.Labels {
			byLabel[[3]string{p.Namespace, k, v}] = append(byLabel[[3]string{p.Namespace, k, v}], p)
		}
		for _, a := range p.Addrs {
			byAddr[a.Addr()] = p
		}
	}
	for _, s := range ss.all {
		switch {
		case s.spec == nil:
			pods := matching(s, byLabel)
			for i := range s.Ports {
				s.putBehind(&s.Ports[i], pods)
			}
		case s.spec.Selector.Written() && s.spec.Endpoints.Written():
			r.errorf(s.spec.Endpoints.Place, "keep one of them", "a service has a selector or endpoints, not both")
		case s.spec.Selector.Written():
			s.Selector = r.labels(s.spec.Selector)
			r.selected(s, ss, byLabel)
		default:
			r.writtenEndpoints(s, byAddr)
		}
		for i := range s.Ports {
			slices.SortFunc(s.Ports[i].Endpoints, func(a, b Endpoint) int {
				return cmp.Compare(hostPort(a), hostPort(b))
			})
		}
	}
}

// hostPort is the text that kube-proxy sorts endpoints by.
func hostPort(e Endpoint) string { return netip.AddrPortFrom(e.Addr, e.Port).String() }

// selected puts the pods that the selector of s matches behind its ports.
func (r *resolver) selected(s *service, ss *services, byLabel map[[3]string][]*pod) {
	spec := s.spec
	if len(s.Selector) == 0 {
		if spec.Selector.OK() {
			r.errorf(spec.Selector.Place, "leave it out for a service without endpoints", "the selector is empty")
		}
		return
	}
	if ss.endpoints > maxEndpoints {
		return // reported
	}
	pods := matching(s, byLabel)
	if ss.endpoints += len(pods) * max(len(s.Ports), 1); ss.endpoints > maxEndpoints {
		r.errorf(spec.Place, "", "this is where the lab exceeds %d endpoints", maxEndpoints)
		return
	}
	if len(pods) == 0 {
		if !spec.Selector.Bad && !r.doubt.labels {
			r.warnf(spec.Selector.Place, "", "no pod in namespace %s has these labels: the service has no endpoints", quote(s.Namespace))
		}
		return
	}
	for i := range s.Ports {
		p := &s.Ports[i]
		named := s.putBehind(p, pods)
		if !named && p.TargetPort != "" {
			r.warnf(spec.Ports.Items[i].TargetPort.Place, "", "no pod of the service has a %s port called %s", p.Protocol, quote(p.TargetPort))
		}
	}
}

// putBehind puts those of pods that are ready behind p, a port of s, and
// reports whether any of them has the port that p leads to.
func (s *service) putBehind(p *ServicePort, pods []*pod) (named bool) {
	for _, pod := range pods {
		port, ok := podPort(pod.Pod, p)
		named = named || ok
		if !ok || !pod.Ready {
			continue
		}
		for _, a := range pod.Addrs {
			if !s.Headless && !slices.ContainsFunc(s.ClusterIPs, func(ip netip.Addr) bool { return ip.Is4() == a.Addr().Is4() }) {
				continue
			}
			p.Endpoints = append(p.Endpoints, Endpoint{Addr: a.Addr(), Port: port, Pod: pod.ID(), Node: pod.Node})
		}
	}
	return named
}

// matching returns the pods that the selector of s matches, in the order of
// the file.
func matching(s *service, byLabel map[[3]string][]*pod) []*pod {
	var fewest []*pod
	first := true
	for k, v := range s.Selector {
		with := byLabel[[3]string{s.Namespace, k, v}]
		if first || len(with) < len(fewest) {
			fewest, first = with, false
		}
	}
	var pods []*pod
	for _, p := range fewest {
		if matches(s.Selector, p.Labels) {
			pods = append(pods, p)
		}
	}
	return pods
}

func matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// podPort returns the port of a pod that a service port leads to.
func podPort(p *Pod, sp *ServicePort) (uint16, bool) {
	if n, ok := number(sp.TargetPort); ok {
		return uint16(n), true
	}
	for _, c := range p.Containers {
		for _, port := range c.Ports {
			if port.Name == sp.TargetPort && port.Protocol == sp.Protocol {
				return port.Port, true
			}
		}
	}
	return 0, false
}

// writtenEndpoints puts the addresses that the author wrote behind s.
func (r *resolver) writtenEndpoints(s *service, byAddr map[netip.Addr]*pod) {
	first := map[netip.Addr]Pos{}
	for i := range s.spec.Endpoints.Items {
		es := &s.spec.Endpoints.Items[i]
		if !es.IP.Written() {
			r.missing(es.Place, "ip")
		}
		a, ok := r.address(es.IP)
		ports := r.endpointPorts(s, es)
		if !ok {
			continue
		}
		if before, twice := first[a]; twice {
			r.errorf(es.IP.Place, "", "%s is already an endpoint of the service%s", a, lineOf(before))
			continue
		}
		first[a] = es.IP.Pos
		if sn := r.subnet(servicesName); sn != nil && slices.ContainsFunc(sn.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) }) {
			r.errorf(es.IP.Place, "", "%s is in subnet %s; a service cannot be behind another", a, quote(servicesName))
			continue
		}
		node := ""
		if p := byAddr[a]; p != nil {
			node = p.Node
		}
		for k, port := range ports {
			if port != 0 {
				s.Ports[k].Endpoints = append(s.Ports[k].Endpoints, Endpoint{Addr: a, Port: port, Node: node})
			}
		}
	}
}

// endpointPorts returns the port of an endpoint for each port of the service,
// 0 where it has none.
func (r *resolver) endpointPorts(s *service, es *EndpointSpec) []uint16 {
	ports := make([]uint16, len(s.Ports))
	if es.Ports.Written() {
		if es.Port.Written() {
			r.errorf(es.Ports.Place, "keep one of them", "an endpoint has port or ports, not both")
		}
		var names []string
		for _, p := range s.Ports {
			names = append(names, p.Name)
		}
		for _, e := range es.Ports.Entries {
			k := slices.Index(names, e.Key.Value)
			if k < 0 {
				if !s.spec.Ports.Bad {
					r.errorf(e.Key.Place, r.guess(e.Key.Value, names), "the service has no port called %s", quote(e.Key.Value))
				}
				continue
			}
			ports[k] = uint16(r.inRange(e.Value, 0, 1, maxPort))
		}
		return ports
	}
	if es.Port.Written() {
		port := uint16(r.inRange(es.Port, 0, 1, maxPort))
		if len(ports) > 1 {
			r.errorf(es.Port.Place, "write ports: {NAME: PORT}", "the service has several ports; which one is meant?")
			return ports
		}
		for k := range ports {
			ports[k] = port
		}
		return ports
	}
	for k, p := range s.Ports {
		n, ok := number(p.TargetPort)
		if !ok && p.TargetPort != "" && !es.mayHave("port", "ports") {
			r.errorf(es.Place, "", "port is missing: targetPort %s is a name, and only pods have ports with names", quote(p.TargetPort))
			return ports
		}
		ports[k] = uint16(n)
	}
	return ports
}
