// Package fake is a kernel in memory. It takes the same values as the real one
// and keeps the kernel's rules: references must exist, a name is taken once,
// and what depends on an object goes with it.
package fake

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"netlab/provision"
)

// Kernel implements [provision.Kernel]. The zero Kernel is empty. It is safe
// for concurrent use.
type Kernel struct {
	// Fail, if not nil, is asked before each step; its error becomes the
	// step's. It is called from several goroutines.
	Fail func(provision.Step) error

	// HostAddrs are addresses that something else on the host has.
	HostAddrs []netip.Prefix

	mu      sync.Mutex
	objects map[provision.Key]provision.Object
	claims  map[provision.Key]provision.Key // name -> key of its holder
	born    map[provision.Key]int           // when an object was made
	clock   int
}

// Observe implements [provision.Kernel]: it returns all there is. One Kernel
// holds one lab.
func (k *Kernel) Observe(_ context.Context, want provision.State) (provision.State, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	objects := make([]provision.Object, 0, len(k.objects))
	for _, o := range k.objects {
		objects = append(objects, o)
	}
	secondary := map[provision.Key]bool{}
	for key, o := range k.objects {
		if a, ok := o.(provision.Addr); ok && k.isSecondary(a) {
			secondary[key] = true
		}
	}
	return provision.NewState(want.Lab, objects...).WithSecondary(secondary).WithTaken(k.HostAddrs), nil
}

// Put places o in the kernel as if someone had made it by hand.
func (k *Kernel) Put(o provision.Object) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(o)
}

// Remove takes the object with key out of the kernel, and with it whatever the
// kernel takes along, as if someone had removed it by hand.
func (k *Kernel) Remove(key provision.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(key)
}

// Do implements [provision.Kernel].
func (k *Kernel) Do(_ context.Context, s provision.Step) error {
	if k.Fail != nil {
		if err := k.Fail(s); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	key := s.Object.Key()
	if s.Op == provision.Delete {
		k.remove(key)
		return nil
	}
	for _, n := range s.Object.Needs() {
		if _, ok := k.claims[n]; !ok {
			return fmt.Errorf("%v does not exist", n)
		}
	}
	for _, c := range s.Object.Claims() {
		if holder, taken := k.claims[c]; taken && holder != key {
			return fmt.Errorf("%v is taken by %v", c, holder)
		}
	}
	old, had := k.objects[key]
	switch {
	case s.Op == provision.Create && had && old != s.Object && key.Kind != provision.KindSysctl && key.Kind != provision.KindLinkSysctl:
		return fmt.Errorf("%v exists and differs", key)
	case s.Op == provision.Update && !had:
		return fmt.Errorf("%v does not exist", key)
	}
	if had {
		if err := k.giveUp(old, s.Object); err != nil {
			return err
		}
	}
	if r, ok := s.Object.(provision.Route); ok {
		if err := k.routable(r); err != nil {
			return err
		}
	}
	k.put(s.Object)
	return nil
}

// giveUp frees the names that an object loses when it is changed. The kernel
// would let what needs such a name follow the device to its new one; a plan must
// not rely on that.
func (k *Kernel) giveUp(old, changed provision.Object) error {
	for _, c := range old.Claims() {
		if slices.Contains(changed.Claims(), c) {
			continue
		}
		for key, o := range k.objects {
			if slices.Contains(o.Needs(), c) {
				return fmt.Errorf("%v still needs %v", key, c)
			}
		}
		delete(k.claims, c)
	}
	return nil
}

func (k *Kernel) put(o provision.Object) {
	if k.objects == nil {
		k.objects = map[provision.Key]provision.Object{}
		k.claims = map[provision.Key]provision.Key{}
		k.born = map[provision.Key]int{}
	}
	if _, there := k.objects[o.Key()]; !there {
		k.clock++
		k.born[o.Key()] = k.clock
	}
	k.objects[o.Key()] = o
	for _, c := range o.Claims() {
		k.claims[c] = o.Key()
	}
	if s, ok := o.(provision.Sysctl); ok && s.Name == "net.ipv4.ip_forward" {
		k.forward(s)
	}
}

// remove deletes an object and all that needs it.
func (k *Kernel) remove(key provision.Key) {
	o, ok := k.objects[key]
	if !ok {
		return
	}
	delete(k.objects, key)
	for _, c := range o.Claims() {
		delete(k.claims, c)
	}
	var gone []provision.Key
	for _, claim := range o.Claims() {
		for other, dep := range k.objects {
			if slices.Contains(dep.Needs(), claim) {
				gone = append(gone, other)
			}
		}
	}
	if a, ok := o.(provision.Addr); ok {
		gone = append(gone, k.flushed(a)...)
	}
	for _, g := range gone {
		k.remove(g)
	}
}

// flushed returns what the kernel drops together with address a: its
// secondaries, routes that prefer it, and with the last IPv4 address of the
// device all IPv4 routes and neighbours there.
func (k *Kernel) flushed(a provision.Addr) []provision.Key {
	var gone []provision.Key
	last := a.Prefix.Addr().Is4()
	secondary := k.isSecondary(a)
	for key, o := range k.objects {
		b, ok := o.(provision.Addr)
		if !ok || b.NS != a.NS || b.Dev != a.Dev || !b.Prefix.Addr().Is4() {
			continue
		}
		if b.Prefix.Masked() == a.Prefix.Masked() && !secondary {
			gone = append(gone, key)
		} else {
			last = false
		}
	}
	for key, o := range k.objects {
		switch o := o.(type) {
		case provision.Route:
			here := slices.ContainsFunc(o.AllHops(), func(h provision.Hop) bool { return h.Dev == a.Dev })
			if o.NS == a.NS && (o.Src == a.Prefix.Addr() || last && here && o.To.Addr().Is4()) {
				gone = append(gone, key)
			}
		case provision.Neigh:
			if last && o.NS == a.NS && o.Dev == a.Dev && o.Addr.Is4() {
				gone = append(gone, key)
			}
		}
	}
	return gone
}

// forward sets the forwarding of every interface, as the kernel does when it is
// switched for the whole namespace.
func (k *Kernel) forward(all provision.Sysctl) {
	for key, o := range k.objects {
		s, ok := o.(provision.Sysctl)
		if ok && s.NS == all.NS && s.Dev != "" && strings.HasPrefix(s.Name, "net.ipv4.") && strings.HasSuffix(s.Name, ".forwarding") {
			s.Value = all.Value
			k.objects[key] = s
		}
	}
}

// isSecondary reports whether another address of a's subnet was there first.
func (k *Kernel) isSecondary(a provision.Addr) bool {
	for key, o := range k.objects {
		b, ok := o.(provision.Addr)
		if ok && b.NS == a.NS && b.Dev == a.Dev && b.Prefix.Addr().Is4() && key != a.Key() &&
			b.Prefix.Masked() == a.Prefix.Masked() && k.born[key] < k.born[a.Key()] {
			return true
		}
	}
	return false
}

// routable refuses a route whose gateway no connected address or route of the
// device covers, as the kernel does ("Nexthop has invalid gateway").
func (k *Kernel) routable(r provision.Route) error {
	for _, h := range r.AllHops() {
		if !h.Via.IsValid() || h.OnLink || h.Via.IsLinkLocalUnicast() && h.Via.Is6() {
			continue
		}
		if !k.covers(r.NS, h) {
			return fmt.Errorf("next hop %v is not reachable", h)
		}
	}
	return nil
}

func (k *Kernel) covers(ns string, h provision.Hop) bool {
	on := func(p netip.Prefix, dev string) bool {
		return p.Contains(h.Via) && (h.Dev == "" || h.Dev == dev)
	}
	for _, o := range k.objects {
		switch o := o.(type) {
		case provision.Addr:
			if o.NS == ns && on(o.Prefix.Masked(), o.Dev) {
				return true
			}
		case provision.Route:
			if o.NS == ns && o.Hop.Dev != "" && !o.Hop.Via.IsValid() && on(o.To, o.Hop.Dev) {
				return true
			}
		}
	}
	return false
}
