package labs

import (
	"net/netip"
	"time"
)

const (
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
