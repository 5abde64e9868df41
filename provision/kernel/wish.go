package kernel

import (
	"net/netip"
	"slices"

	"netlab/labs"
	"netlab/provision"
)

// wish is what of a wanted state decides what is looked at.
type wish struct {
	state    provision.State
	sysctls  map[string][]provision.Sysctl // by namespace
	rulesets map[string]bool               // namespaces with any
	claimed  map[provision.Key]bool        // what the wanted objects are called
	links    map[string][]string           // names of wanted interfaces, by namespace
	ipv6     map[link]bool                 // interfaces that are to have an address of IPv6
	homes    map[netip.Addr][]labs.MAC     // by address: see homes
	veths    []provision.Veth
	far      map[string][]string // namespace -> those to which it has cables, by their first ends
	host     bool                // something on the host
	brief    bool                // what is not wanted need not be told apart
}

// link is an interface of a namespace, by their names.
type link struct{ ns, name string }

func newWish(want provision.State) wish {
	w := wish{
		state: want, sysctls: map[string][]provision.Sysctl{}, rulesets: map[string]bool{}, far: map[string][]string{},
		claimed: map[provision.Key]bool{}, homes: homes(want), links: map[string][]string{},
		ipv6: map[link]bool{},
	}
	for o := range want.All() {
		for _, k := range o.Claims() {
			w.claimed[k] = true
			if k.Kind == provision.KindLink {
				w.links[k.NS] = append(w.links[k.NS], k.Name)
			}
		}
		switch o := o.(type) {
		case provision.Addr:
			if o.Prefix.Addr().Is6() {
				w.ipv6[link{o.NS, o.Dev}] = true
			}
		case provision.Sysctl:
			w.sysctls[o.NS] = append(w.sysctls[o.NS], o)
		case provision.Ruleset:
			w.rulesets[o.NS] = true
		case provision.Veth:
			w.veths = append(w.veths, o)
			if o.A.NS != o.B.NS && o.B.NS != hostNS && !slices.Contains(w.far[o.A.NS], o.B.NS) {
				w.far[o.A.NS] = append(w.far[o.A.NS], o.B.NS)
			}
			w.host = w.host || o.B.NS == hostNS
		case provision.HostRule, provision.HostForwarding:
			w.host = true
		}
	}
	return w
}

func (w wish) has(k provision.Key) bool {
	_, ok := w.state.Get(k)
	return ok
}
