package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision"
	"netlab/verify"
)

// read makes the checks that send nothing, those of one namespace after the
// other.
func (r *run) read(checks []int) {
	by := map[string][]int{}
	for _, i := range checks {
		by[r.checks[i].From.NS] = append(by[r.checks[i].From.NS], i)
	}
	r.each(r.spaceNames(checks), func(s *space) {
		for _, i := range by[s.name] {
			o, err := r.readOne(s, &r.checks[i])
			r.done(task{i, &r.checks[i]}, o, err)
		}
	})
}

func (r *run) readOne(s *space, c *verify.Check) (verify.Observation, error) {
	if s.err != nil {
		return verify.Observation{}, s.err
	}
	switch c.Kind {
	case verify.Route:
		return s.route(c.Addr)
	case verify.Device:
		return s.device(c.More.Device.Name)
	case verify.Table:
		return s.table(c.More.Device.Name, c.More.Table)
	case verify.Control:
		return r.sysctl(s.name, c.More.Name)
	case verify.Space:
		return r.same(s)
	case verify.Doors:
		return r.doors(s, c)
	case verify.Process:
		return r.process(s, c)
	case verify.State:
		return r.state(c)
	}
	return verify.Observation{}, fmt.Errorf("nobody knows how to make a check of kind %q", c.Kind)
}

// state compares what stands in the kernel with the lab file.
func (r *run) state(c *verify.Check) (verify.Observation, error) {
	if r.plan == nil {
		return verify.Observation{Blind: true}, nil
	}
	r.driftOnce.Do(func() {
		var plan provision.Plan
		plan, r.driftErr = r.plan(r.ctx)
		if r.driftErr == nil && len(plan.Conflicts) > 0 {
			r.driftErr = plan.Conflicts[0]
		}
		r.drift = verify.NewDrift(plan)
	})
	return verify.Observation{Differs: r.drift.Of(c)}, r.driftErr
}

// route asks the kernel for the way to an address.
func (s *space) route(dst netip.Addr) (o verify.Observation, err error) {
	routes, err := s.nl.RouteGetWithOptions(net.IP(dst.AsSlice()), nil)
	if err != nil {
		outcome, detail, trouble := meaning(err)
		if trouble != nil {
			return o, fmt.Errorf("look up %s in %s: %w", dst, s.name, trouble)
		}
		return verify.Observation{Outcome: outcome, Detail: detail}, nil
	}
	if len(routes) == 0 {
		return o, fmt.Errorf("look up %s in %s: an empty answer", dst, s.name)
	}
	rt := routes[0]
	switch rt.Type {
	case unix.RTN_UNICAST, unix.RTN_LOCAL:
	default:
		return verify.Observation{Outcome: labs.Unreachable, Detail: fmt.Sprintf("a route of type %d", rt.Type)}, nil
	}
	o.Outcome = labs.Reachable
	o.Hop.Via = addrFrom(rt.Gw)
	if via, ok := rt.Via.(*netlink.Via); ok {
		o.Hop.Via = addrFrom(via.Addr)
	}
	o.Hop.Src = addrFrom(rt.Src)
	o.Hop.Dev, err = s.link(rt.LinkIndex)
	return o, err
}

func addrFrom(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// find returns an interface, or nil if there is none of that name.
func (s *space) find(name string) (netlink.Link, error) {
	l, err := s.nl.LinkByName(name)
	var none netlink.LinkNotFoundError
	switch {
	case errors.As(err, &none):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look up interface %s of %s: %w", name, s.name, err)
	}
	return l, nil
}

// device reads a VXLAN device.
func (s *space) device(name string) (o verify.Observation, err error) {
	l, err := s.find(name)
	v, ok := l.(*netlink.Vxlan)
	if err != nil || !ok {
		return o, err
	}
	o.Present = true
	o.Device = verify.DeviceInfo{
		Name: name, VNI: uint32(v.VxlanId), Port: uint16(v.Port), Local: addrFrom(v.SrcAddr),
		Learning: v.Learning, MTU: v.MTU, MAC: macOf(v.HardwareAddr),
	}
	if v.VtepDevIndex != 0 {
		o.Device.Parent, err = s.link(v.VtepDevIndex)
	}
	return o, err
}

// table reads the entries of a device that somebody made, not those that the
// kernel makes by itself.
func (s *space) table(dev string, name verify.TableName) (o verify.Observation, err error) {
	l, err := s.find(dev)
	if err != nil || l == nil {
		return o, err
	}
	o.Present = true
	switch index := l.Attrs().Index; name {
	case verify.TableRoutes:
		o.Entries, err = s.routesThrough(index)
	case verify.TableNeighbours:
		o.Entries, err = s.permanent(index, unix.AF_INET, unix.AF_INET6)
	case verify.TableFDB:
		o.Entries, err = s.permanent(index, unix.AF_BRIDGE)
	default:
		err = fmt.Errorf("there is no table %q", name)
	}
	if err != nil {
		err = fmt.Errorf("list %s of %s in %s: %w", name, dev, s.name, err)
	}
	return o, err
}

// routesThrough lists the routes of table main through a device.
func (s *space) routesThrough(index int) (entries []verify.Entry, err error) {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := retry(func() ([]netlink.Route, error) {
			return s.nl.RouteListFiltered(family, &netlink.Route{LinkIndex: index}, netlink.RT_FILTER_OIF)
		})
		if err != nil {
			return nil, err
		}
		for _, rt := range routes {
			if rt.Protocol == unix.RTPROT_KERNEL || rt.Dst == nil {
				continue
			}
			ip, _ := netip.AddrFromSlice(rt.Dst.IP)
			ones, _ := rt.Dst.Mask.Size()
			entries = append(entries, verify.Entry{To: netip.PrefixFrom(ip.Unmap(), ones), IP: addrFrom(rt.Gw)})
		}
	}
	return entries, nil
}

// permanent lists the permanent entries of a device that lead to an address.
func (s *space) permanent(index int, families ...int) (entries []verify.Entry, err error) {
	for _, family := range families {
		list, err := retry(func() ([]netlink.Neigh, error) { return s.nl.NeighList(index, family) })
		if err != nil {
			return nil, err
		}
		for _, n := range list {
			if n.State&netlink.NUD_PERMANENT != 0 && len(n.IP) > 0 {
				entries = append(entries, verify.Entry{IP: ipOf(n), MAC: macOf(n.HardwareAddr)})
			}
		}
	}
	return entries, nil
}

// sysctl reads a kernel parameter of a namespace.
func (r *run) sysctl(ns, name string) (o verify.Observation, err error) {
	var b []byte
	err = r.in(ns, func() (err error) {
		b, err = os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o, nil
	case err != nil:
		return o, fmt.Errorf("read %s in %s: %w", name, ns, err)
	}
	return verify.Observation{Present: true, Value: strings.TrimSpace(string(b))}, nil
}
