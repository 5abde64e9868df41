package labs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxIface is the longest name the kernel gives an interface, in bytes.
const maxIface = 15

var ifaceName = newPattern(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// iface is an interface of a node being resolved.
type iface struct {
	Interface
	node   *node
	spec   *InterfaceSpec // nil where the author did not write it
	place  Place          // of the interface, or of what implies it
	bridge *bridge        // it is plugged into, or nil
	peer   *iface         // at the other end of a cable, or nil
	bad    bool           // what it is plugged into has been reported
	want   []netip.Prefix // addresses the author wrote; the length is that of the address where none was
	wantAt []Place        // where each of them stands
}

// String names the interface in messages.
func (i *iface) String() string { return i.node.Name + ":" + i.Name }

// resolveInterfaces makes the interfaces that are written, or the one that a
// node has otherwise, and plugs them into bridges.
func (r *resolver) resolveInterfaces() {
	for _, n := range r.nodes {
		if !n.spec.Interfaces.Written() && !n.spec.mayHave("interfaces") {
			if len(r.bridges) > 0 {
				r.defaultInterface(n)
			}
			continue
		}
		first := map[string]Pos{}
		for k := range n.spec.Interfaces.Items {
			spec := &n.spec.Interfaces.Items[k]
			i := &iface{Interface: Interface{Pos: spec.Pos}, node: n, spec: spec, place: spec.Place}
			r.ifaceName(i)
			if before, twice := first[i.Name]; twice && i.Name != "" {
				r.errorf(spec.Name.Place, "", "node %s already has an interface %s%s", quote(n.Name), quote(i.Name), lineOf(before))
				continue
			}
			first[i.Name] = spec.Name.Pos
			n.ifaces = append(n.ifaces, i)
		}
	}
}

// defaultInterface gives n its eth0 on the only bridge. A cable from another
// node may come on top.
func (r *resolver) defaultInterface(n *node) {
	i := &iface{Interface: Interface{Name: "eth0", Pos: n.Pos}, node: n, place: n.spec.Place}
	n.ifaces = append(n.ifaces, i)
}

// ifaceName checks the name of an interface.
func (r *resolver) ifaceName(i *iface) {
	name := i.spec.Name
	if !name.Written() {
		r.missing(i.spec.Place, "name")
	}
	if !name.OK() {
		return
	}
	i.Name = name.Value
	if why := notAnInterface(i.Name, i.node.Cluster); why != "" {
		r.errorf(name.Place, "", "%s %s", quote(i.Name), why)
	}
}

// notAnInterface says why an author cannot give a node an interface of that
// name, or "".
func notAnInterface(name string, cluster bool) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxIface:
		return fmt.Sprintf("has %d characters; the kernel allows an interface %d", len(name), maxIface)
	case !ifaceName.MatchString(name):
		return "is not a name for an interface: letters, digits, dashes, underscores and dots"
	case name == "lo" || name == "all" || name == "default":
		return "is a name that the kernel uses itself"
	}
	if !cluster {
		return ""
	}
	for _, prefix := range []string{"vxlan", "veth-", "veth_", "cali"} {
		if strings.HasPrefix(name, prefix) {
			return "is a name that nodes of a cluster use themselves: cni0, and what starts with vxlan, veth- or cali"
		}
	}
	if name == "cni0" {
		return "is the name of the bridge for a node's pods"
	}
	return ""
}

// resolveCables connects the interfaces that name a peer, and plugs the others
// into bridges.
func (r *resolver) resolveCables() {
	for _, n := range r.nodes {
		for _, i := range slices.Clone(n.ifaces) {
			if i.spec != nil && i.spec.Peer.Written() && i.peer == nil && !i.bad {
				r.cable(i)
			}
		}
	}
	for _, n := range r.nodes {
		if len(n.ifaces) == 0 && len(r.bridges) == 0 && !n.spec.Interfaces.Written() && !n.spec.mayHave("interfaces") && !r.doubt.bridges {
			r.errorf(n.spec.Place, "list its interfaces, each with a peer", "there is no bridge for node %s", quote(n.Name))
		}
		for _, i := range n.ifaces {
			if i.peer == nil && !i.bad {
				r.plug(i)
			}
		}
	}
}

// cable connects i to the far end that it names.
func (r *resolver) cable(i *iface) {
	peer := i.spec.Peer
	i.bad = true // until it is connected
	if peer.Bad {
		return
	}
	if i.spec.Bridge.Written() {
		r.errorf(peer.Place, "keep one of them", "an interface has a bridge or a peer, not both")
		return
	}
	name, far, ok := strings.Cut(peer.Value, ":")
	if !ok || name == "" || far == "" {
		r.errorf(peer.Place, `for instance "r2:eth1"`, "%s should be NODE:INTERFACE", quote(peer.Value))
		return
	}
	n := r.node(At[string]{peer.Place, name})
	if n == nil {
		return
	}
	k := slices.IndexFunc(n.ifaces, func(f *iface) bool { return f.Name == far })
	if k < 0 {
		if n.spec.Interfaces.Bad || slices.ContainsFunc(n.ifaces, func(f *iface) bool { return f.Name == "" }) {
			return
		}
		if why := notAnInterface(far, n.Cluster); why != "" {
			r.errorf(peer.Place, "", "%s %s", quote(far), why)
			return
		}
		// The far end is implied.
		f := &iface{Interface: Interface{Name: far, Pos: peer.Pos}, node: n, place: peer.Place}
		n.ifaces = append(n.ifaces, f)
		connect(i, f)
		return
	}
	f := n.ifaces[k]
	switch {
	case f == i:
		r.errorf(peer.Place, "", "the cable ends where it starts")
	case f.peer != nil:
		r.errorf(peer.Place, "", "%s is taken: %s connects it to %s", f, owner{"the cable", f.place.Pos}, f.peer)
	case f.spec == nil:
		r.errorf(peer.Place, "list the interfaces of "+n.Name, "%s is taken: it is on the only bridge by default%s", f, lineOf(f.place.Pos))
	case f.spec.Bridge.Written():
		r.errorf(peer.Place, "", "%s is taken: it is on bridge %s%s", f, quote(f.spec.Bridge.Value), lineOf(f.spec.Bridge.Pos))
	case f.spec.Peer.Written() && f.spec.Peer.OK() && f.spec.Peer.Value != i.String():
		r.errorf(peer.Place, "", "%s is taken: its peer is %s%s", f, quote(f.spec.Peer.Value), lineOf(f.spec.Peer.Pos))
	default:
		connect(i, f)
	}
}

func connect(a, b *iface) {
	a.peer, b.peer = b, a
	a.PeerNode, a.PeerIface = b.node.Name, b.Name
	b.PeerNode, b.PeerIface = a.node.Name, a.Name
	a.bad, b.bad = false, false
}

// plug puts i on the bridge it names, or on the only one.
func (r *resolver) plug(i *iface) {
	i.bad = true // until it is plugged in
	if i.spec != nil && i.spec.Bridge.Written() {
		name := i.spec.Bridge
		b, ok := r.bridgeBy[name.Value]
		if name.OK() && !ok && !r.doubt.bridges {
			r.errorf(name.Place, r.guess(name.Value, r.bridgeNames()), "there is no bridge %s", quote(name.Value))
		}
		if name.OK() && ok {
			i.plugInto(b)
		}
		return
	}
	switch {
	case i.spec != nil && i.spec.mayHave("bridge", "peer"), r.doubt.bridges:
	case len(r.bridges) == 1:
		i.plugInto(r.bridges[0])
	case i.spec == nil:
		r.errorf(i.place, "list its interfaces, each with a bridge or a peer",
			"node %s could be on any of several bridges", quote(i.node.Name))
	case len(r.bridges) == 0:
		r.errorf(i.place, "", "peer is missing: there is no bridge")
	default:
		r.errorf(i.place, "the bridges are "+strings.Join(r.bridgeNames(), ", "), "bridge is missing: there are several")
	}
}

func (i *iface) plugInto(b *bridge) {
	i.bad = false
	i.bridge = b
	i.Bridge = b.Name
	b.plugged = true
	b.cluster = b.cluster || i.node.Cluster
}
