package dns

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"netlab/labs"
)

// ttl is how long, in seconds, a client may remember an answer. Endpoints
// change within that time; nobody in a cluster relies on less.
const ttl = 30

// schema is the version of the specification that the records follow.
const schema = "1.1.0"

// NamesOf returns the names of a lab. Only pods that are ready are behind
// services.
func NamesOf(lab *labs.Lab) Names {
	b := builder{seen: map[string]bool{}, reverse: map[netip.Addr]bool{}}
	server := "ns.dns." + Zone
	b.add(Zone, "SOA", soa(Zone))
	b.add(Zone, "NS", server)
	if s := lab.Service("kube-system", "kube-dns"); s != nil {
		b.addrs(server, s.ClusterIPs)
	}
	b.add("dns-version."+Zone, "TXT", `"`+schema+`"`)
	namespaces := map[string]bool{"default": true, "kube-system": true}
	for i := range lab.Services {
		namespaces[lab.Services[i].Namespace] = true
		b.service(lab, &lab.Services[i])
	}
	for _, p := range lab.Pods {
		namespaces[p.Namespace] = true
		for _, a := range p.Addrs {
			if !b.reverse[a.Addr()] { // no service names it
				b.pointer(a.Addr(), dashed(a.Addr())+"."+p.Namespace+".pod."+Zone)
			}
		}
	}
	n := Names{Records: b.records}
	for ns := range namespaces {
		n.Namespaces = append(n.Namespaces, ns)
	}
	slices.Sort(n.Namespaces)
	return n
}

// soa is the start of authority of a zone, as CoreDNS has it.
func soa(zone string) string {
	return fmt.Sprintf("ns.dns.%s hostmaster.%s 1 7200 1800 86400 %d", Zone, zone, ttl)
}

// builder collects records, each once.
type builder struct {
	records []string
	seen    map[string]bool
	reverse map[netip.Addr]bool // has a PTR record
}

func (b *builder) add(name, kind, data string) {
	record := fmt.Sprintf("%s %d IN %s %s", name, ttl, kind, data)
	if !b.seen[record] {
		b.seen[record] = true
		b.records = append(b.records, record)
	}
}

func (b *builder) addrs(name string, addrs []netip.Addr) {
	for _, a := range addrs {
		kind := "AAAA"
		if a.Is4() {
			kind = "A"
		}
		b.add(name, kind, a.String())
	}
}

func (b *builder) pointer(a netip.Addr, name string) {
	if reverse, err := dns.ReverseAddr(a.String()); err == nil {
		b.reverse[a] = true
		b.add(reverse, "PTR", name)
	}
}

// service adds the records of a service. Each of its endpoints has a name below
// the service's: that of the pod if the service is headless, which is what the
// pods of a StatefulSet have, otherwise its address.
func (b *builder) service(lab *labs.Lab, s *labs.Service) {
	name := s.Name + "." + s.Namespace + ".svc." + Zone
	b.addrs(name, s.ClusterIPs)
	for _, a := range s.ClusterIPs {
		b.pointer(a, name)
	}
	for _, e := range endpoints(lab, s) {
		host := hostname(s, e) + "." + name
		b.addrs(host, []netip.Addr{e.Addr})
		b.pointer(e.Addr, host)
		if s.Headless {
			b.addrs(name, []netip.Addr{e.Addr})
		}
	}
	for _, p := range s.Ports {
		if !s.Headless {
			b.srv(name, p, p.Port, 100, name)
			continue
		}
		hosts := portHosts(s, p)
		for _, h := range hosts {
			b.srv(name, p, h.port, max(100/len(hosts), 1), h.name+"."+name)
		}
	}
}

// srv adds what leads to a port of a service: under the port's name, if it has
// one, and under the service's.
func (b *builder) srv(service string, p labs.ServicePort, port uint16, weight int, target string) {
	data := fmt.Sprintf("0 %d %d %s", weight, port, target)
	if p.Name != "" {
		b.add("_"+p.Name+"._"+strings.ToLower(string(p.Protocol))+"."+service, "SRV", data)
	}
	b.add(service, "SRV", data)
}

// host is an endpoint of one port, whatever addresses it has.
type host struct {
	name string
	port uint16
}

func portHosts(s *labs.Service, p labs.ServicePort) []host {
	var hosts []host
	for _, e := range p.Endpoints {
		if h := (host{hostname(s, e), e.Port}); !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// endpoints returns the endpoints of all ports of a service, each address once,
// sorted. A headless service needs no ports to have some.
func endpoints(lab *labs.Lab, s *labs.Service) []labs.Endpoint {
	var all []labs.Endpoint
	for _, p := range s.Ports {
		all = append(all, p.Endpoints...)
	}
	if s.Headless && len(s.Ports) == 0 {
		all = selected(lab, s)
	}
	slices.SortStableFunc(all, func(a, b labs.Endpoint) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Pod, b.Pod))
	})
	return slices.CompactFunc(all, func(a, b labs.Endpoint) bool { return a.Addr == b.Addr && a.Pod == b.Pod })
}

// selected returns the pods of a service that are ready.
func selected(lab *labs.Lab, s *labs.Service) []labs.Endpoint {
	var ready []labs.Endpoint
	for _, p := range lab.Pods {
		if !p.Ready || p.Namespace != s.Namespace || len(s.Selector) == 0 {
			continue
		}
		match := true
		for k, v := range s.Selector {
			got, ok := p.Labels[k]
			match = match && ok && got == v
		}
		if !match {
			continue
		}
		for _, a := range p.Addrs {
			ready = append(ready, labs.Endpoint{Addr: a.Addr(), Pod: p.ID()})
		}
	}
	return ready
}

// hostname is the name of an endpoint below its service's.
func hostname(s *labs.Service, e labs.Endpoint) string {
	if _, pod, ok := strings.Cut(e.Pod, "/"); ok && s.Headless {
		return pod
	}
	return dashed(e.Addr)
}

// dashed writes an address as a label.
func dashed(a netip.Addr) string {
	return strings.NewReplacer(".", "-", ":", "-").Replace(a.String())
}
