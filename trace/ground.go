package trace

import (
	"net/netip"
	"strings"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netfilter"
)

// ground is a state of a lab, laid out for a packet to walk over.
type ground map[string]*land

// land is one namespace.
type land struct {
	ns      string
	sound   bool   // there is such a namespace, and it is the lab's
	lo      string // what is wrong with the loopback device, "" or "up" if nothing is
	lacks   string // the kernel's own routing rules that are not there
	links   map[string]*device
	ports   map[string]provision.Port
	addrs   []provision.Addr
	routes  []provision.Route
	rules   []provision.Rule
	neighs  map[hostOn]labs.MAC
	fdb     map[macOn]netip.Addr
	sysctls map[string]string

	texts   map[bool]netfilter.Text // of both families; true is IPv6
	walkers map[bool]*netfilter.Walker
}

type hostOn struct {
	dev string
	ip  netip.Addr
}

type macOn struct {
	dev string
	mac labs.MAC
}

// device is a link on paper.
type device struct {
	name   string
	mac    labs.MAC
	up     bool
	mtu    int
	bridge bool
	vxlan  *provision.VXLAN
	peer   *provision.End // of a cable
}

// newGround lays a state out.
func newGround(s provision.State) ground {
	g := ground{}
	for o := range s.All() {
		switch o := o.(type) {
		case provision.Namespace:
			l := g.at(o.Name)
			l.sound, l.lo, l.lacks = o.Condition == provision.Sound, o.Loopback, o.Rules
		case provision.Veth:
			a, b := o.A, o.B
			g.at(a.NS).links[a.Name] = &device{name: a.Name, mac: a.MAC, up: a.Up, mtu: a.MTU, peer: &b}
			g.at(b.NS).links[b.Name] = &device{name: b.Name, mac: b.MAC, up: b.Up, mtu: b.MTU, peer: &a}
		case provision.Bridge:
			g.at(o.NS).links[o.Name] = &device{name: o.Name, mac: o.MAC, up: o.Up, mtu: o.MTU, bridge: true}
		case provision.VXLAN:
			g.at(o.NS).links[o.Name] = &device{name: o.Name, mac: o.MAC, up: o.Up, mtu: o.MTU, vxlan: &o}
		case provision.Link:
			g.at(o.NS).links[o.Name] = &device{name: o.Name, up: true}
		case provision.Port:
			g.at(o.NS).ports[o.Dev] = o
		case provision.Addr:
			l := g.at(o.NS)
			l.addrs = append(l.addrs, o)
		case provision.Route:
			l := g.at(o.NS)
			l.routes = append(l.routes, o)
		case provision.Rule:
			l := g.at(o.NS)
			l.rules = append(l.rules, o)
		case provision.Neigh:
			g.at(o.NS).neighs[hostOn{o.Dev, o.Addr}] = o.MAC
		case provision.FDB:
			g.at(o.NS).fdb[macOn{o.Dev, o.MAC}] = o.Dst
		case provision.Sysctl:
			g.at(o.NS).sysctls[o.Name] = o.Value
		case provision.Ruleset:
			g.at(o.NS).texts[o.IPv6] = o.Text
		}
	}
	for _, l := range g {
		l.sort()
	}
	return g
}

// at returns a namespace, which is made if it was not known.
func (g ground) at(ns string) *land {
	if l := g[ns]; l != nil {
		return l
	}
	l := &land{
		ns: ns, links: map[string]*device{}, ports: map[string]provision.Port{}, neighs: map[hostOn]labs.MAC{}, fdb: map[macOn]netip.Addr{},
		sysctls: map[string]string{}, texts: map[bool]netfilter.Text{}, walkers: map[bool]*netfilter.Walker{},
	}
	g[ns] = l
	return l
}

// local reports whether a is an address of the namespace.
func (l *land) local(a netip.Addr) bool {
	if a.IsLoopback() {
		return l.lo == "" || l.lo == "up" || strings.HasPrefix(l.lo, "up ")
	}
	if strings.Contains(l.lacks, "lookup local") {
		return false
	}
	for _, x := range l.addrs {
		if x.Prefix.Addr() == a && !strings.Contains(x.Route, "local ") {
			return true
		}
	}
	return false
}

// walker follows packets through the rules of the namespace; nil if it has
// none.
func (l *land) walker(ipv6 bool) (*netfilter.Walker, error) {
	text := l.texts[ipv6]
	if text == "" {
		return nil, nil
	}
	if w := l.walkers[ipv6]; w != nil {
		return w, nil
	}
	w, err := netfilter.NewWalker(text, l.local)
	if err != nil {
		return nil, err
	}
	l.walkers[ipv6] = w
	return w, nil
}

// asksOut reports whether a rule depends on the interface that a packet leaves by.
func (l *land) asksOut(ipv6 bool) bool { return strings.Contains(string(l.texts[ipv6]), " -o ") }

// on reports whether a sysctl is set to 1.
func (l *land) on(name string) bool { return l.sysctls[name] == "1" }

// forwards reports whether the namespace passes on packets that came in by dev.
func (l *land) forwards(dev string, ipv6 bool) bool {
	if ipv6 {
		return l.on("net.ipv6.conf.all.forwarding")
	}
	if v, ok := l.sysctls["net.ipv4.conf."+dev+".forwarding"]; ok && l.sysctls["net.ipv4.ip_forward"] != "0" {
		return v == "1"
	}
	return l.on("net.ipv4.ip_forward")
}

// filtersBridged reports whether frames that a bridge passes on meet the rules
// of IP.
func (l *land) filtersBridged(ipv6 bool) bool {
	if ipv6 {
		return l.on("net.bridge.bridge-nf-call-ip6tables")
	}
	return l.on("net.bridge.bridge-nf-call-iptables")
}
