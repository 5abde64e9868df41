package explain

import (
	"fmt"
	"strings"

	"netlab/provision"
)

// place is where a fault is: the namespace, and in brackets what it is.
func (e *explainer) place(ns string) string {
	if ns == "" {
		return "host"
	}
	if title := e.titles[ns]; title != "" {
		return ns + " (" + title + ")"
	}
	return ns
}

// first is the first line of an explanation: where the fault is, of which
// object, what is wrong with it, and what the lab says.
func (e *explainer) first(f *fault, line string) string {
	ns, what := e.wording(f)
	if line != "" {
		what = line
		switch {
		case strings.Contains(what, "lab says"):
		case strings.Contains(what, "missing"):
			what += ", the lab has " + itOrThem(what)
		case strings.Contains(what, "extra"):
			what += ", the lab has none"
		default:
			what += ", the lab says otherwise"
		}
		if n := len(f.lines); n > mostLines {
			what = fmt.Sprintf("the netfilter rules differ from the lab's in %d places: %s", n, what)
		}
	}
	return e.place(ns) + ": " + strings.ReplaceAll(strings.ReplaceAll(what, ", lab says", ", the lab says"), "the the lab", "the lab")
}

func itOrThem(what string) string {
	if strings.Contains(what, "rules missing") {
		return "them"
	}
	return "it"
}

// wording says in which namespace a fault is, and what is wrong. Of an object
// that has to be made anew it says how it differs.
func (e *explainer) wording(f *fault) (ns, what string) {
	s := f.step
	_, space := s.Object.(provision.Namespace)
	if old, there := e.Observed.Get(s.Object.Key()); there && !space && s.Op == provision.Create && fmt.Sprintf("%T", old) == fmt.Sprintf("%T", s.Object) {
		s.Op, s.Old = provision.Update, old
		if len(s.Differences()) == 0 {
			s.Op, s.Old = provision.Create, nil
		}
	}
	if want, ok := s.Object.(provision.Addr); ok && s.Op == provision.Create {
		for _, o := range f.steps {
			if is, ok := o.Object.(provision.Addr); ok && o.Op == provision.Delete && is.Dev == want.Dev && is.NS == want.NS {
				return want.NS, fmt.Sprintf("the address of %s is %s, the lab says %s", want.Dev, is.Prefix, want.Prefix)
			}
		}
	}
	if ns, what = wording(s); s.Op == provision.Delete {
		if a, ok := s.Object.(provision.Addr); ok && e.names.Addr(a.Prefix.Addr()) != "" {
			what = fmt.Sprintf("%s; it is the address of %s", what, e.names.Addr(a.Prefix.Addr()))
		}
	}
	if _, ok := s.Object.(provision.Route); ok { // of another table, to which a rule leads
		for _, o := range f.steps {
			if rule, ok := o.Object.(provision.Rule); ok && o.Op == provision.Delete {
				what += fmt.Sprintf("; %s leads there", named(rule))
			}
		}
	}
	return ns, what
}

// wording says in which namespace something is wrong, and what.
func wording(s provision.Step) (ns, what string) {
	ns = s.Object.Key().NS
	switch s.Op {
	case provision.Create:
		if _, ok := s.Object.(provision.Namespace); ok && s.Reason != "" {
			return ns, "the network namespace is missing (" + s.Reason + "), the lab says it is there"
		}
		if s.Reason != "" {
			return ns, named(s.Object) + " is another one than the lab's: " + s.Reason
		}
		return ns, missing(s.Object)
	case provision.Delete:
		if o, ok := s.Object.(provision.Sysctl); ok {
			return ns, fmt.Sprintf("%s is %s, the lab expects %s", o.Name, o.Value, o.Unset)
		}
		return ns, named(s.Object) + " is there" + spare(s.Object) + ", the lab has none"
	}
	switch o := s.Object.(type) {
	case provision.Veth:
		return cable(o, s)
	case provision.Namespace:
		return ns, loopback(s)
	case provision.Sysctl:
		return ns, fmt.Sprintf("%s is %s, the lab says %s", o.Name, s.Old.(provision.Sysctl).Value, o.Value)
	case provision.Ruleset:
		return ns, "the netfilter rules differ from the lab's"
	case provision.File:
		return ns, "the file " + o.Name + " of the lab's names is not as the lab says"
	}
	return ns, named(s.Object) + ": " + differences(s.Differences())
}

// missing says what is not there that the lab has.
func missing(o provision.Object) string {
	switch o := o.(type) {
	case provision.Namespace:
		return "the network namespace is missing, the lab says it is there"
	case provision.Port:
		return fmt.Sprintf("%s is no port of the bridge %s, the lab says it is", o.Dev, o.Bridge)
	case provision.Pause:
		return "the process that holds the pod is missing, the lab says it runs"
	}
	return named(o) + " is missing, the lab has it"
}

// spare says more about something that should not be there.
func spare(o provision.Object) string {
	switch o := o.(type) {
	case provision.Neigh:
		return " with the MAC " + o.MAC.String()
	case provision.Link:
		return " (" + o.Type + ")"
	}
	return ""
}

// cable says which end of a cable is not as it should be.
func cable(o provision.Veth, s provision.Step) (ns, what string) {
	end := o.A
	var near, far []provision.Difference
	for _, d := range s.Differences() {
		if name, peer := strings.CutPrefix(d.Attr, "peer-"); peer {
			d.Attr = name
			far = append(far, d)
		} else {
			near = append(near, d)
		}
	}
	list := near
	if len(near) == 0 {
		end, list = o.B, far
	}
	what = "the interface " + end.Name + ": " + differences(list)
	if len(near) > 0 && len(far) > 0 {
		what += fmt.Sprintf("; and at its other end, %s in %s: %s", o.B.Name, o.B.NS, differences(far))
	}
	return end.NS, what
}

// loopback says what is wrong with a namespace.
func loopback(s provision.Step) string {
	var parts []string
	for _, d := range s.Differences() {
		switch d.Attr {
		case "lo":
			parts = append(parts, fmt.Sprintf("the interface lo is %s, the lab says %s", d.Is, d.Wanted))
		case "rules":
			parts = append(parts, fmt.Sprintf("the routing policy is %s, the lab says the kernel's own rules stand", d.Is))
		default:
			parts = append(parts, d.String())
		}
	}
	return strings.Join(parts, "; ")
}

// differences writes what is and what the lab says.
func differences(list []provision.Difference) string {
	var parts []string
	for _, d := range list {
		switch d.Attr {
		case "extra":
			if d.Is == "" || d.Is == "none" {
				continue
			}
			parts = append(parts, d.Is+", the lab says nothing of it")
		case "dst", "via", "lladdr", "nexthops":
			parts = append(parts, d.String())
		default:
			parts = append(parts, d.String())
		}
	}
	return strings.Join(parts, "; ")
}

// named names an object as people call it.
func named(o provision.Object) string {
	switch o := o.(type) {
	case provision.Namespace:
		return "the network namespace"
	case provision.Veth:
		return fmt.Sprintf("the cable from %s in %s to %s in %s", o.A.Name, o.A.NS, o.B.Name, hostOr(o.B.NS))
	case provision.Bridge:
		return "the bridge " + o.Name
	case provision.VXLAN:
		return "the VXLAN device " + o.Name
	case provision.Link:
		return "the interface " + o.Name
	case provision.Port:
		return fmt.Sprintf("the port %s of the bridge %s", o.Dev, o.Bridge)
	case provision.Addr:
		return fmt.Sprintf("the address %s on %s", o.Prefix, o.Dev)
	case provision.Neigh:
		return fmt.Sprintf("the permanent neighbour %s on %s", o.Addr, o.Dev)
	case provision.FDB:
		if o.Dst.IsValid() {
			return fmt.Sprintf("the forwarding (FDB) entry of %s on %s to %s", o.MAC, o.Dev, o.Dst)
		}
		return fmt.Sprintf("the forwarding (FDB) entry of %s on %s", o.MAC, o.Dev)
	case provision.Route:
		return "the route " + routeText(o)
	case provision.Rule:
		return "the routing rule " + o.Key().Name
	case provision.Sysctl:
		return o.Name
	case provision.Ruleset:
		return "the set of netfilter rules"
	case provision.Pause:
		return "the process that holds the pod"
	case provision.Supervisor:
		return "the supervisor of the lab's containers"
	}
	return "the " + o.Key().String()
}

func hostOr(ns string) string {
	if ns == "" {
		return "the host"
	}
	return ns
}

// routeText writes a route as ip route does.
func routeText(r provision.Route) string {
	var words []string
	if r.Type != provision.Unicast {
		words = append(words, string(r.Type))
	}
	words = append(words, provision.PrefixText(r.To))
	if r.Hops != "" {
		words = append(words, "nexthops "+string(r.Hops))
	} else if hop := r.Hop.String(); hop != "" {
		words = append(words, hop)
	}
	if r.Table != provision.MainTable {
		words = append(words, fmt.Sprintf("table %d", r.Table))
	}
	if r.Metric != 0 {
		words = append(words, fmt.Sprintf("metric %d", r.Metric))
	}
	return strings.Join(words, " ")
}
