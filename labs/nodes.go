package labs

import "slices"

// node is a node being resolved.
type node struct {
	*Node
	spec   *NodeSpec
	ifaces []*iface
	pools  []*pool // of its pods' addresses, one for each family
}

// resolveNodes reads the names of the nodes and decides which are members of
// the cluster.
func (r *resolver) resolveNodes() {
	specs := r.spec.Nodes.Items
	if len(specs) == 0 && !r.spec.Nodes.Bad {
		r.missingNodes()
	}
	r.lab.Nodes = make([]Node, len(specs))
	cluster := r.hasCluster()
	for i := range specs {
		spec := &specs[i]
		n := &node{Node: &r.lab.Nodes[i], spec: spec}
		n.Name = r.label(spec.Name, spec.Place, "name", maxLabel)
		r.claimName(spec.Name, "node")
		n.Pos = spec.Pos
		n.Cluster = spec.Cluster.Or(cluster)
		if !n.Cluster && spec.PodSubnet.OK() {
			r.errorf(spec.PodSubnet.Place, "leave it out, or write cluster: true", "node %s is not in the cluster and has no pods", quote(n.Name))
		}
		r.nodes = append(r.nodes, n)
		if _, twice := r.nodeBy[n.Name]; !twice {
			r.nodeBy[n.Name] = n
		}
	}
}

func (r *resolver) missingNodes() {
	const hint = "for instance nodes: [{name: node-a}]"
	switch {
	case r.spec.Nodes.Written():
		r.errorf(r.spec.Nodes.Place, hint, "a lab needs at least one node")
	case !r.spec.mayHave("nodes"):
		r.errorf(r.spec.Place, hint, "nodes is missing")
	}
}

// hasCluster reports whether the lab has anything that needs a cluster.
func (r *resolver) hasCluster() bool {
	s := r.spec
	return len(s.Pods.Items) > 0 || s.Pods.Bad ||
		len(s.Services.Items) > 0 || s.Services.Bad ||
		s.Network.Written() || s.DNS.Value ||
		slices.ContainsFunc(s.Nodes.Items, func(n NodeSpec) bool { return n.PodSubnet.Written() })
}

// node returns the node that a names, or reports that there is none.
func (r *resolver) node(a At[string]) *node {
	if !a.OK() {
		return nil
	}
	n, ok := r.nodeBy[a.Value]
	if !ok && !r.doubt.nodes {
		r.errorf(a.Place, r.guess(a.Value, r.nodeNames()), "there is no node %s", quote(a.Value))
	}
	return n
}

func (r *resolver) nodeNames() []string {
	var names []string
	if r.guessed() {
		return nil
	}
	for _, n := range r.nodes {
		names = append(names, n.Name)
	}
	return names
}

// clusterNodes lists the members of the cluster.
func (r *resolver) clusterNodes() []*node {
	var members []*node
	for _, n := range r.nodes {
		if n.Cluster {
			members = append(members, n)
		}
	}
	return members
}
