package labs

import (
	"fmt"
	"net/netip"
	"strings"
)

// Target resolves an end of traffic as people type it: a reference as for
// [Lab.Find], :PORT after it, and /UDP after that. The port is a number or the
// name of a port of the service or pod. A service that has but one port needs
// none. The error is a [*RefError].
func (l *Lab) Target(text string) (Target, error) {
	t, err := l.target(text, true)
	if err != nil {
		return Target{}, err
	}
	return t, nil
}

func (l *Lab) target(text string, hints bool) (Target, *RefError) {
	text, proto := cutProtocol(text)
	name, port, err := cutPort(text)
	if err != nil {
		return Target{}, err
	}
	ref, err := l.find(name, hints)
	if err != nil {
		return Target{}, err
	}
	t := Target{Ref: ref, Protocol: proto}
	switch {
	case port == "" && ref.Kind == RefService:
		err = l.onlyPort(&t)
	case port == "" && proto == UDP:
		err = &RefError{fmt.Sprintf("%s/UDP needs a port", name), fmt.Sprintf("write %s:PORT/UDP", name)}
	case port != "":
		err = l.targetPort(&t, port)
	}
	if err != nil {
		return Target{}, err
	}
	if t.Port == 0 {
		t.Protocol = ""
	} else if t.Protocol == "" {
		t.Protocol = TCP
	}
	return t, nil
}

// cutProtocol removes /UDP or /TCP from the end of a target.
func cutProtocol(text string) (string, Protocol) {
	i := strings.LastIndexByte(text, '/')
	if i < 0 {
		return text, ""
	}
	proto := Protocol(strings.ToUpper(text[i+1:]))
	if proto != UDP && proto != TCP {
		return text, ""
	}
	// pod/udp is a pod of that name: a protocol follows a port, or a
	// reference that is complete without it.
	before := text[:i]
	kind, name, slash := strings.Cut(before, "/")
	complete := slash && (kind == "svc" || kind == "service" || kind == "pod" || kind == "node" || kind == "bridge") && name != "svc" && name != "pod"
	if strings.Contains(before, ":") || complete {
		return before, proto
	}
	return text, ""
}

// cutPort splits a target into reference and port. IPv6 addresses with a port
// stand in brackets.
func cutPort(text string) (name, port string, err *RefError) {
	if rest, ok := strings.CutPrefix(text, "["); ok {
		addr, after, closed := strings.Cut(rest, "]")
		port, colon := strings.CutPrefix(after, ":")
		if !closed || after != "" && (!colon || port == "") {
			return "", "", &RefError{fmt.Sprintf("%s is not an address with a port", quote(text)), "write [ADDRESS]:PORT"}
		}
		return addr, port, nil
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return text, "", nil
	}
	name, port, colon := strings.Cut(text, ":")
	if colon && port == "" {
		return "", "", &RefError{fmt.Sprintf("%s ends in a colon", quote(text)), "write a port after it, or leave it out"}
	}
	return name, port, nil
}

// targetPort reads a port: a number, or a name that service or pod give one.
func (l *Lab) targetPort(t *Target, port string) *RefError {
	if decimal.MatchString(port) {
		n, ok := number(port)
		if !ok || n < 1 || n > maxPort {
			return &RefError{fmt.Sprintf("port %s is not from 1 to %d", port, maxPort), ""}
		}
		t.Port = uint16(n)
		if t.Protocol == "" && t.Ref.Kind == RefService {
			t.Protocol = l.protocolOf(t.Ref, t.Port)
		}
		return nil
	}
	var names []string
	for _, p := range l.namedPorts(t.Ref) {
		if p.Name == port && (t.Protocol == "" || t.Protocol == p.Protocol) {
			t.Port, t.Protocol = p.Port, p.Protocol
			return nil
		}
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	e := &RefError{Message: fmt.Sprintf("%s has no port called %s", t.Ref, quote(port)), Hint: "write its number"}
	if near := nearest(port, names); near != "" {
		e.Hint = "did you mean " + quote(near) + "?"
	} else if len(names) > 0 && len(names) <= maxListed {
		e.Hint = "there is " + strings.Join(names, ", ")
	}
	return e
}

// protocolOf returns the protocol of a service's port: UDP if the port is not
// there for TCP.
func (l *Lab) protocolOf(ref Ref, port uint16) Protocol {
	proto := TCP
	for _, p := range l.Service(ref.Namespace, ref.Name).Ports {
		if p.Port == port {
			if p.Protocol == TCP {
				return TCP
			}
			proto = UDP
		}
	}
	return proto
}

// namedPorts lists the ports of a service or a pod.
func (l *Lab) namedPorts(ref Ref) []ContainerPort {
	var ports []ContainerPort
	switch ref.Kind {
	case RefService:
		for _, p := range l.Service(ref.Namespace, ref.Name).Ports {
			ports = append(ports, ContainerPort{p.Name, p.Port, p.Protocol})
		}
	case RefPod:
		for _, c := range l.Pod(ref.Namespace, ref.Name).Containers {
			ports = append(ports, c.Ports...)
		}
	}
	return ports
}

// onlyPort takes the port of a service that has but one.
func (l *Lab) onlyPort(t *Target) *RefError {
	s := l.Service(t.Ref.Namespace, t.Ref.Name)
	var fits []ServicePort
	for _, p := range s.Ports {
		if t.Protocol == "" || t.Protocol == p.Protocol {
			fits = append(fits, p)
		}
	}
	if len(fits) == 1 {
		t.Port, t.Protocol = fits[0].Port, fits[0].Protocol
		return nil
	}
	if len(s.Ports) == 0 {
		return nil // a headless service without ports: its pods are pinged
	}
	var forms []string
	for _, p := range s.Ports {
		forms = append(forms, Target{t.Ref, p.Port, p.Protocol}.String())
	}
	return &RefError{fmt.Sprintf("%s has several ports", t.Ref), "write " + or(forms)}
}

// Gateway returns the gateways of a subnet that a bridge uses, one for each
// address family: its first addresses. Other subnets have none.
func (l *Lab) Gateway(subnet string) []netip.Addr {
	var gateways []netip.Addr
	for i := range l.Bridges {
		if l.Bridges[i].Subnet != subnet {
			continue
		}
		for _, s := range l.Subnets {
			if s.Name != subnet {
				continue
			}
			for _, p := range s.Prefixes {
				gateways = append(gateways, firstHost(p))
			}
		}
	}
	return gateways
}
