package provision

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Diff returns the plan that turns have into want. It is pure and cannot fail.
//
// What the kernel cannot change in place becomes a Delete and a Create, and so
// does whatever the kernel takes along when the old object goes. Nothing is
// deleted one by one that vanishes anyway, such as the contents of a namespace
// that is removed.
func Diff(have, want State) Plan {
	want = want.placed(have)
	d := differ{
		have: have, want: want,
		deletes: map[Key]Object{}, lost: map[Key]bool{}, reasons: map[Key]string{},
	}
	if conflicts := d.conflicts(); len(conflicts) > 0 {
		return Plan{Conflicts: conflicts}
	}
	d.findDeletes()
	d.findLost()
	return d.plan()
}

type differ struct {
	have, want State
	claimed    map[Key]bool   // names that want needs; see claims
	holders    map[Key]Key    // claim -> what holds it in have; see holder
	deletes    map[Key]Object // what is deleted, by its own key
	lost       map[Key]bool   // what the kernel takes along with it
	reasons    map[Key]string // why an object is made anew
}

func (d *differ) conflicts() []Conflict {
	var found []Conflict
	for _, o := range d.have.objects {
		if n, ok := o.(Namespace); ok && n.Condition == Foreign {
			if _, wanted := d.want.objects[n.Key()]; wanted {
				found = append(found, Conflict{o})
			}
		}
	}
	slices.SortFunc(found, func(a, b Conflict) int { return compareKeys(a.Object.Key(), b.Object.Key()) })
	return found
}

// findDeletes collects what has no place in want and what must be made anew.
func (d *differ) findDeletes() {
	for k, o := range d.have.objects {
		if n, ok := o.(Namespace); ok && n.Condition == Foreign {
			continue
		}
		w, wanted := d.want.objects[k]
		switch {
		case !wanted && !d.tolerated(o):
			d.deletes[k] = o
		case wanted && o != w:
			if why := w.recreate(o); why != "" {
				d.deletes[k], d.reasons[k] = o, why
			} else if slices.ContainsFunc(w.Claims(), func(c Key) bool { h, held := d.holder(c); return held && h != k }) {
				d.deletes[k], d.reasons[k] = o, "its name is taken"
			}
		}
	}
}

// holder returns what holds a name in have.
func (d *differ) holder(claim Key) (Key, bool) {
	if d.holders == nil {
		d.holders = make(map[Key]Key, len(d.have.objects))
		for k, o := range d.have.objects {
			for _, c := range o.Claims() {
				d.holders[c] = k
			}
		}
	}
	k, held := d.holders[claim]
	return k, held
}

// claims reports whether want needs a name.
func (d *differ) claims(claim Key) bool {
	if d.claimed == nil {
		d.claimed = make(map[Key]bool, len(d.want.objects))
		for _, o := range d.want.objects {
			for _, c := range o.Claims() {
				d.claimed[c] = true
			}
		}
	}
	return d.claimed[claim]
}

// tolerated reports whether an object that the lab does not ask for may stay:
// in a namespace where people may add things, unless it was ours before or
// holds a name that the lab needs.
func (d *differ) tolerated(o Object) bool {
	k := o.Key()
	if !d.want.free[k.NS] {
		return false
	}
	if _, ours := d.want.former[k]; ours {
		return false
	}
	if slices.ContainsFunc(o.Claims(), d.claims) {
		return false
	}
	switch k.Kind {
	case KindLink, KindPort, KindAddr, KindNeigh, KindFDB, KindRoute, KindRule, KindSysctl, KindLinkSysctl:
		return true
	}
	return false
}

// findLost follows the deletes to everything that vanishes with them, and
// drops the deletes that have thereby become superfluous.
func (d *differ) findLost() {
	first := append(d.flushed(), d.overwritten()...)
	if len(d.deletes)+len(first) == 0 {
		return
	}
	dependents := map[Key][]Object{} // claim -> objects that need it
	for _, o := range d.have.objects {
		for _, n := range o.Needs() {
			dependents[n] = append(dependents[n], o)
		}
	}
	queue := slices.Collect(maps.Values(d.deletes))
	for _, o := range first {
		if !d.lost[o.Key()] {
			d.lost[o.Key()] = true
			queue = append(queue, o)
		}
	}
	for len(queue) > 0 {
		o := queue[0]
		queue = queue[1:]
		for _, claim := range o.Claims() {
			for _, dep := range dependents[claim] {
				if k := dep.Key(); !d.lost[k] {
					d.lost[k] = true
					queue = append(queue, dep)
				}
			}
		}
	}
	for k := range d.lost {
		// A cable between a namespace that goes and one that stays must be
		// deleted by itself: the kernel empties a namespace some time after
		// its last user, and until then the name at the other end is taken.
		if v, ok := d.have.objects[k].(Veth); ok && d.crossesOut(v) {
			d.deletes[k] = v
			continue
		}
		// A process outlives the namespace's name.
		if p, ok := d.have.objects[k].(Pause); ok {
			d.deletes[k] = p
			continue
		}
		delete(d.deletes, k)
	}
}

// crossesOut reports whether v leads from a namespace that is deleted to one
// that is not.
func (d *differ) crossesOut(v Veth) bool {
	_, a := d.deletes[nsKey(v.A.NS)]
	_, b := d.deletes[nsKey(v.B.NS)]
	return a != b
}

// flushed returns what the kernel drops when addresses are deleted: a primary
// address takes along its secondaries (net/ipv4/devinet.c, __inet_del_ifa,
// without promote_secondaries), an address the routes that prefer it as their
// source, and the last IPv4 address of a device all IPv4 routes and neighbours
// there (net/ipv4/fib_frontend.c, fib_inetaddr_event).
func (d *differ) flushed() []Object {
	type device struct{ ns, dev string }
	gone := map[device][]Addr{}
	for _, o := range d.deletes {
		if a, ok := o.(Addr); ok {
			gone[device{a.NS, a.Dev}] = append(gone[device{a.NS, a.Dev}], a)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	var lost []Object
	left := map[device]int{} // IPv4 addresses that stay
	for _, o := range d.have.objects {
		a, ok := o.(Addr)
		if !ok || !a.Prefix.Addr().Is4() {
			continue
		}
		if _, deleted := d.deletes[o.Key()]; deleted {
			continue
		}
		dev := device{a.NS, a.Dev}
		secondary := d.have.secondary[o.Key()] && slices.ContainsFunc(gone[dev], func(g Addr) bool {
			return g.Prefix.Masked() == a.Prefix.Masked() && !d.have.secondary[g.Key()]
		})
		if secondary {
			lost = append(lost, o)
			continue
		}
		left[dev]++
	}
	for _, o := range d.have.objects {
		switch o := o.(type) {
		case Route:
			for dev, addrs := range gone {
				if dev.ns != o.NS {
					continue
				}
				prefers := slices.ContainsFunc(addrs, func(a Addr) bool { return a.Prefix.Addr() == o.Src })
				if prefers || (o.To.Addr().Is4() && left[dev] == 0 && o.uses(dev.dev) && anyIPv4(addrs)) {
					lost = append(lost, o)
					break
				}
			}
		case Neigh:
			dev := device{o.NS, o.Dev}
			if o.Addr.Is4() && left[dev] == 0 && anyIPv4(gone[dev]) {
				lost = append(lost, o)
			}
		}
	}
	return lost
}

// overwritten returns the parameters of interfaces that the kernel sets when
// forwarding is switched for the whole namespace (net/ipv4/devinet.c,
// inet_forward_change; net/ipv6/addrconf.c, addrconf_forward_change).
func (d *differ) overwritten() []Object {
	switched := map[Key]bool{} // namespace and family
	for k, w := range d.want.objects {
		family := forwardingFamily(k.Name)
		if h, there := d.have.objects[k]; k.Kind == KindSysctl && family != "" && (!there || h != w) {
			switched[Key{NS: k.NS, Name: family}] = true
		}
	}
	if len(switched) == 0 {
		return nil
	}
	var lost []Object
	for k := range d.want.objects {
		o, there := d.have.objects[k]
		if there && k.Kind == KindLinkSysctl && strings.HasSuffix(k.Name, ".forwarding") && switched[Key{NS: k.NS, Name: k.Name[:len("net.ipv4")]}] {
			lost = append(lost, o)
		}
	}
	return lost
}

// forwardingFamily returns the beginning of the names of a family's parameters
// if name is the one that switches forwarding.
func forwardingFamily(name string) string {
	switch name {
	case "net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding":
		return "net.ipv4"
	case "net.ipv6.conf.all.forwarding":
		return "net.ipv6"
	}
	return ""
}

func anyIPv4(addrs []Addr) bool {
	return slices.ContainsFunc(addrs, func(a Addr) bool { return a.Prefix.Addr().Is4() })
}

// plan orders the steps and connects them.
func (d *differ) plan() Plan {
	var p Plan
	for _, o := range d.deletes {
		p.Steps = append(p.Steps, Step{Op: Delete, Object: o})
	}
	for k, w := range d.want.objects {
		h, exists := d.have.objects[k]
		_, deleted := d.deletes[k]
		switch {
		case !exists || deleted || d.lost[k]:
			p.Steps = append(p.Steps, Step{Op: Create, Object: w, Reason: d.reasons[k]})
		case h != w:
			p.Steps = append(p.Steps, Step{Op: Update, Object: w, Old: h})
		}
	}
	slices.SortFunc(p.Steps, compareSteps)
	d.connect(p.Steps)
	return p
}

// compareSteps puts deletes first, last things first, and then everything else
// in the order of the kinds.
func compareSteps(a, b Step) int {
	if (a.Op == Delete) != (b.Op == Delete) {
		if a.Op == Delete {
			return -1
		}
		return 1
	}
	ka, kb := a.Object.Key(), b.Object.Key()
	c := cmp.Or(cmp.Compare(ka.Kind, kb.Kind), cmp.Compare(rank(a.Object), rank(b.Object)),
		cmp.Compare(ka.NS, kb.NS), cmp.Compare(ka.Name, kb.Name))
	if a.Op == Delete {
		return -c
	}
	return c
}

// rank orders objects of one kind that may lean on each other: a VXLAN device
// on its underlay interface, a route through a gateway on the route to it.
func rank(o Object) int {
	switch o := o.(type) {
	case VXLAN:
		return 1
	case Route:
		for _, h := range o.AllHops() {
			if h.Via.IsValid() {
				return 1000 - o.To.Bits() // the way to a gateway is longer than what leads through it
			}
		}
	}
	return 0
}

// connect fills in After. A step waits for the steps that provide what it
// needs and for the deletes that free a name it claims; a link moreover for the
// parameters that new devices begin with, at both ends of a cable, and a route for
// the addresses of its devices, from which its gateways become reachable.
func (d *differ) connect(steps []Step) {
	type device struct{ ns, dev string }
	makes := map[Key]int{}         // claim -> step that provides it
	frees := map[Key][]int{}       // claim -> deletes that free it
	addrs := map[device][]int{}    // steps that make addresses
	waiters := map[string][]int{}  // namespace -> deletes in it
	namespaces := map[string]int{} // namespace -> its delete
	defaults := map[string][]int{} // namespace -> those that say how new devices begin
	for i, s := range steps {
		for _, c := range s.Object.Claims() {
			if s.Op == Delete {
				frees[c] = append(frees[c], i)
			} else {
				makes[c] = i
			}
		}
		switch o := s.Object.(type) {
		case Namespace:
			if s.Op == Delete {
				namespaces[o.Name] = i
			}
		case Veth:
			if s.Op == Delete {
				waiters[o.A.NS] = append(waiters[o.A.NS], i)
				waiters[o.B.NS] = append(waiters[o.B.NS], i)
			}
		case Pause:
			if s.Op == Delete {
				waiters[o.NS] = append(waiters[o.NS], i)
			}
		case Sysctl:
			if strings.Contains(o.Name, ".default.") {
				defaults[o.NS] = append(defaults[o.NS], i)
			}
		case Addr:
			if s.Op != Delete {
				addrs[device{o.NS, o.Dev}] = append(addrs[device{o.NS, o.Dev}], i)
			}
		}
	}
	gives := givenUp(steps)
	for i := range steps {
		s := &steps[i]
		after := gives[i]
		if s.Op == Delete {
			if n, ok := s.Object.(Namespace); ok {
				after = append(after, waiters[n.Name]...)
			}
		} else {
			for _, n := range s.Object.Needs() {
				if j, ok := makes[n]; ok {
					after = append(after, j)
				}
			}
			for _, c := range s.Object.Claims() {
				after = append(after, frees[c]...)
				if j, ok := namespaces[c.NS]; ok {
					after = append(after, j)
				}
				if c.Kind == KindLink && s.Op == Create {
					after = append(after, defaults[c.NS]...)
				}
			}
			if _, ok := s.Object.(Supervisor); ok { // what it runs needs all the rest
				for j := range i {
					after = append(after, j)
				}
			}
			if r, ok := s.Object.(Route); ok {
				// The one that it replaces may have led through another device,
				// with which it goes.
				if old, ok := d.have.objects[r.Key()]; ok && d.lost[r.Key()] {
					after = append(after, d.takers(old, frees)...)
				}
				for _, h := range r.AllHops() {
					after = append(after, addrs[device{r.NS, h.Dev}]...)
				}
			}
		}
		slices.Sort(after)
		s.After = slices.DeleteFunc(slices.Compact(after), func(j int) bool { return j >= i })
	}
}

// takers returns the deletes that take o along.
func (d *differ) takers(o Object, frees map[Key][]int) []int {
	var steps []int
	for _, n := range o.Needs() {
		steps = append(steps, frees[n]...)
		if n.Kind != KindLink || !d.lost[n] {
			continue
		}
		if device, ok := d.have.objects[n]; ok {
			steps = append(steps, d.takers(device, frees)...)
		}
	}
	return steps
}

// givenUp returns, for each update that gives up a name, the deletes of what
// needs that name, which must find it, and of the devices beside it, which take
// such things along.
func givenUp(steps []Step) map[int][]int {
	needed := map[Key][]int{}     // claim -> deletes of what needs it
	devices := map[string][]int{} // namespace -> deletes of its devices
	for i, s := range steps {
		if s.Op == Delete {
			for _, n := range s.Object.Needs() {
				needed[n] = append(needed[n], i)
			}
			switch o := s.Object.(type) {
			case Bridge, VXLAN, Link:
				devices[o.Key().NS] = append(devices[o.Key().NS], i)
			}
		}
	}
	after := map[int][]int{}
	for i, s := range steps {
		if s.Op != Update || s.Old == nil {
			continue
		}
		for _, c := range s.Old.Claims() {
			if !slices.Contains(s.Object.Claims(), c) {
				after[i] = append(append(after[i], needed[c]...), devices[c.NS]...)
			}
		}
	}
	return after
}
