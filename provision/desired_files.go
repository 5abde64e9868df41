package provision

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"netlab/labs"
)

// files adds the names of the lab: one hosts file for its nodes, its bridges and
// the pods of Kubernetes namespace default, and one for the pods of each other
// namespace.
func (d *desired) files() {
	done := []string{"default"}
	d.namesIn("default", "")
	for _, p := range d.lab.Pods {
		if !slices.Contains(done, p.Namespace) {
			done = append(done, p.Namespace)
			d.namesIn(p.Namespace, p.Namespace+"/")
		}
	}
}

// namesIn adds the names as they are in a Kubernetes namespace: those of the
// same namespace need no suffix. A short name that a service and a pod share is
// the service's, as it is in a cluster.
func (d *desired) namesIn(namespace, prefix string) {
	h := hosts{owner: map[string]string{}, namespace: namespace}
	h.b.WriteString("# names of lab " + d.lab.Name + "\n127.0.0.1 localhost\n::1 localhost\n")
	for _, s := range d.lab.Services {
		h.add("svc/"+s.ID(), s.ClusterIPs, h.qualified(s.Name, s.Namespace, "svc.cluster.local"))
	}
	for i := range d.lab.Nodes {
		n := &d.lab.Nodes[i]
		h.add("node/"+n.Name, n.Addrs(), []string{n.Name})
	}
	for _, p := range d.lab.Pods {
		addrs := make([]netip.Addr, len(p.Addrs))
		for i, a := range p.Addrs {
			addrs[i] = a.Addr()
		}
		h.add("pod/"+p.ID(), addrs, h.qualified(p.Name, p.Namespace, "pod.cluster.local"))
	}
	d.add(
		File{d.lab.Name, prefix + "hosts", h.b.String(), FileMode},
		File{d.lab.Name, prefix + "resolv.conf", resolvConf(d.lab, namespace), FileMode},
	)
}

// FileMode lets every user of a pod read the names.
const FileMode = 0o644

// hosts writes a hosts file in which every name belongs to one thing.
type hosts struct {
	b     strings.Builder
	owner map[string]string // name -> what it belongs to

	namespace string // of Kubernetes, whose names need no suffix
}

func (h *hosts) add(who string, addrs []netip.Addr, names []string) {
	var own []string
	for _, n := range names {
		if h.owner[n] == "" {
			h.owner[n] = who
		}
		if h.owner[n] == who {
			own = append(own, n)
		}
	}
	if len(own) == 0 {
		return
	}
	for _, a := range addrs {
		fmt.Fprintf(&h.b, "%s %s\n", a, strings.Join(own, " "))
	}
}

// qualified returns the names of something in a Kubernetes namespace, the
// longest first.
func (h *hosts) qualified(name, namespace, domain string) []string {
	names := []string{name + "." + namespace + "." + domain, name + "." + namespace}
	if namespace == h.namespace {
		names = append(names, name)
	}
	return names
}

// resolvConf names the lab's DNS server. A lab without one gets a file without
// a server, so that a look-up fails at once instead of asking the host's.
func resolvConf(lab *labs.Lab, namespace string) string {
	const head = "# resolver of lab "
	if s := lab.Service("kube-system", "kube-dns"); lab.DNS && s != nil && len(s.ClusterIPs) > 0 {
		var b strings.Builder
		fmt.Fprintf(&b, head+"%s\n", lab.Name)
		for _, a := range s.ClusterIPs {
			fmt.Fprintf(&b, "nameserver %s\n", a)
		}
		return b.String() + "search " + namespace + ".svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
	}
	return head + lab.Name + ": none, names are in the hosts file\n"
}
