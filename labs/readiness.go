package labs

import "slices"

// Predicted tells which pods will be ready once they run, as far as the lab
// file says: those without a readiness probe.
func (l *Lab) Predicted(podID string) bool {
	p := l.lookup().pods[podID]
	return p != nil && !slices.ContainsFunc(p.Containers, func(c Container) bool { return c.Readiness != nil })
}

// WithReadiness returns l as it is when only the pods that ready names by their
// ID are ready: the others are no endpoints. Pods without containers, and pods
// that the file says are not ready, are as they were. l is not changed.
func (l *Lab) WithReadiness(ready func(podID string) bool) *Lab {
	is := *l
	is.Pods = slices.Clone(l.Pods)
	out := map[string]bool{}
	for i := range is.Pods {
		if p := &is.Pods[i]; len(p.Containers) > 0 && p.Ready && !ready(p.ID()) {
			p.Ready = false
			out[p.ID()] = true
		}
	}
	if len(out) > 0 {
		is.Services = slices.Clone(l.Services)
		for i := range is.Services {
			s := &is.Services[i]
			if s.Selector == nil {
				continue // who wrote the endpoints out wants these
			}
			s.Ports = slices.Clone(s.Ports)
			for k := range s.Ports {
				s.Ports[k].Endpoints = slices.DeleteFunc(slices.Clone(s.Ports[k].Endpoints), func(e Endpoint) bool { return out[e.Pod] })
			}
		}
	}
	is.index = newIndex(&is)
	return &is
}

// WithoutContainers returns l with pods in which nothing runs. l is not
// changed.
func (l *Lab) WithoutContainers() *Lab {
	is := *l
	is.Pause, is.bare = false, true
	is.Pods = slices.Clone(l.Pods)
	is.text = nil
	for i := range is.Pods {
		is.Pods[i].Containers = nil
	}
	is.index = newIndex(&is)
	return &is
}

// Bare reports whether [Lab.WithoutContainers] has made l.
func (l *Lab) Bare() bool { return l.bare }
