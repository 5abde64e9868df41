package provision

import (
	"fmt"
	"strings"

	"netlab/provision/netfilter"
)

// Commands returns the commands of iproute2, sysctl and iptables that do by
// hand what s does. It is what people are shown; netlab itself talks to the
// kernel directly.
func Commands(s Step) []string {
	if s.Op == Delete {
		return deleteCommands(s.Object)
	}
	return makeCommands(s)
}

// inNS prefixes the commands of iproute2 with the namespace they work in.
func inNS(ns, tool, format string, args ...any) string {
	if ns == "" {
		return tool + " " + fmt.Sprintf(format, args...)
	}
	return tool + " -n " + ns + " " + fmt.Sprintf(format, args...)
}

func execNS(ns, format string, args ...any) string {
	return "ip netns exec " + ns + " " + fmt.Sprintf(format, args...)
}

func makeCommands(s Step) []string {
	verb := map[Op]string{Create: "add", Update: "replace"}[s.Op]
	switch o := s.Object.(type) {
	case Namespace:
		cmds := []string{inNS(o.Name, "ip", "link set lo alias %s", o.Mark), inNS(o.Name, "ip", "link set lo up")}
		if s.Op == Create {
			cmds = append([]string{"ip netns add " + o.Name}, cmds...)
		}
		return cmds
	case Sysctl:
		return []string{execNS(o.NS, "sysctl -w %s=%s", o.Name, shellWord(o.Value))}
	case Veth:
		return vethCommands(o, s.Op)
	case Bridge:
		return append(addLink(s.Op, o.NS, fmt.Sprintf("%s address %s mtu %d type bridge stp_state 0 mcast_snooping 0", o.Name, o.MAC, o.MTU)),
			inNS(o.NS, "ip", "link set %s address %s mtu %d up", o.Name, o.MAC, o.MTU))
	case VXLAN:
		return append(addLink(s.Op, o.NS, fmt.Sprintf("%s address %s mtu %d type vxlan id %d local %s dev %s dstport %d nolearning",
			o.Name, o.MAC, o.MTU, o.VNI, o.Local, o.Dev, o.Port)),
			inNS(o.NS, "ip", "link set %s address %s mtu %d up", o.Name, o.MAC, o.MTU))
	case Port:
		cmds := []string{inNS(o.NS, "ip", "link set %s master %s", o.Dev, o.Bridge)}
		if o.Hairpin {
			cmds = append(cmds, inNS(o.NS, "bridge", "link set dev %s hairpin on", o.Dev))
		}
		return cmds
	case Addr:
		scope := map[bool]string{true: " scope link"}[o.NS == ""]
		return []string{inNS(o.NS, "ip", "addr add %s dev %s%s", o.Prefix, o.Dev, scope)}
	case Route:
		return []string{inNS(o.NS, "ip", "%sroute %s %s", familyFlag(o.To.Addr().Is6()), verb, routeWords(o))}
	case Rule:
		return []string{inNS(o.NS, "ip", "%srule add %s", familyFlag(o.IPv6), ruleWords(o))}
	case Neigh:
		return []string{inNS(o.NS, "ip", "neigh replace %s lladdr %s dev %s nud permanent", o.Addr, o.MAC, o.Dev)}
	case FDB:
		if !o.Dst.IsValid() {
			return []string{inNS(o.NS, "bridge", "fdb replace %s dev %s master static", o.MAC, o.Dev)}
		}
		return []string{inNS(o.NS, "bridge", "fdb replace %s dev %s dst %s self permanent", o.MAC, o.Dev, o.Dst)}
	case HostForwarding:
		return []string{"sysctl -w " + IPForward + "=" + o.Value}
	case HostRule:
		return []string{hostRuleCommand("-I", o)}
	case Ruleset:
		var from netfilter.Text
		if old, ok := s.Old.(Ruleset); ok {
			from = old.Text
		}
		return restore(o, from, o.Text)
	case Pause:
		return []string{execNS(o.NS, "unshare --uts --ipc sh -c 'hostname %s; exec sleep infinity' &", o.Hostname)}
	}
	return nil
}

func deleteCommands(o Object) []string {
	switch o := o.(type) {
	case Namespace:
		return []string{"ip netns del " + o.Name}
	case Veth, Bridge, VXLAN, Link:
		k := o.Key()
		return []string{inNS(k.NS, "ip", "link del %s", k.Name)}
	case Port:
		return []string{inNS(o.NS, "ip", "link set %s nomaster", o.Dev)}
	case Addr:
		return []string{inNS(o.NS, "ip", "addr del %s dev %s", o.Prefix, o.Dev)}
	case Route:
		return []string{inNS(o.NS, "ip", "%sroute del %s", familyFlag(o.To.Addr().Is6()), routeWords(o))}
	case Rule:
		return []string{inNS(o.NS, "ip", "%srule del %s", familyFlag(o.IPv6), ruleWords(o))}
	case Neigh:
		return []string{inNS(o.NS, "ip", "neigh del %s dev %s", o.Addr, o.Dev)}
	case FDB:
		if !o.Dst.IsValid() {
			return []string{inNS(o.NS, "bridge", "fdb del %s dev %s master", o.MAC, o.Dev)}
		}
		return []string{inNS(o.NS, "bridge", "fdb del %s dev %s dst %s self", o.MAC, o.Dev, o.Dst)}
	case HostForwarding:
		return []string{"sysctl -w " + IPForward + "=0 # if it was before, and nobody else needs it"}
	case HostRule:
		return []string{hostRuleCommand("-D", o)}
	case Ruleset:
		return restore(o, o.Text, "")
	}
	return nil
}

// hostRuleCommand inserts (-I) or deletes (-D) a single rule.
func hostRuleCommand(verb string, r HostRule) string {
	return "iptables -t " + r.Table + " " + verb + strings.TrimPrefix(r.Rule, "-A")
}

func addLink(op Op, ns, words string) []string {
	if op != Create {
		return nil
	}
	return []string{inNS(ns, "ip", "link add %s", words)}
}

func vethCommands(v Veth, op Op) []string {
	if v.B.NS == "" {
		return uplinkCommands(v, op)
	}
	var cmds []string
	if op == Create {
		cmds = addLink(op, v.A.NS, fmt.Sprintf("%s address %s mtu %d type veth peer name %s netns %s address %s mtu %d",
			v.A.Name, v.A.MAC, v.A.MTU, v.B.Name, v.B.NS, v.B.MAC, v.B.MTU))
		return append(cmds, inNS(v.A.NS, "ip", "link set %s up", v.A.Name), inNS(v.B.NS, "ip", "link set %s up", v.B.Name))
	}
	for _, e := range []End{v.A, v.B} {
		cmds = append(cmds, inNS(e.NS, "ip", "link set %s address %s mtu %d up", e.Name, e.MAC, e.MTU))
	}
	return cmds
}

// uplinkCommands are those of a cable to the host, which has no name to give as
// the namespace of an end.
func uplinkCommands(v Veth, op Op) []string {
	var cmds []string
	if op == Create {
		cmds = addLink(op, v.B.NS, fmt.Sprintf("%s address %s mtu %d type veth peer name %s netns %s address %s mtu %d",
			v.B.Name, v.B.MAC, v.B.MTU, v.A.Name, v.A.NS, v.A.MAC, v.A.MTU))
	}
	return append(cmds,
		inNS(v.B.NS, "ip", "link set %s alias %s addrgenmode none", v.B.Name, v.Alias),
		inNS(v.B.NS, "ip", "link set %s address %s mtu %d up", v.B.Name, v.B.MAC, v.B.MTU),
		inNS(v.A.NS, "ip", "link set %s address %s mtu %d up", v.A.Name, v.A.MAC, v.A.MTU))
}

func restore(r Ruleset, from, to netfilter.Text) []string {
	tool := "iptables-restore"
	if r.IPv6 {
		tool = "ip6tables-restore"
	}
	return []string{execNS(r.NS, "%s --noflush -w <<'EOF'\n%sEOF", tool, netfilter.Script(from, to))}
}

func routeWords(r Route) string {
	var words []string
	if r.Type != Unicast {
		words = append(words, string(r.Type))
	}
	to := PrefixText(r.To)
	if r.To.Bits() == 0 {
		to = "default"
	}
	words = append(words, to)
	if r.Hops != "" {
		for _, h := range r.Hops.List() {
			words = append(words, "nexthop "+h.String())
		}
	} else if hop := r.Hop.String(); hop != "" {
		words = append(words, hop)
	}
	if r.Src.IsValid() {
		words = append(words, "src "+r.Src.String())
	}
	if r.Metric != 0 {
		words = append(words, fmt.Sprintf("metric %d", r.Metric))
	}
	if r.Table != MainTable {
		words = append(words, fmt.Sprintf("table %d", r.Table))
	}
	return strings.Join(words, " ")
}

func ruleWords(r Rule) string {
	words := fmt.Sprintf("priority %d from %s to %s", r.Priority, anyPrefix(r.From), anyPrefix(r.To))
	if r.Iif != "" {
		words += " iif " + r.Iif
	}
	return words + fmt.Sprintf(" lookup %d", r.Table)
}

func familyFlag(ipv6 bool) string {
	if ipv6 {
		return "-6 "
	}
	return ""
}

func shellWord(s string) string {
	if strings.ContainsAny(s, " \t$`\"'\\") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
