package kubeproxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// route is where traffic for a service port goes on this node.
type route struct {
	*ServicePort
	cluster, local, reachable []Endpoint

	served        bool   // there are endpoints somewhere
	internalChain string // for the cluster address, "" without usable endpoints
	externalChain string // that EXT ends in, "" without usable endpoints
}

func newRoute(p *ServicePort) route {
	r := route{ServicePort: p}
	r.cluster, r.local, r.reachable, r.served = p.usable()
	r.internalChain = r.policyChain(p.InternalLocal)
	r.externalChain = r.policyChain(p.ExternalLocal)
	return r
}

func (r *route) policyChain(local bool) string {
	switch {
	case !r.served || local && len(r.local) == 0:
		return ""
	case local:
		return r.SVL()
	}
	return r.SVC()
}

// refusal returns the rule's end for traffic that reaches no endpoint:
// refused at once where there are none at all, lost where there are none here.
func (r *route) refusal() (note, end []string) {
	if !r.served {
		return comment(r.String() + " has no endpoints"), jump("REJECT")
	}
	return comment(r.String() + " has no local endpoints"), jump("DROP")
}

// filtersSources reports whether load balancer traffic goes through FW.
func (r *route) filtersSources() bool {
	return r.served && len(r.LoadBalancerIPs) > 0 && len(r.SourceRanges) > 0
}

// proto matches a port of the service's protocol.
func (r *route) proto(port uint16) []string {
	return []string{"-m", r.Protocol, "-p", r.Protocol, "--dport", strconv.Itoa(int(port))}
}

func destination(a netip.Addr) []string { return []string{"-d", a.String()} }

// port writes the rules of one service port.
func (w *writer) port(p *ServicePort) {
	r := newRoute(p)
	w.clusterIP(&r)
	w.externalIPs(&r)
	w.loadBalancer(&r)
	w.nodePort(&r)
	if r.served && r.external() {
		w.ext(&r)
	}
	if r.filtersSources() {
		w.fw(&r)
	}
	if len(r.cluster) > 0 {
		w.balance(&r, r.SVC(), r.cluster)
	}
	if len(r.local) > 0 {
		w.balance(&r, r.SVL(), r.local)
	}
	for _, e := range r.reachable {
		w.endpoint(&r, e)
	}
}

// clusterIP leads to the endpoints for traffic from inside, and marks what
// comes from outside: it may leave for another node, and must come back here.
func (w *writer) clusterIP(r *route) {
	to := slices.Concat(destination(r.ClusterIP), r.proto(r.Port))
	if r.internalChain == "" {
		note, end := r.refusal()
		w.filter(chainServices, note, to, end)
		return
	}
	note := comment(r.String() + " cluster IP")
	w.nat(chainServices, note, to, jump(r.internalChain))
	switch {
	case w.config.MasqueradeAll:
		w.nat(r.internalChain, note, to, jump(chainMarkMasq))
	case w.config.ClusterCIDR.IsValid():
		w.nat(r.internalChain, note, to, []string{"!", "-s", w.config.ClusterCIDR.String()}, jump(chainMarkMasq))
	}
}

func (w *writer) externalIPs(r *route) {
	for _, a := range r.ExternalIPs {
		to := slices.Concat(destination(a), r.proto(r.Port))
		if r.served {
			w.nat(chainServices, comment(r.String()+" external IP"), to, jump(r.EXT()))
		}
		w.refuseExternal(r, to)
	}
}

func (w *writer) loadBalancer(r *route) {
	for _, a := range r.LoadBalancerIPs {
		to := slices.Concat(destination(a), r.proto(r.Port))
		chain := r.EXT()
		if r.filtersSources() {
			chain = r.FW()
			w.filter(chainProxyFirewall, comment(r.String()+" traffic not accepted by "+chain), to, jump("DROP"))
		}
		if r.served {
			w.nat(chainServices, comment(r.String()+" loadbalancer IP"), to, jump(chain))
		}
		w.refuseExternal(r, to)
	}
}

func (w *writer) nodePort(r *route) {
	if r.NodePort != 0 {
		to := r.proto(r.NodePort)
		if r.served {
			w.nat(chainNodePorts, comment(r.String()), to, jump(r.EXT()))
		}
		w.refuseExternal(r, append([]string{"-m", "addrtype", "--dst-type", "LOCAL"}, to...))
	}
	if r.HealthCheckNodePort != 0 {
		w.filter(chainNodePorts, comment(r.String()+" health check node port"),
			[]string{"-m", "tcp", "-p", "tcp", "--dport", strconv.Itoa(int(r.HealthCheckNodePort))}, jump("ACCEPT"))
	}
}

// refuseExternal refuses what EXT does not send to an endpoint.
func (w *writer) refuseExternal(r *route, to []string) {
	if r.externalChain == "" {
		note, end := r.refusal()
		w.filter(chainExternal, note, to, end)
	}
}

// ext writes the chain for traffic from outside. With policy Local, pods and
// the node itself are treated as if they were inside.
func (w *writer) ext(r *route) {
	chain, where := r.EXT(), r.String()+" external destinations"
	if r.ExternalLocal {
		fromNode := []string{"-m", "addrtype", "--src-type", "LOCAL"}
		if w.config.ClusterCIDR.IsValid() {
			w.nat(chain, comment("pod traffic for "+where), []string{"-s", w.config.ClusterCIDR.String()}, jump(r.SVC()))
		}
		w.nat(chain, comment("masquerade LOCAL traffic for "+where), fromNode, jump(chainMarkMasq))
		w.nat(chain, comment("route LOCAL traffic for "+where), fromNode, jump(r.SVC()))
	} else {
		w.nat(chain, comment("masquerade traffic for "+where), jump(chainMarkMasq))
	}
	if r.externalChain != "" {
		w.nat(chain, jump(r.externalChain))
	}
}

// fw writes the chain that lets the allowed sources of a load balancer pass.
// If the node is one of them, so is the balancer's address, which the node
// has for a source when it holds that address itself.
func (w *writer) fw(r *route) {
	note := comment(r.String() + " loadbalancer IP")
	node := false
	for _, s := range r.SourceRanges {
		w.nat(r.FW(), note, []string{"-s", s.String()}, jump(r.EXT()))
		node = node || s.Contains(w.config.NodeIP)
	}
	if node {
		for _, a := range r.LoadBalancerIPs {
			w.nat(r.FW(), note, source(a), jump(r.EXT()))
		}
	}
	w.nat(r.FW(), comment("other traffic to "+r.String()+" will be dropped by "+chainProxyFirewall))
}

// balance shares traffic out to endpoints: a client goes where it went before
// if the service wants that, otherwise lots are drawn.
func (w *writer) balance(r *route, chain string, endpoints []Endpoint) {
	w.b.Chain("nat", chain)
	if r.Affinity > 0 {
		seconds := strconv.Itoa(int(r.Affinity / time.Second))
		for _, e := range endpoints {
			sep := r.SEP(e.Addr)
			w.nat(chain, w.note(r, e), []string{"-m", "recent", "--name", sep, "--rcheck", "--seconds", seconds, "--reap"}, jump(sep))
		}
	}
	for i, e := range endpoints {
		var lot []string
		if left := len(endpoints) - i; left > 1 {
			lot = []string{"-m", "statistic", "--mode", "random", "--probability", fmt.Sprintf("%0.10f", 1/float64(left))}
		}
		w.nat(chain, w.note(r, e), lot, jump(r.SEP(e.Addr)))
	}
}

func (w *writer) note(r *route, e Endpoint) []string {
	if w.terse {
		return nil
	}
	return comment(r.String() + " -> " + e.Addr.String())
}

// endpoint writes the chain that sends traffic to one endpoint. What an
// endpoint sends to itself is marked, or it would answer itself directly.
func (w *writer) endpoint(r *route, e Endpoint) {
	chain := r.SEP(e.Addr)
	var note, remember []string
	if !w.terse {
		note = comment(r.String())
	}
	if r.Affinity > 0 {
		remember = []string{"-m", "recent", "--name", chain, "--set"}
	}
	w.nat(chain, note, source(e.Addr.Addr()), jump(chainMarkMasq))
	w.nat(chain, note, remember, []string{"-m", r.Protocol, "-p", r.Protocol}, jump("DNAT", "--to-destination", e.Addr.String()))
}
