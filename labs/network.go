package labs

import (
	"net/netip"
	"slices"
	"strconv"
)

const (
	minMTU     = 576  // bytes, IPv4's least
	minMTU6    = 1280 // bytes, IPv6's least
	vxlanOver4 = 50   // bytes that VXLAN adds on an IPv4 underlay
	vxlanOver6 = 70   // bytes that VXLAN adds on an IPv6 underlay
)

// resolveNetwork resolves the data plane and checks that the underlay can
// carry it.
func (r *resolver) resolveNetwork() {
	spec, nw := &r.spec.Network, &r.lab.Network
	nw.Mode = Mode(r.oneOf(spec.Mode, string(ModeVXLAN), string(ModeVXLAN), string(ModeFlat), string(ModeRouted), string(ModeNone)))
	nw.MTU = r.inRange(spec.MTU, 1500, minMTU, 65535)
	nw.VNI = uint32(r.inRange(spec.VXLAN.VNI, 1, 1, 1<<24-1))
	nw.VXLANPort = uint16(r.inRange(spec.VXLAN.Port, 8472, 1, 65535))
	nw.VXLANIface = "vxlan" + strconv.Itoa(int(nw.VNI))
	nw.Pos = spec.Pos
	if spec.Mode.Written() {
		nw.Pos = spec.Mode.Pos
	}
	members := r.clusterNodes()
	if len(members) > 0 {
		r.useClusterSubnets(nw)
		r.checkUnderlay(nw, members)
	}
	r.resolveMTU(nw, members)
	for _, n := range r.nodes {
		for i := range n.Interfaces {
			n.Interfaces[i].MTU = nw.MTU
		}
	}
}

// useClusterSubnets takes the ranges of pods and services from the subnets.
func (r *resolver) useClusterSubnets(nw *Network) {
	if s := r.subnet(podsName); s != nil {
		s.use()
		nw.PodCIDRs = s.Prefixes
	}
	if s := r.subnet(servicesName); s != nil {
		s.use()
		nw.ServiceCIDRs = s.Prefixes
	}
}

// resolveMTU computes what pods get, and reports an mtu that leaves too little.
func (r *resolver) resolveMTU(nw *Network, members []*node) {
	nw.PodMTU = nw.MTU
	if nw.Mode == ModeVXLAN {
		nw.PodMTU = nw.MTU - vxlanOver4
		if !r.haveFamily(members, 0) && r.haveFamily(members, 1) {
			nw.PodMTU = nw.MTU - vxlanOver6
		}
	}
	at := r.spec.Network.MTU
	if !at.OK() || r.reportedAt(at.Pos) {
		return
	}
	least := minMTU
	if anyIPv6(nw.PodCIDRs) {
		least = minMTU6
	}
	underlay := minMTU
	for _, s := range r.subnets {
		if s.bridge != nil && anyIPv6(s.Prefixes) {
			underlay = minMTU6
		}
	}
	switch {
	case nw.MTU < underlay:
		r.errorf(at.Place, "", "%d is too little for IPv6, which needs %d", nw.MTU, underlay)
	case len(members) > 0 && nw.PodMTU < least:
		r.errorf(at.Place, "write at least "+strconv.Itoa(nw.MTU+least-nw.PodMTU), "%d leaves pods %d bytes, less than %d", nw.MTU, nw.PodMTU, least)
	}
}

func anyIPv6(ps []netip.Prefix) bool {
	for _, p := range ps {
		if p.Addr().Is6() {
			return true
		}
	}
	return false
}

// haveFamily reports whether every node has an address of a family.
func (r *resolver) haveFamily(nodes []*node, f int) bool {
	for _, n := range nodes {
		has := false
		for _, a := range n.Addrs() {
			has = has || family(a) == f
		}
		if !has {
			return false
		}
	}
	return len(nodes) > 0
}

// checkUnderlay reports cluster nodes that the mode cannot connect.
func (r *resolver) checkUnderlay(nw *Network, members []*node) {
	if nw.Mode == ModeNone || slices.ContainsFunc(members, (*node).unsure) {
		return
	}
	bare := false
	for _, n := range members {
		if len(n.Addrs()) == 0 {
			r.errorf(n.spec.Place, "give an interface of it an address, or write cluster: false", "node %s is in the cluster and has no address", quote(n.Name))
			bare = true
		}
	}
	if bare {
		return
	}
	if nw.Mode == ModeVXLAN {
		if !r.haveFamily(members, 0) && !r.haveFamily(members, 1) {
			r.errorf(r.networkPlace(members[0]), "", "the tunnel needs addresses of one family on all nodes of the cluster")
		}
		return
	}
	at := r.spec.Network.Mode.Place
	on := uplinkOf(members[0])
	for _, n := range members[1:] {
		if other := uplinkOf(n); on.Bridge == "" || other.Bridge != on.Bridge {
			r.errorf(at, "use mode vxlan, or write cluster: false at nodes that run no pods",
				"mode %s needs the first interface of all nodes of the cluster on one subnet: %s is on %s, %s on %s",
				nw.Mode, members[0].Name, where(on), n.Name, where(other))
			return
		}
	}
	for _, p := range nw.PodCIDRs {
		if !r.haveFamily(members, family(p.Addr())) {
			r.errorf(at, "", "mode %s needs %s addresses on the nodes to carry the pods of %s", nw.Mode, familyName(p.Addr()), p)
		}
	}
}

// networkPlace returns where to complain about the network as a whole.
func (r *resolver) networkPlace(n *node) Place {
	switch {
	case r.spec.Network.Mode.Written():
		return r.spec.Network.Mode.Place
	case r.spec.Network.Written():
		return r.spec.Network.Place
	}
	return n.spec.Place
}

// uplinkOf returns the interface by which a node is known.
func uplinkOf(n *node) Interface {
	for _, i := range n.Interfaces {
		if len(i.Addrs) > 0 {
			return i
		}
	}
	return Interface{}
}

func where(i Interface) string {
	if i.Bridge == "" {
		return "a cable"
	}
	return "bridge " + i.Bridge
}

// reportedAt reports whether something is already known to be wrong at a place.
func (r *resolver) reportedAt(p Pos) bool {
	for _, d := range r.found {
		if d.Pos == p && d.Severity == Error {
			return true
		}
	}
	return false
}
