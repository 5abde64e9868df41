package labs

// doubts say of which lists the resolver does not know all names, because
// something in them could not be read. What seems to be missing from them is
// not reported.
type doubts struct {
	subnets, bridges, nodes, pods, services bool

	labels bool // of pods
}

// newDoubts looks at what was read of a lab file.
func newDoubts(s *Spec) doubts {
	d := doubts{
		subnets:  incomplete(s, "subnets", s.Subnets.Place),
		bridges:  incomplete(s, "bridges", s.Bridges.Place),
		nodes:    incomplete(s, "nodes", s.Nodes.Place),
		pods:     incomplete(s, "pods", s.Pods.Place),
		services: incomplete(s, "services", s.Services.Place),
	}
	d.labels = d.pods
	for i := range s.Subnets.Items {
		d.subnets = d.subnets || !s.Subnets.Items[i].Name.OK()
	}
	for i := range s.Bridges.Items {
		d.bridges = d.bridges || !s.Bridges.Items[i].Name.OK()
	}
	for i := range s.Nodes.Items {
		d.nodes = d.nodes || !s.Nodes.Items[i].Name.OK()
	}
	for i := range s.Pods.Items {
		p := &s.Pods.Items[i]
		d.pods = d.pods || !p.Name.OK() || p.Namespace.Bad || p.mayHave("namespace")
		d.labels = d.labels || p.Namespace.Bad || p.Labels.Bad || p.mayHave("namespace", "labels")
	}
	for i := range s.Services.Items {
		sv := &s.Services.Items[i]
		d.services = d.services || !sv.Name.OK() || sv.Namespace.Bad || sv.Ports.Bad || sv.mayHave("namespace", "ports")
	}
	return d
}

// incomplete reports whether a list of the lab could not be read in full.
func incomplete(s *Spec, key string, list Place) bool {
	return list.Bad || !list.Written() && s.mayHave(key)
}
