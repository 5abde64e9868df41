package labs

import (
	"net/netip"
	"slices"
)

// defaultBridge is the bridge of a lab that does not write any.
const defaultBridge = "fabric"

// bridge is a bridge being resolved.
type bridge struct {
	*Bridge
	subnet  *subnet // nil if it is unknown, which has been reported
	place   Place
	plugged bool // something is plugged into it
	cluster bool // a member of the cluster is
}

// resolveBridges reads the bridges, or makes the default one.
func (r *resolver) resolveBridges() {
	specs := r.spec.Bridges.Items
	if !r.spec.Bridges.Written() {
		if r.spec.mayHave("bridges") {
			return
		}
		specs = []BridgeSpec{{Name: At[string]{Value: defaultBridge}}}
		r.names[defaultBridge] = owner{what: "the default bridge"}
	}
	r.lab.Bridges = make([]Bridge, len(specs))
	for i := range specs {
		spec := &specs[i]
		b := &bridge{Bridge: &r.lab.Bridges[i], place: spec.Place}
		if r.spec.Bridges.Written() {
			r.label(spec.Name, spec.Place, "name", maxLabel)
			r.claimName(spec.Name, "bridge")
		}
		b.Name, b.Uplink, b.Pos = spec.Name.Value, spec.Uplink.Value, spec.Pos
		b.subnet = r.bridgeSubnet(spec, len(specs))
		if b.subnet != nil {
			b.Subnet = b.subnet.Name
			b.subnet.bridge = b
			b.subnet.use()
			if b.Uplink && !slices.ContainsFunc(b.subnet.Prefixes, isIPv4) && len(b.subnet.Prefixes) > 0 {
				r.errorf(spec.Uplink.Place, "give the subnet an IPv4 range too", "an uplink is for IPv4, and subnet %s has none", quote(b.Subnet))
			}
		}
		r.bridges = append(r.bridges, b)
		r.bridgeBy[b.Name] = b
	}
}

// bridgeSubnet finds the subnet of a bridge, or reports why it has none.
func (r *resolver) bridgeSubnet(spec *BridgeSpec, count int) *subnet {
	name := spec.Subnet.Or(underlayName)
	if spec.Subnet.Bad {
		return nil
	}
	if !spec.Subnet.Written() && count > 1 {
		if !spec.mayHave("subnet") {
			r.errorf(spec.Place, "only the subnet of a single bridge has a default", "subnet is missing")
		}
		return nil
	}
	s := r.subnet(name)
	switch {
	case s == nil && r.doubt.subnets:
	case s == nil:
		r.errorf(spec.Subnet.Place, r.guess(name, r.subnetNames()), "there is no subnet %s", quote(name))
	case name == podsName || name == servicesName:
		r.errorf(spec.Subnet.Place, "give the bridge a subnet of its own", "subnet %s is for %s, not for bridges", quote(name), name)
	case s.bridge != nil:
		at := spec.Subnet.Place
		if !at.Written() {
			at = spec.Place
		}
		r.errorf(at, "give each bridge a subnet of its own", "subnet %s is already used by %s",
			quote(name), owner{"bridge " + quote(s.bridge.Name), s.bridge.Pos})
	default:
		return s
	}
	return nil
}

func isIPv4(p netip.Prefix) bool { return p.Addr().Is4() }

// subnetNames lists the subnets a bridge can use.
func (r *resolver) subnetNames() []string {
	var names []string
	if r.guessed() {
		return nil
	}
	for _, s := range r.subnets {
		if s.Name != podsName && s.Name != servicesName && s.Name != "" {
			names = append(names, s.Name)
		}
	}
	return names
}

func (r *resolver) bridgeNames() []string {
	var names []string
	if r.guessed() {
		return nil
	}
	for _, b := range r.bridges {
		names = append(names, b.Name)
	}
	return names
}
