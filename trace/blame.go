package trace

import (
	"fmt"
	"strings"

	"netlab/provision"
	"netlab/provision/netfilter"
)

// Blame says in words what of the lab is not as its file says: the object that
// step mends. Where an object is made anew, observed tells what it is now.
func Blame(s provision.Step, observed provision.State) string {
	if old, ok := observed.Get(s.Object.Key()); ok && s.Op != provision.Delete {
		s.Op, s.Old = provision.Update, old
	}
	name := nameOf(s.Object)
	switch s.Op {
	case provision.Create:
		return name + " is missing"
	case provision.Delete:
		if sysctl, ok := s.Object.(provision.Sysctl); ok {
			return fmt.Sprintf("%s is %s, the lab expects %s", sysctl.Name, sysctl.Value, sysctl.Unset)
		}
		return name + " is there, but not in the lab file"
	}
	if now, ok := s.Object.(provision.Ruleset); ok {
		old := s.Old.(provision.Ruleset)
		return rulesDiffer(netfilter.Changes(old.Text, now.Text))
	}
	var parts []string
	for _, d := range s.Differences() {
		parts = append(parts, d.String())
	}
	if sysctl, ok := s.Object.(provision.Sysctl); ok {
		return fmt.Sprintf("%s is %s, the lab says %s", sysctl.Name, s.Old.(provision.Sysctl).Value, sysctl.Value)
	}
	return name + ": " + strings.ReplaceAll(strings.Join(parts, ", "), "lab says", "the lab says")
}

// rulesDiffer writes the first of some changes of rules.
func rulesDiffer(changes []string) string {
	if len(changes) == 0 {
		return "the netfilter rules differ"
	}
	s := changes[0]
	switch rest, mark := s[min(2, len(s)):], s[:min(1, len(s))]; mark {
	case "+":
		s = "the rule is missing: " + rest
	case "-":
		s = "there is a rule that the lab file does not have: " + rest
	default:
		s = "the rules differ: " + s
	}
	if n := len(changes) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d differences more)", n)
	}
	return s
}

// nameOf names an object as people call it.
func nameOf(o provision.Object) string {
	switch o := o.(type) {
	case provision.Namespace:
		return "the namespace " + o.Name
	case provision.Veth:
		return fmt.Sprintf("the cable %s/%s to %s/%s", o.A.NS, o.A.Name, o.B.NS, o.B.Name)
	case provision.Bridge:
		return "the bridge " + o.Name
	case provision.VXLAN:
		return "the VXLAN device " + o.Name
	case provision.Link:
		return "the interface " + o.Name
	case provision.Port:
		return fmt.Sprintf("the port %s of %s", o.Dev, o.Bridge)
	case provision.Addr:
		return fmt.Sprintf("the address %s on %s", o.Prefix, o.Dev)
	case provision.Neigh:
		return fmt.Sprintf("the permanent neighbour %s on %s", o.Addr, o.Dev)
	case provision.FDB:
		if o.Dst.IsValid() {
			return fmt.Sprintf("the forwarding entry of %s on %s, to %s,", o.MAC, o.Dev, o.Dst)
		}
		return fmt.Sprintf("the forwarding entry of %s on %s", o.MAC, o.Dev)
	case provision.Route:
		s := "the route " + provision.PrefixText(o.To)
		if o.Hops != "" {
			return s + " over " + string(o.Hops)
		}
		if o.Hop.Dev != "" {
			return s + " dev " + o.Hop.Dev
		}
		return s + " (" + string(o.Type) + ")"
	case provision.Rule:
		return "the routing rule " + o.Key().Name
	case provision.Sysctl:
		return o.Name
	case provision.Ruleset:
		return "the netfilter rules"
	}
	return "the " + o.Key().String()
}
