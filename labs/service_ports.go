package labs

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
