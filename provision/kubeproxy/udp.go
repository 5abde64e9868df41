package kubeproxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// UDPBackends says, as one comparable text, which addresses may answer for
// which UDP services of one address family. The zero UDPBackends knows of no
// service.
//
// There is a line for each way to address a service: its address and port, or
// a colon and its NodePort, and then the addresses of its endpoints. Unlike the
// rules they do not depend on the node: policies decide where new flows go, and
// do not end those that there are.
type UDPBackends string

// UDPBackendsOf returns the backends of the UDP ports among ports. Those of a
// service without endpoints are nobody's: it is left out.
func UDPBackendsOf(ports []ServicePort) UDPBackends {
	var lines []string
	for i := range ports {
		p := &ports[i]
		if p.Protocol != "udp" || len(p.Endpoints) == 0 {
			continue
		}
		addrs := make([]netip.Addr, len(p.Endpoints))
		for k, e := range p.Endpoints {
			addrs[k] = e.Addr.Addr()
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		behind := ""
		for _, a := range slices.Compact(addrs) {
			behind += " " + a.String()
		}
		for _, a := range slices.Concat([]netip.Addr{p.ClusterIP}, p.ExternalIPs, p.LoadBalancerIPs) {
			lines = append(lines, netip.AddrPortFrom(a, p.Port).String()+behind)
		}
		if p.NodePort != 0 {
			lines = append(lines, fmt.Sprintf(":%d%s", p.NodePort, behind))
		}
	}
	slices.Sort(lines)
	return UDPBackends(strings.Join(lines, "\n"))
}

// UDPFlow is what matters here of the conntrack entry of a UDP flow.
type UDPFlow struct {
	To       netip.AddrPort // destination of the original direction
	Answerer netip.Addr     // source of the reply direction
}

// Stale returns a function that reports whether the conntrack entry of a flow
// is to be deleted: it is addressed to a service, and what answers is no
// endpoint of it. That may be an endpoint of former times, or the service's own
// address, where the flow began before there was a rule to translate it.
//
// These are the entries that kube-proxy deletes (pkg/proxy/conntrack,
// CleanStaleEntries). An endpoint that stays under another port keeps its
// flows. Entries of TCP are nobody's to delete: connections end by themselves.
func (b UDPBackends) Stale() func(UDPFlow) bool {
	type answerers map[netip.Addr]bool
	services := map[netip.AddrPort]answerers{}
	nodePorts := map[uint16]answerers{}
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		who := answerers{}
		for _, w := range words[1:] {
			if a, err := netip.ParseAddr(w); err == nil {
				who[a] = true
			}
		}
		if port, err := strconv.ParseUint(strings.TrimPrefix(words[0], ":"), 10, 16); err == nil {
			nodePorts[uint16(port)] = who
		} else if at, err := netip.ParseAddrPort(words[0]); err == nil {
			services[at] = who
		}
	}
	return func(f UDPFlow) bool {
		to, byAddress := services[f.To]
		at, byPort := nodePorts[f.To.Port()]
		return byAddress && !to[f.Answerer] || byPort && !at[f.Answerer]
	}
}
