package kernel

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision"
)

// address is what the kernel says about an address.
type address struct {
	link   int
	prefix netip.Prefix
	flags  uint32
	proto  uint8    // who made it, 0 if unknown
	extra  []string // what people changed, in the words of ip addr
	raw    []byte
}

// Who made an address (IFA_PROTO, since Linux 5.18).
const (
	ifaProto         = 11
	protoKernelLo    = 1
	protoKernelRA    = 2
	protoKernelLocal = 3

	ifaMetric = 9          // IFA_RT_PRIORITY
	forever   = 0xffffffff // of a lifetime
)

func addresses(c *conn) ([]address, error) {
	return dump(c, unix.RTM_GETADDR, nl.NewIfAddrmsg(unix.AF_UNSPEC), decodeAddress)
}

func decodeAddress(m []byte) (address, bool) {
	if len(m) < unix.SizeofIfAddrmsg || (m[0] != unix.AF_INET && m[0] != unix.AF_INET6) {
		return address{}, false
	}
	a := address{link: int(u32(m[4:])), flags: uint32(m[2]), raw: slices.Clone(m)}
	var local, dst netip.Addr
	if m[0] == unix.AF_INET && m[3] != unix.RT_SCOPE_UNIVERSE && m[3] != unix.RT_SCOPE_HOST {
		a.extra = append(a.extra, fmt.Sprintf("scope %d", m[3]))
	}
	for kind, v := range attributes(m[unix.SizeofIfAddrmsg:]) {
		switch kind {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(v)
		case unix.IFA_ADDRESS:
			dst, _ = netip.AddrFromSlice(v)
		case unix.IFA_FLAGS:
			a.flags = u32(v)
		case ifaProto:
			if len(v) > 0 {
				a.proto = v[0]
			}
		case unix.IFA_CACHEINFO:
			if len(v) >= 8 && (u32(v) != forever || u32(v[4:]) != forever) {
				a.extra = append(a.extra, "limited lifetime")
			}
		case ifaMetric:
			if metric := u32(v); metric != 0 && m[0] == unix.AF_INET {
				a.extra = append(a.extra, fmt.Sprintf("metric %d", metric))
			}
		}
	}
	if !local.IsValid() {
		local = dst // IPv6 without a peer
	}
	if dst.IsValid() && dst != local {
		a.extra = append(a.extra, "peer "+dst.String())
	}
	if a.flags&unix.IFA_F_NOPREFIXROUTE != 0 {
		a.extra = append(a.extra, "noprefixroute")
	}
	if a.flags&unix.IFA_F_DADFAILED != 0 {
		a.extra = append(a.extra, "dadfailed")
	}
	a.prefix = netip.PrefixFrom(local, int(m[1]))
	return a, local.IsValid()
}

// ownLinkLocal reports whether the kernel gave d the address a by itself: an
// fe80::/64 address of its own making. Where the kernel does not say who made it,
// it is known by the MAC it was made of.
func (a address) ownLinkLocal(d device) bool {
	if !a.prefix.Addr().Is6() || !a.prefix.Addr().IsLinkLocalUnicast() || a.prefix.Bits() != linkLocalBits {
		return false
	}
	return a.proto == protoKernelLocal || a.flags&unix.IFA_F_STABLE_PRIVACY != 0 ||
		(a.proto == 0 && a.prefix.Addr() == eui64(d.mac))
}

// eui64 returns the link-local address that is made of a MAC.
func eui64(m labs.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

func doAddr(sp *space, s provision.Step, a provision.Addr) error {
	op := s.Op
	return sp.withIndex(a.Dev, func(index int) error {
		if op != provision.Delete {
			if err := sp.addAddr(index, a.Prefix); err != nil {
				return err
			}
			if old, ok := s.Old.(provision.Addr); ok && old.Route != "" {
				return sp.addOwnRoutes(index, a.Prefix)
			}
			return nil
		}
		// One with a peer is told by the peer, which provision does not know.
		addrs, err := addresses(sp.conn)
		if err != nil {
			return fmt.Errorf("list addresses: %w", err)
		}
		for _, found := range addrs {
			if found.link == index && found.prefix == a.Prefix {
				if err := goneIs(unix.EADDRNOTAVAIL, sp.conn.do(repeated(unix.RTM_DELADDR, found.raw), nil)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// addAddr adds an address, or leaves it as it is. IPv6 addresses do without
// duplicate address detection: it would keep them from being used for a second,
// and a lab knows its addresses.
func (sp *space) addAddr(index int, p netip.Prefix) error {
	return sp.conn.do(sp.addrRequest(index, p), nil)
}

func (sp *space) addrRequest(index int, p netip.Prefix) *nl.NetlinkRequest {
	h := nl.NewIfAddrmsg(family(p.Addr()))
	h.Prefixlen = uint8(p.Bits())
	h.Index = uint32(index)
	if p.Addr().IsLoopback() {
		h.Scope = unix.RT_SCOPE_HOST
	}
	if sp.name == hostNS {
		h.Scope = unix.RT_SCOPE_LINK // nothing else of the host's is ever sent from it
	}
	req := request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, h,
		nl.NewRtAttr(unix.IFA_LOCAL, p.Addr().AsSlice()),
		nl.NewRtAttr(unix.IFA_ADDRESS, p.Addr().AsSlice()))
	if p.Addr().Is6() {
		req.AddData(nl.NewRtAttr(unix.IFA_FLAGS, nl.Uint32Attr(unix.IFA_F_NODAD)))
	}
	return req
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
