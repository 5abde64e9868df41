package labs

// index finds the things of a lab by name.
type index struct {
	nodes    map[string]*Node
	bridges  map[string]*Bridge
	pods     map[string]*Pod     // by ID
	services map[string]*Service // by ID
	named    map[string][]*Service
}

func newIndex(l *Lab) *index {
	x := &index{
		nodes:    make(map[string]*Node, len(l.Nodes)),
		bridges:  make(map[string]*Bridge, len(l.Bridges)),
		pods:     make(map[string]*Pod, len(l.Pods)),
		services: make(map[string]*Service, len(l.Services)),
		named:    make(map[string][]*Service, len(l.Services)),
	}
	for i := range l.Nodes {
		x.nodes[l.Nodes[i].Name] = &l.Nodes[i]
	}
	for i := range l.Bridges {
		x.bridges[l.Bridges[i].Name] = &l.Bridges[i]
	}
	for i := range l.Pods {
		x.pods[l.Pods[i].ID()] = &l.Pods[i]
	}
	for i := range l.Services {
		s := &l.Services[i]
		x.services[s.ID()] = s
		x.named[s.Name] = append(x.named[s.Name], s)
	}
	return x
}

// lookup returns the index of l. A Lab that was not made by Resolve gets one
// for the occasion.
func (l *Lab) lookup() *index {
	if l.index != nil {
		return l.index
	}
	return newIndex(l)
}

// Node returns the node of that name, or nil.
func (l *Lab) Node(name string) *Node { return l.lookup().nodes[name] }

// Bridge returns the bridge of that name, or nil.
func (l *Lab) Bridge(name string) *Bridge { return l.lookup().bridges[name] }

// Pod returns the pod of that name in a Kubernetes namespace, or nil.
func (l *Lab) Pod(namespace, name string) *Pod { return l.lookup().pods[namespace+"/"+name] }

// Service returns the service of that name in a Kubernetes namespace, or nil.
func (l *Lab) Service(namespace, name string) *Service {
	return l.lookup().services[namespace+"/"+name]
}
