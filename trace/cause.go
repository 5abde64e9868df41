package trace

import (
	"net/netip"
	"slices"

	"netlab/provision"
)

// scene is where a packet was lost, and what it met there.
type scene struct {
	step    string
	spaces  []string // the nearest first
	devices map[string]bool
	dst     []netip.Addr // that were looked up
}

// sceneOf describes where a path ended.
func sceneOf(end *End, p parting, path *Path) scene {
	s := scene{step: end.Fault.Step, spaces: []string{end.NS}, devices: map[string]bool{}}
	for _, h := range []*Hop{p.last, p.want, p.seen, path.last()} {
		if h == nil {
			continue
		}
		s.add(h.NS)
		s.devices[h.Iface] = true
		s.dst = append(s.dst, h.Header.Dst)
		for _, f := range h.Facts {
			if f, ok := f.(Routed); ok {
				s.devices[f.Answer.Dev] = true
				s.dst = append(s.dst, f.Dst)
			}
		}
	}
	for i := range slices.Backward(path.Hops) {
		s.add(path.Hops[i].NS)
	}
	if p.way != nil {
		for i := range p.way.Hops {
			s.add(p.way.Hops[i].NS)
			s.devices[p.way.Hops[i].Iface] = true
		}
	}
	return s
}

func (s *scene) add(ns string) {
	if !slices.Contains(s.spaces, ns) {
		s.spaces = append(s.spaces, ns)
	}
}

// related are the kinds of objects that may be to blame for what a packet met,
// those first with which others go.
var related = map[string][]provision.Kind{
	"route lookup": {provision.KindLink, provision.KindAddr, provision.KindRoute, provision.KindRule},
	"neighbour":    {provision.KindNamespace, provision.KindLink, provision.KindAddr, provision.KindNeigh, provision.KindRoute, provision.KindPort, provision.KindLinkSysctl},
	"fdb":          {provision.KindFDB, provision.KindLink},
	"vxlan":        {provision.KindLink},
	"tunnel":       {provision.KindLink, provision.KindAddr, provision.KindRoute},
	"netfilter":    {provision.KindRuleset, provision.KindSysctl},
	"translation":  {provision.KindSysctl, provision.KindRuleset, provision.KindPort},
	"forwarding":   {provision.KindSysctl, provision.KindLinkSysctl},
	"rp_filter":    {provision.KindSysctl, provision.KindLinkSysctl},
	"interface":    {provision.KindNamespace, provision.KindLink},
	"cable":        {provision.KindNamespace, provision.KindLink},
	"mac":          {provision.KindLink, provision.KindNeigh},
	"bridge":       {provision.KindLink, provision.KindPort, provision.KindFDB},
	"namespace":    {provision.KindNamespace},
	"send":         {provision.KindLink, provision.KindAddr, provision.KindRoute},
}

// cause returns what of the lab is not as it should be and may be to blame, and
// the object that it is about; "" if nothing is.
func (s *scene) cause(plan provision.Plan, observed provision.State) (string, provision.Key) {
	most, guilty := 0, provision.Step{}
	for _, step := range plan.Steps {
		if g := s.guilt(step); g > most {
			most, guilty = g, step
		}
	}
	if most == 0 {
		return "", provision.Key{}
	}
	return Blame(guilty, observed), guilty.Object.Key()
}

// guilt says how likely it is that a difference lost the packet: 0 for one that
// has nothing to do with it.
func (s *scene) guilt(step provision.Step) int {
	key := step.Object.Key()
	near := -1
	for _, k := range append(step.Object.Claims(), key) {
		if i := slices.Index(s.spaces, k.NS); i >= 0 && (near < 0 || i < near) {
			near = i
		}
	}
	switch key.Kind {
	case provision.KindFile, provision.KindPause, provision.KindSupervisor:
		return 0
	}
	if near < 0 || !s.concerns(step.Object) {
		return 0
	}
	g := 2 + 10*max(1, 8-near)
	if i := slices.Index(related[s.step], key.Kind); i >= 0 {
		g += 200 - 10*i
	}
	if key.Kind == provision.KindNamespace {
		g += 100 // with it went all that was in it
	}
	if step.Op == provision.Delete {
		g -= 5 // what is missing explains more than what is there too
	}
	return g
}

// concerns reports whether a packet that was lost here may have met an object.
func (s *scene) concerns(o provision.Object) bool {
	switch o := o.(type) {
	case provision.Addr:
		return s.devices[o.Dev] || slices.Contains(s.dst, o.Prefix.Addr())
	case provision.Route:
		return slices.ContainsFunc(s.dst, o.To.Contains)
	case provision.Sysctl:
		return o.Dev == "" || s.devices[o.Dev]
	case provision.Neigh:
		return true
	}
	if key := o.Key(); key.Kind == provision.KindLink || key.Kind == provision.KindPort {
		return slices.ContainsFunc(append(o.Claims(), key), func(k provision.Key) bool { return s.devices[k.Name] && slices.Contains(s.spaces, k.NS) })
	}
	return true
}
