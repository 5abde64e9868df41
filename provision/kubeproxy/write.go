package kubeproxy

import (
	"net/netip"
	"slices"

	"netlab/provision/netfilter"
)

// The chains that are always there.
const (
	chainServices      = "KUBE-SERVICES"
	chainExternal      = "KUBE-EXTERNAL-SERVICES"
	chainNodePorts     = "KUBE-NODEPORTS"
	chainPostrouting   = "KUBE-POSTROUTING"
	chainMarkMasq      = "KUBE-MARK-MASQ"
	chainForward       = "KUBE-FORWARD"
	chainProxyFirewall = "KUBE-PROXY-FIREWALL"
	chainFirewall      = "KUBE-FIREWALL"
)

// masqueradeMark is set on packets whose source is to be rewritten.
const masqueradeMark = "0x4000"

// largeCluster is the number of endpoints above which rules for endpoints
// carry no comments.
const largeCluster = 1000

// Write adds the rules of a kube-proxy set up as c says that serves ports.
func Write(b *netfilter.Builder, c Config, ports []ServicePort) {
	var shared Shared
	shared.Write(b, c, ports)
}

// Shared remembers the rules of service ports, which on most nodes of a cluster
// are the same. The zero Shared remembers nothing yet; it serves one goroutine.
type Shared struct {
	ports map[sharedKey]sharedPort
}

// sharedKey tells the ports of a cluster apart.
type sharedKey struct {
	service, name string
	port          uint16
	protocol      string
	ipv6          bool
}

// sharedPort is rules and what they were made of.
type sharedPort struct {
	port   ServicePort
	config Config
	terse  bool
	rules  netfilter.Part
}

// Write is the package's [Write].
func (s *Shared) Write(b *netfilter.Builder, c Config, ports []ServicePort) {
	endpoints := 0
	for i := range ports {
		endpoints += len(ports[i].Endpoints)
	}
	w := writer{b: b, config: c, terse: endpoints > largeCluster}
	w.jumps()
	w.masquerade()
	w.firewall()
	for i := range ports {
		s.port(&w, &ports[i])
	}
	w.nodePorts()
	w.forward()
}

// port adds the rules of one port, from memory if it can.
func (s *Shared) port(w *writer, p *ServicePort) {
	key := sharedKey{p.Namespace + "/" + p.Service, p.Name, p.Port, p.Protocol, w.config.IPv6}
	known, ok := s.ports[key]
	if ok && known.terse == w.terse && known.config.sameFor(p, &w.config) && known.port.sameAs(p) {
		w.b.Add(known.rules)
		return
	}
	rules := w.b.Record(func() { w.port(p) })
	if s.ports == nil {
		s.ports = map[sharedKey]sharedPort{}
	}
	s.ports[key] = sharedPort{*p, w.config, w.terse, rules}
}

// sameFor reports whether two set-ups have the same rules for p. The node's own
// address counts only in the source ranges of load balancers, and those for
// NodePorts are not among the rules of a port.
func (c *Config) sameFor(p *ServicePort, other *Config) bool {
	return c.IPv6 == other.IPv6 && c.ClusterCIDR == other.ClusterCIDR && c.MasqueradeAll == other.MasqueradeAll &&
		(len(p.SourceRanges) == 0 || c.NodeIP == other.NodeIP)
}

// sameAs reports whether two ports have the same rules. Where an endpoint is
// counts only for policies that ask for it.
func (p *ServicePort) sameAs(other *ServicePort) bool {
	local := p.usesLocal()
	return p.Namespace == other.Namespace && p.Service == other.Service && p.Name == other.Name && p.Protocol == other.Protocol &&
		p.ClusterIP == other.ClusterIP && p.Port == other.Port && p.NodePort == other.NodePort && p.HealthCheckNodePort == other.HealthCheckNodePort &&
		slices.Equal(p.ExternalIPs, other.ExternalIPs) && slices.Equal(p.LoadBalancerIPs, other.LoadBalancerIPs) && slices.Equal(p.SourceRanges, other.SourceRanges) &&
		p.InternalLocal == other.InternalLocal && p.ExternalLocal == other.ExternalLocal && p.Affinity == other.Affinity &&
		slices.EqualFunc(p.Endpoints, other.Endpoints, func(a, b Endpoint) bool {
			return a.Addr == b.Addr && a.Terminating == b.Terminating && (!local || a.Local == b.Local)
		})
}

// writer adds rules to a builder.
type writer struct {
	b      *netfilter.Builder
	config Config
	terse  bool // no comments in the rules for endpoints
}

func (w *writer) nat(chain string, rule ...[]string)    { w.append("nat", chain, rule) }
func (w *writer) filter(chain string, rule ...[]string) { w.append("filter", chain, rule) }

func (w *writer) append(table, chain string, rule [][]string) {
	var args []string
	for _, part := range rule {
		args = append(args, part...)
	}
	w.b.Append(table, chain, args...)
}

func jump(target string, options ...string) []string {
	return append([]string{"-j", target}, options...)
}

func comment(text string) []string { return []string{"-m", "comment", "--comment", text} }

func source(a netip.Addr) []string { return []string{"-s", a.String()} }

func state(states string) []string { return []string{"-m", "conntrack", "--ctstate", states} }

// jumps makes the fixed chains and the rules that lead to them from the
// built-in ones. kube-proxy inserts each at the top, so the last it makes
// comes first. The exception is KUBE-FIREWALL: on a node of a cluster kubelet
// has made it before kube-proxy starts, and kube-proxy leaves it where it is.
func (w *writer) jumps() {
	const (
		services = "kubernetes service portals"
		external = "kubernetes externally-visible service portals"
		balancer = "kubernetes load balancer firewall"
	)
	onlyNew := state("NEW")
	for _, j := range []struct {
		table, from, to, comment string
		match                    []string
	}{
		{"filter", "INPUT", chainFirewall, "", nil},
		{"filter", "OUTPUT", chainFirewall, "", nil},
		{"filter", "INPUT", chainExternal, external, onlyNew},
		{"filter", "FORWARD", chainExternal, external, onlyNew},
		{"filter", "INPUT", chainNodePorts, "kubernetes health check service ports", nil},
		{"filter", "FORWARD", chainServices, services, onlyNew},
		{"filter", "OUTPUT", chainServices, services, onlyNew},
		{"filter", "FORWARD", chainForward, "kubernetes forwarding rules", nil},
		{"filter", "INPUT", chainProxyFirewall, balancer, onlyNew},
		{"filter", "OUTPUT", chainProxyFirewall, balancer, onlyNew},
		{"filter", "FORWARD", chainProxyFirewall, balancer, onlyNew},
		{"nat", "OUTPUT", chainServices, services, nil},
		{"nat", "PREROUTING", chainServices, services, nil},
		{"nat", "POSTROUTING", chainPostrouting, "kubernetes postrouting rules", nil},
	} {
		w.b.Chain(j.table, j.to)
		args := append([]string{}, j.match...)
		if j.comment != "" {
			args = append(args, comment(j.comment)...)
		}
		w.b.Prepend(j.table, j.from, append(args, jump(j.to)...)...)
	}
	w.b.Chain("nat", chainNodePorts)
}

// masquerade writes the chains that mark packets and rewrite the source of
// those marked. The mark is cleared first, for a packet that comes round again.
func (w *writer) masquerade() {
	w.nat(chainPostrouting, []string{"-m", "mark", "!", "--mark", masqueradeMark + "/" + masqueradeMark}, jump("RETURN"))
	w.nat(chainPostrouting, jump("MARK", "--xor-mark", masqueradeMark))
	w.nat(chainPostrouting, comment("kubernetes service traffic requiring SNAT"), jump("MASQUERADE", "--random-fully"))
	w.nat(chainMarkMasq, jump("MARK", "--or-mark", masqueradeMark))
}

// firewall keeps others from reaching loopback addresses, which the kernel
// routes once NodePorts are served on them.
func (w *writer) firewall() {
	if !w.config.localhost() {
		return
	}
	w.filter(chainFirewall, comment("block incoming localnet connections"),
		[]string{"-d", "127.0.0.0/8", "!", "-s", "127.0.0.0/8", "-m", "conntrack", "!", "--ctstate", "RELATED,ESTABLISHED,DNAT"},
		jump("DROP"))
}

// nodePorts leads to the NodePorts, after all other services.
func (w *writer) nodePorts() {
	last := comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain")
	if len(w.config.NodePortAddresses) == 0 {
		var but []string
		if w.config.IPv6 {
			but = []string{"!", "-d", "::1/128"}
		} else if !w.config.localhost() {
			but = []string{"!", "-d", "127.0.0.0/8"}
		}
		w.nat(chainServices, last, []string{"-m", "addrtype", "--dst-type", "LOCAL"}, but, jump(chainNodePorts))
		return
	}
	for _, a := range w.config.NodePortAddresses {
		if a.IsLoopback() && !w.config.localhost() {
			continue
		}
		w.nat(chainServices, last, destination(a), jump(chainNodePorts))
	}
}

// forward lets the traffic of services pass, whatever the policy says.
func (w *writer) forward() {
	if !w.config.ConntrackLiberal {
		w.filter(chainForward, state("INVALID"), jump("DROP"))
	}
	w.filter(chainForward, comment("kubernetes forwarding rules"),
		[]string{"-m", "mark", "--mark", masqueradeMark + "/" + masqueradeMark}, jump("ACCEPT"))
	w.filter(chainForward, comment("kubernetes forwarding conntrack rule"),
		state("RELATED,ESTABLISHED"), jump("ACCEPT"))
}
