package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision"
)

// neighbour is an entry of a neighbour table or of a forwarding database.
type neighbour struct {
	link  int
	state uint16
	flags uint8
	mac   labs.MAC
	dst   netip.Addr
	extra []string
	port  bool // the entry is in the table of the bridge of which link is a port
}

func neighbours(c *conn) ([]neighbour, error) {
	return dump(c, unix.RTM_GETNEIGH, &netlink.Ndmsg{Family: unix.AF_UNSPEC}, decodeNeighbour)
}

func forwardings(c *conn) ([]neighbour, error) {
	return dump(c, unix.RTM_GETNEIGH, &netlink.Ndmsg{Family: unix.AF_BRIDGE}, decodeNeighbour)
}

const sizeofNdmsg = 12

func decodeNeighbour(m []byte) (neighbour, bool) {
	if len(m) < sizeofNdmsg {
		return neighbour{}, false
	}
	n := neighbour{link: int(u32(m[4:])), state: binary.NativeEndian.Uint16(m[8:]), flags: m[10]}
	for kind, v := range attributes(m[sizeofNdmsg:]) {
		switch kind {
		case netlink.NDA_DST:
			n.dst, _ = netip.AddrFromSlice(v)
		case netlink.NDA_LLADDR:
			if len(v) == len(n.mac) {
				n.mac = labs.MAC(v)
			}
		case netlink.NDA_MASTER:
			n.port = true
		case netlink.NDA_PORT:
			n.extra = append(n.extra, fmt.Sprintf("port %d", binary.BigEndian.Uint16(v)))
		case netlink.NDA_VNI:
			n.extra = append(n.extra, fmt.Sprintf("vni %d", u32(v)))
		case netlink.NDA_IFINDEX:
			n.extra = append(n.extra, "via another interface")
		}
	}
	return n, true
}

func (n neighbour) permanent() bool { return n.state&netlink.NUD_PERMANENT != 0 }

// nailed reports whether somebody wrote n, an entry of d's neighbour table, in
// such a way that the kernel never asks whether it is true: one without ARP is
// the kernel's own only for addresses of groups, and on interfaces that have no
// neighbours (net/ipv4/arp.c, arp_constructor).
func (n neighbour) nailed(d device) bool {
	const kernels = unix.IFF_NOARP | unix.IFF_LOOPBACK | unix.IFF_POINTOPOINT
	noarp := n.state&netlink.NUD_NOARP != 0 && d.flags&kernels == 0 && n.mac[0]&1 == 0 && n.mac != d.mac && n.mac != labs.MAC{}
	return n.permanent() || noarp || n.flags&netlink.NTF_EXT_LEARNED != 0
}

// forwarding returns the FDB entry that n is, and whether people or netlab made
// it: permanent entries of a VXLAN device, static ones of a bridge port, local
// ones unless the kernel made them for the MACs of its own devices, and further
// MACs of any device.
func (n neighbour) forwarding(ns string, d device, own map[labs.MAC]bool) (provision.FDB, bool) {
	f := provision.FDB{NS: ns, Dev: d.name, MAC: n.mac}
	switch {
	case d.kind == "vxlan" && !n.port:
		f.Dst, f.Extra = n.dst, strings.Join(n.extra, ", ")
		return f, n.permanent() && n.dst.IsValid()
	case !n.port && n.permanent() && n.mac[0]&1 == 0: // multicast is the kernel's
		f.Extra = "self"
		return f, true
	case !n.port || n.flags&netlink.NTF_EXT_LEARNED != 0:
		return f, false
	case n.permanent():
		return f, !own[n.mac]
	}
	return f, n.state&netlink.NUD_NOARP != 0
}

func doNeigh(sp *space, op provision.Op, n provision.Neigh) error {
	return sp.withIndex(n.Dev, func(index int) error {
		if op != provision.Delete {
			return sp.addNeigh(index, n.Addr, n.MAC)
		}
		h := &netlink.Ndmsg{Family: uint8(family(n.Addr)), Index: uint32(index)}
		return goneIs(unix.ENOENT, sp.conn.do(request(unix.RTM_DELNEIGH, 0, h,
			nl.NewRtAttr(netlink.NDA_DST, n.Addr.AsSlice())), nil))
	})
}

// addNeigh adds a permanent neighbour, or makes it so.
func (sp *space) addNeigh(index int, a netip.Addr, mac labs.MAC) error {
	return sp.conn.do(neighRequest(index, a, mac), nil)
}

func neighRequest(index int, a netip.Addr, mac labs.MAC) *nl.NetlinkRequest {
	h := &netlink.Ndmsg{Family: uint8(family(a)), Index: uint32(index), State: netlink.NUD_PERMANENT}
	return request(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, h,
		nl.NewRtAttr(netlink.NDA_DST, a.AsSlice()), nl.NewRtAttr(netlink.NDA_LLADDR, mac[:]))
}

// keepNeighbours calls change, which may give the link with an index another
// MAC. The kernel then forgets also permanent neighbours there
// (net/core/neighbour.c, neigh_changeaddr); they are put back.
func keepNeighbours(sp *space, index int, change func() error) error {
	before, err := neighbours(sp.conn)
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	if err := change(); err != nil {
		return err
	}
	for _, n := range before {
		if n.link != index || !n.permanent() || !n.dst.IsValid() {
			continue
		}
		if err := sp.addNeigh(index, n.dst, n.mac); err != nil && !errors.Is(err, unix.ENETDOWN) {
			return fmt.Errorf("put neighbour %s back: %w", n.dst, err)
		}
	}
	return nil
}

func doFDB(sp *space, op provision.Op, f provision.FDB) error {
	return sp.withIndex(f.Dev, func(index int) error {
		del := func() error {
			own := func() error {
				req := fdbRequest(unix.RTM_DELNEIGH, 0, index, f)
				h := req.Data[0].(*netlink.Ndmsg)
				h.Flags, h.State = netlink.NTF_SELF, netlink.NUD_PERMANENT
				return goneIs(unix.ENOENT, sp.conn.do(req, nil))
			}
			if f.Extra == "self" {
				return own()
			}
			err := sp.conn.do(fdbRequest(unix.RTM_DELNEIGH, 0, index, f), nil)
			if errors.Is(err, unix.EOPNOTSUPP) && !f.Dst.IsValid() { // the device is no port but a bridge
				return own()
			}
			return goneIs(unix.ENOENT, err)
		}
		if op == provision.Delete {
			return del()
		}
		flags := unix.NLM_F_CREATE | unix.NLM_F_REPLACE
		if f.Dst.IsValid() && (f.MAC == labs.MAC{} || f.MAC[0]&1 != 0) {
			// The kernel keeps a list of destinations for these and does not
			// replace it.
			if op == provision.Update {
				if err := del(); err != nil {
					return err
				}
			}
			flags = unix.NLM_F_CREATE | unix.NLM_F_APPEND
		}
		return sp.conn.do(fdbRequest(unix.RTM_NEWNEIGH, flags, index, f), nil)
	})
}

// fdbRequest is about an entry of the device itself if it has a destination,
// which is a VXLAN device's, otherwise of the bridge it is a port of.
func fdbRequest(kind, flags, index int, f provision.FDB) *nl.NetlinkRequest {
	h := &netlink.Ndmsg{Family: unix.AF_BRIDGE, Index: uint32(index), State: netlink.NUD_NOARP, Flags: netlink.NTF_MASTER}
	attrs := []*nl.RtAttr{nl.NewRtAttr(netlink.NDA_LLADDR, f.MAC[:])}
	if f.Dst.IsValid() {
		h.State, h.Flags = netlink.NUD_PERMANENT, netlink.NTF_SELF
		if kind == unix.RTM_NEWNEIGH {
			attrs = append(attrs, nl.NewRtAttr(netlink.NDA_DST, f.Dst.AsSlice()))
		}
	}
	return request(kind, flags, h, attrs...)
}

// goneIs returns nil if err says, by errno, that what was to be deleted is not
// there.
func goneIs(errno unix.Errno, err error) error {
	if errors.Is(err, errno) {
		return nil
	}
	return err
}
