package kubeproxy

import (
	"net/netip"

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
	endpoints := 0
	for i := range ports {
		endpoints += len(ports[i].Endpoints)
	}
	w := writer{b: b, config: c, terse: endpoints > largeCluster}
	w.jumps()
	w.masquerade()
	w.firewall()
	for i := range ports {
		w.port(&ports[i])
	}
	w.nodePorts()
	w.forward()
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
