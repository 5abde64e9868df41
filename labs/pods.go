package labs

import (
	"net/netip"
	"slices"
	"strings"
)

// defaultNamespace is the Kubernetes namespace of what does not name one.
const defaultNamespace = "default"

// pod is a pod being resolved.
type pod struct {
	*Pod
	spec *PodSpec
	node *node // nil if it is not known, which has been reported
}

// resolvePods resolves the pods: their names, then their addresses, those that
// are written first.
func (r *resolver) resolvePods() {
	dns := r.dnsPodSpec()
	specs := slices.Concat(r.spec.Pods.Items, dns)
	r.lab.Pods = make([]Pod, len(specs))
	first := map[string]Pos{}
	for i := range specs {
		p := &pod{Pod: &r.lab.Pods[i], spec: &specs[i]}
		r.podIdentity(p, first)
		p.node = r.podNode(p)
		p.Ready = p.spec.Ready.Or(true)
		p.Labels = r.labels(p.spec.Labels)
		p.RestartPolicy = RestartPolicy(r.oneOf(p.spec.RestartPolicy, string(RestartAlways),
			string(RestartAlways), string(RestartOnFailure), string(RestartNever)))
		r.containers(p)
		r.pods = append(r.pods, p)
	}
	for _, p := range r.pods {
		if p.node != nil {
			p.Node = p.node.Name
			r.explicitPodIP(p)
		}
	}
	if len(dns) > 0 {
		p := r.pods[len(r.pods)-1]
		p.Containers = []Container{dnsContainer(p.Pos)}
		if p.node != nil {
			r.lastPodIP(p)
		}
	}
	for _, p := range r.pods {
		if p.node != nil {
			r.automaticPodIP(p)
		}
	}
}

// podIdentity reads the name and the namespace of a pod.
func (r *resolver) podIdentity(p *pod, first map[string]Pos) {
	spec := p.spec
	p.Pos = spec.Pos
	p.Name = r.label(spec.Name, spec.Place, "name", maxLabel)
	p.Namespace = r.namespace(spec.Namespace)
	if !spec.Name.OK() || spec.Namespace.Bad {
		return
	}
	if p.Namespace == defaultNamespace {
		r.claimName(spec.Name, "pod")
		return
	}
	if before, twice := first[p.ID()]; twice {
		r.errorf(spec.Name.Place, "", "there is already a pod %s in namespace %s%s", quote(p.Name), quote(p.Namespace), lineOf(before))
		return
	}
	first[p.ID()] = spec.Name.Pos
}

// namespace reads a Kubernetes namespace.
func (r *resolver) namespace(a At[string]) string {
	if !a.OK() {
		return defaultNamespace
	}
	return r.label(a, Place{}, "namespace", maxLabel)
}

// podNode finds the node of a pod, or reports why it has none.
func (r *resolver) podNode(p *pod) *node {
	if !p.spec.Node.Written() {
		r.missing(p.spec.Place, "node")
		return nil
	}
	n := r.node(p.spec.Node)
	if n == nil {
		return nil
	}
	if !n.Cluster {
		r.errorf(p.spec.Node.Place, "leave cluster: false out at that node, or name another",
			"node %s is not in the cluster and runs no pods", quote(n.Name))
		return nil
	}
	return n
}

// explicitPodIP claims the addresses the author wrote for a pod.
func (r *resolver) explicitPodIP(p *pod) {
	for _, ip := range p.spec.IP.Items {
		a, ok := r.address(ip)
		if !ok {
			p.spec.IP.Bad = true
			continue
		}
		if _, twice := ofFamily(p.Addrs, a); twice {
			r.errorf(ip.Place, "a list holds one for each address family", "%s is the second %s address of the pod", a, familyName(a))
			continue
		}
		i := slices.IndexFunc(p.node.PodSubnets, func(b netip.Prefix) bool { return b.Contains(a) })
		if i < 0 {
			p.spec.IP.Bad = true
			r.notInPodSubnet(p, ip, a)
			continue
		}
		b := p.node.PodSubnets[i]
		what := edge(b, a)
		if a == firstHost(b) {
			what = "the gateway"
		}
		if what != "" {
			p.spec.IP.Bad = true
			r.errorf(ip.Place, "", "%s is %s of %s, the pod subnet of node %s", a, what, b, quote(p.Node))
			continue
		}
		if before, ok := p.node.pools[i].claim(a, owner{"pod " + quote(p.Name), ip.Pos}); !ok {
			p.spec.IP.Bad = true
			r.errorf(ip.Place, "", "%s is already the address of %s", a, before)
			continue
		}
		p.Addrs = append(p.Addrs, r.podAddr(a, b))
	}
}

// notInPodSubnet reports a pod's address that its node does not have.
func (r *resolver) notInPodSubnet(p *pod, ip At[string], a netip.Addr) {
	s := r.subnet(podsName)
	if len(p.node.PodSubnets) < len(s.Prefixes) || s.bad {
		return // the pod subnet has been reported
	}
	hint := ""
	for _, n := range r.nodes {
		if !r.guessed() && slices.ContainsFunc(n.PodSubnets, func(b netip.Prefix) bool { return b.Contains(a) }) {
			hint = "it is in the pod subnet of node " + quote(n.Name)
		}
	}
	r.guesses++
	var subnets []string
	for _, b := range p.node.PodSubnets {
		subnets = append(subnets, b.String())
	}
	r.errorf(ip.Place, hint, "%s is not in the pod subnet of node %s, which is %s", a, quote(p.Node), strings.Join(subnets, " and "))
}

// automaticPodIP gives a pod a free address of each family that the author did
// not write one of.
func (r *resolver) automaticPodIP(p *pod) {
	if p.spec.IP.Bad {
		return
	}
	for i, b := range p.node.PodSubnets {
		if _, has := ofFamily(p.Addrs, b.Addr()); has {
			continue
		}
		pl := p.node.pools[i]
		a, ok := pl.take(owner{"pod " + quote(p.Name), p.Pos})
		if !ok {
			if !pl.full {
				r.errorf(p.spec.Place, "move pods to another node, or give the node a larger podSubnet",
					"%s of node %s is full: it has room for %s", b, quote(p.Node), counted(hosts(b), "pod"))
			}
			pl.full = true
			continue
		}
		p.Addrs = append(p.Addrs, r.podAddr(a, b))
	}
	slices.SortFunc(p.Addrs, func(a, b netip.Prefix) int { return family(a.Addr()) - family(b.Addr()) })
}

// podAddr gives a pod's address the length that it has in the mode.
func (r *resolver) podAddr(a netip.Addr, block netip.Prefix) netip.Prefix {
	if r.lab.Network.Mode == ModeRouted {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return netip.PrefixFrom(a, block.Bits())
}

var (
	labelName  = newPattern(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)
	labelValue = newPattern(`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`)
)

// labels reads labels, of a pod or of a selector.
func (r *resolver) labels(m Map[string]) map[string]string {
	if len(m.Entries) == 0 {
		return nil
	}
	labels := make(map[string]string, len(m.Entries))
	for _, e := range m.Entries {
		_, name, prefixed := strings.Cut(e.Key.Value, "/")
		if !prefixed {
			name = e.Key.Value
		}
		if !labelName.MatchString(e.Key.Value) || len(name) > maxLabel || len(e.Key.Value) > 253+1+maxLabel {
			r.errorf(e.Key.Place, "", "%s is not a key for a label", quote(e.Key.Value))
		}
		if !labelValue.MatchString(e.Value.Value) || len(e.Value.Value) > maxLabel {
			r.errorf(e.Value.Place, "letters, digits, dashes, underscores and dots, at most 63", "%s is not a value for a label", quote(e.Value.Value))
		}
		labels[e.Key.Value] = e.Value.Value
	}
	return labels
}
