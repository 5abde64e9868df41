package kernel

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
)

// doLink removes a link that no lab asks for. There is nothing else to do with
// one.
func doLink(sp *space, op provision.Op, l provision.Link) error {
	if op != provision.Delete {
		return fmt.Errorf("a link of type %s is nothing that a lab can ask for", l.Type)
	}
	return deleteDevice(sp, l.Name)
}

func deleteDevice(sp *space, name string) error {
	defer sp.lose(name)
	return sp.withIndex(name, func(index int) error {
		return sp.conn.do(request(unix.RTM_DELLINK, 0, ifinfo(index, false)), nil)
	})
}

// createDevice makes a link of a kind and remembers its index.
func createDevice(sp *space, name string, header *nl.IfInfomsg, attrs ...*nl.RtAttr) error {
	var made device
	err := sp.conn.do(request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ECHO, header,
		append(attrs, nameAttr(name))...), func(m []byte) { made, _ = decodeDevice(m) })
	if err != nil {
		return err
	}
	sp.lose(name)
	if made.name == name && made.index != 0 {
		sp.remember(name, made.index)
	}
	return nil
}

// changeDevice changes a link that is there.
func changeDevice(sp *space, name string, up bool, attrs ...*nl.RtAttr) error {
	return sp.withIndex(name, func(index int) error {
		return keepNeighbours(sp, index, func() error {
			return sp.conn.do(request(unix.RTM_NEWLINK, 0, ifinfo(index, up), attrs...), nil)
		})
	})
}

func doBridge(sp *space, s provision.Step, b provision.Bridge) error {
	op, extra := s.Op, ""
	if old, ok := s.Old.(provision.Bridge); ok {
		extra = old.Extra
	}
	switch op {
	case provision.Delete:
		return deleteDevice(sp, b.Name)
	case provision.Create:
		// A bridge takes the smallest MTU of its ports unless someone changed
		// it, and giving it the one that it has is no change: hence another
		// one first.
		err := createDevice(sp, b.Name, ifinfo(0, false), macAttr(b.MAC), mtuAttr(b.MTU-1), bridgeInfo(b, ""))
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		if err != nil {
			if d, look := deviceNamed(sp.conn, b.Name); look != nil || bridgeOf(b.NS, d) != b {
				return fmt.Errorf("it is there and differs: %w", err)
			}
			return nil
		}
	}
	if op == provision.Update && !b.STP {
		// With STP the kernel takes no forward delay of zero, and it looks at
		// the delay first.
		off := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
		off.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
		off.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.IFLA_BR_STP_STATE, nl.Uint32Attr(0))
		if err := changeDevice(sp, b.Name, b.Up, off); err != nil {
			return fmt.Errorf("turn STP off: %w", err)
		}
	}
	if err := normalise(sp, b.Name, extra); err != nil {
		return err
	}
	if err := changeDevice(sp, b.Name, b.Up, macAttr(b.MAC), mtuAttr(b.MTU), bridgeInfo(b, extra)); err != nil {
		return err
	}
	if err := restoreLinkLocal(sp, b.Name, extra, b.MAC); err != nil {
		return err
	}
	if old, ok := s.Old.(provision.Bridge); ok && b.Up && !b.STP && (old.STP || old.Extra != "") {
		return wakePorts(sp, b.Name)
	}
	return nil
}

// wakePorts has the ports of a bridge forward at once that wait for a delay which
// the bridge had when they came.
func wakePorts(sp *space, bridge string) error {
	return sp.withIndex(bridge, func(index int) error {
		all, err := devices(sp.conn)
		if err != nil {
			return fmt.Errorf("list links: %w", err)
		}
		var errs []error
		for _, d := range all {
			if d.master != index || d.oper != operUp || !slices.ContainsFunc(d.asPort, func(s string) bool { return strings.HasPrefix(s, "state ") }) {
				continue
			}
			header := nl.NewIfInfomsg(unix.AF_BRIDGE)
			header.Index = int32(d.index)
			info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
			info.AddRtAttr(nl.IFLA_BRPORT_STATE, []byte{portForwarding})
			if err := sp.conn.do(request(unix.RTM_SETLINK, 0, header, info), nil); err != nil && !errors.Is(err, unix.ENETDOWN) {
				errs = append(errs, fmt.Errorf("have port %s forward: %w", d.name, err))
			}
		}
		return errors.Join(errs...)
	})
}

// bridgeInfo holds what only bridges have. Without the forward delay of zero a
// port would swallow everything for its first seconds, even without STP. Where
// people changed something it is put back; not every kernel takes every setting.
func bridgeInfo(b provision.Bridge, extra string) *nl.RtAttr {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	if !b.STP {
		data.AddRtAttr(nl.IFLA_BR_FORWARD_DELAY, nl.Uint32Attr(0))
	}
	stp := uint32(0)
	if b.STP {
		stp = 1
	}
	data.AddRtAttr(nl.IFLA_BR_STP_STATE, nl.Uint32Attr(stp))
	data.AddRtAttr(nl.IFLA_BR_MCAST_SNOOPING, boolAttr(b.Snooping))
	for _, s := range bridgeSettings {
		if s.attr != nl.IFLA_BR_FORWARD_DELAY && s.in(extra) {
			data.AddRtAttr(s.attrOf())
		}
	}
	return info
}

func bridgeOf(ns string, d device) provision.Bridge {
	return provision.Bridge{
		NS: ns, Name: d.name, MAC: d.mac, MTU: d.mtu, Up: d.up(), STP: d.stp, Snooping: d.snooping,
		Extra: d.extras(),
	}
}

func doVXLAN(sp *space, s provision.Step, x provision.VXLAN) error {
	switch s.Op {
	case provision.Delete:
		return deleteDevice(sp, x.Name)
	case provision.Update:
		old, ok := s.Old.(provision.VXLAN)
		if !ok {
			old = x
		}
		if err := normalise(sp, x.Name, old.Extra); err != nil {
			return err
		}
		if old.Local != x.Local || old.Learning != x.Learning || old.Extra != "" {
			// The kernel takes no MTU together with these.
			if err := changeDevice(sp, x.Name, x.Up, vxlanChange(x, old.Extra)); err != nil {
				return err
			}
		}
		if err := changeDevice(sp, x.Name, x.Up, macAttr(x.MAC), mtuAttr(x.MTU)); err != nil {
			return err
		}
		return restoreLinkLocal(sp, x.Name, old.Extra, x.MAC)
	}
	return sp.withIndex(x.Dev, func(dev int) error {
		err := createDevice(sp, x.Name, ifinfo(0, x.Up), macAttr(x.MAC), mtuAttr(x.MTU), vxlanInfo(x, dev))
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
		d, look := deviceNamed(sp.conn, x.Name)
		if look != nil || vxlanOf(x.NS, d, map[int]string{dev: x.Dev}) != x {
			return fmt.Errorf("it is there and differs: %w", err)
		}
		return nil
	})
}

// vxlanChange holds what can be changed of a VXLAN device. The kernel takes the
// learning flag only if it is another one.
func vxlanChange(x provision.VXLAN, extra string) *nl.RtAttr {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("vxlan"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_VXLAN_ID, nl.Uint32Attr(x.VNI))
	addVXLANLocal(data, x)
	data.AddRtAttr(nl.IFLA_VXLAN_LEARNING, boolAttr(x.Learning))
	if extra == "" {
		return info
	}
	for _, s := range vxlanSettings {
		if s.in(extra) {
			data.AddRtAttr(s.attrOf())
		}
	}
	if strings.Contains(extra, "remote ") {
		if x.Local.Is6() {
			data.AddRtAttr(nl.IFLA_VXLAN_GROUP6, make([]byte, 16))
		} else {
			data.AddRtAttr(nl.IFLA_VXLAN_GROUP, make([]byte, 4))
		}
	}
	return info
}

func addVXLANLocal(data *nl.RtAttr, x provision.VXLAN) {
	switch {
	case x.Local.Is4():
		data.AddRtAttr(nl.IFLA_VXLAN_LOCAL, x.Local.AsSlice())
	case x.Local.Is6():
		data.AddRtAttr(nl.IFLA_VXLAN_LOCAL6, x.Local.AsSlice())
	}
}

// vxlanInfo holds what only VXLAN devices have.
func vxlanInfo(x provision.VXLAN, dev int) *nl.RtAttr {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("vxlan"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_VXLAN_ID, nl.Uint32Attr(x.VNI))
	data.AddRtAttr(nl.IFLA_VXLAN_LINK, nl.Uint32Attr(uint32(dev)))
	addVXLANLocal(data, x)
	data.AddRtAttr(nl.IFLA_VXLAN_LEARNING, boolAttr(x.Learning))
	data.AddRtAttr(nl.IFLA_VXLAN_PORT, nl.BEUint16Attr(x.Port))
	return info
}

func vxlanOf(ns string, d device, names map[int]string) provision.VXLAN {
	return provision.VXLAN{
		NS: ns, Name: d.name, MAC: d.mac, MTU: d.mtu, Up: d.up(),
		VNI: d.vxlan.vni, Port: d.vxlan.port, Local: d.vxlan.local, Dev: names[d.vxlan.dev], Learning: d.vxlan.learning,
		Extra: d.extras(),
	}
}

func doPort(sp *space, s provision.Step, p provision.Port) error {
	op := s.Op
	if op == provision.Delete {
		return sp.withIndex(p.Dev, func(dev int) error { return setMaster(sp, dev, 0) })
	}
	// An index of the bridge that is out of date is as invalid as one of the
	// port, so both are read again where one is refused.
	return sp.withIndex(p.Bridge, func(bridge int) error {
		return sp.withIndex(p.Dev, func(dev int) error {
			if err := setMaster(sp, dev, bridge); err != nil {
				return err
			}
			if op == provision.Create && !p.Hairpin {
				return nil // becoming a port has reset it
			}
			header := nl.NewIfInfomsg(unix.AF_BRIDGE)
			header.Index = int32(dev)
			info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
			info.AddRtAttr(nl.IFLA_BRPORT_MODE, boolAttr(p.Hairpin))
			if old, ok := s.Old.(provision.Port); ok {
				for _, s := range portSettings {
					if s.in(old.Extra) {
						info.AddRtAttr(s.attrOf())
					}
				}
			}
			if err := sp.conn.do(request(unix.RTM_SETLINK, 0, header, info), nil); err != nil {
				return fmt.Errorf("set hairpin mode and others: %w", err)
			}
			return nil
		})
	})
}

func setMaster(sp *space, dev, master int) error {
	if err := sp.conn.do(masterRequest(dev, master), nil); err != nil {
		return fmt.Errorf("set the bridge: %w", err)
	}
	return nil
}

func masterRequest(dev, master int) *nl.NetlinkRequest {
	header := nl.NewIfInfomsg(unix.AF_UNSPEC)
	header.Index = int32(dev)
	return request(unix.RTM_NEWLINK, 0, header, nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(master))))
}

// namespaceID returns the number by which c's namespace knows the one that is
// open as ns, or -1.
func namespaceID(c *conn, ns *os.File) (int, error) {
	id, err := namespaceIDOf(c, int(ns.Fd()))
	if err != nil {
		return -1, fmt.Errorf("ask for the id of %s: %w", ns.Name(), err)
	}
	return id, nil
}

func namespaceIDOf(c *conn, ns int) (int, error) {
	const (
		nsid = 1 // NETNSA_NSID
		fd   = 3 // NETNSA_FD
	)
	id := -1
	err := c.do(request(unix.RTM_GETNSID, 0, nl.NewRtGenMsg(),
		nl.NewRtAttr(fd, nl.Uint32Attr(uint32(ns)))), func(m []byte) {
		for kind, v := range attributes(m[min(len(m), 4):]) {
			if kind == nsid {
				id = int(int32(u32(v)))
			}
		}
	})
	return id, err
}
