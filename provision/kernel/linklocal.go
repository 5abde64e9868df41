package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision"
)

// linkLocalAddress is what people changed of a device whose link-local address
// is not as the kernel made it. Without it a router cannot ask who has an
// address (ndisc_send_ns in net/ipv6/ndisc.c), and without its local route it
// does not hear the answers.
const linkLocalAddress = "link-local address"

// addressesNotMade is what people changed of a device to which the kernel gives
// no such address, or what it is like from a time when its lab had no IPv6.
const addressesNotMade = "addrgenmode none"

// The kernel makes the local route of an IPv6 address a moment after the address,
// and a link-local address a moment after the link is there.
const (
	routeWait  = 10 * time.Millisecond
	routeTries = 20
)

// settled lists the addresses of a namespace, the kernel's own routes and the
// others, when the kernel has had time to make what belongs to IPv6. It notes of
// devices what is wrong with their link-local addresses.
func (v *view) settled(c *conn, w wish) (addrs []address, own ownRoutes, others routeEntries, err error) {
	names := make(map[int]string, len(v.devices))
	byIndex := make(map[int]device, len(v.devices))
	for _, d := range v.devices {
		names[d.index], byIndex[d.index] = d.name, d
	}
	for try := 0; ; try++ {
		if addrs, err = addresses(c); err != nil {
			return nil, nil, nil, fmt.Errorf("list addresses: %w", err)
		}
		entries, err := routes(c, names)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("list routes: %w", err)
		}
		own, others = entries.split(addrs)
		late := slices.ContainsFunc(addrs, func(a address) bool {
			return a.prefix.Addr().Is6() && own.missing(a, byIndex[a.link]) != ""
		})
		wrong, mayCome := w.withoutLinkLocal(v, addrs, own)
		if !late && !mayCome || try == routeTries {
			for i, words := range wrong {
				d := &v.devices[i]
				d.say(words)
				v.byName[d.name] = *d
			}
			return addrs, own, others, nil
		}
		time.Sleep(routeWait) //nolint:forbidigo // the kernel tells nobody when it is done; see routeTries
	}
}

// withoutLinkLocal says what is wrong with the link-local addresses of v's
// devices, by their place in the list: of those that are to have another address
// of IPv6. It may come right by itself if mayCome.
func (w wish) withoutLinkLocal(v *view, addrs []address, own ownRoutes) (wrong map[int]string, mayCome bool) {
	wrong = map[int]string{}
	for i, d := range v.devices {
		kernels := provision.Addr{NS: v.name, Dev: d.name, Prefix: netip.PrefixFrom(eui64(d.mac), linkLocalBits)}
		switch {
		case !w.ipv6[link{v.name, d.name}] || w.has(kernels.Key()):
		case d.conf.ipv6 && d.conf.silent6:
			wrong[i] = addressesNotMade
		case d.hasLinkLocal():
			if words := d.wrongLinkLocal(addrs, own); words != "" {
				wrong[i], mayCome = words, true
			}
		}
	}
	return wrong, mayCome
}

// wrongLinkLocal says what is wrong with d's link-local address, or "".
func (d device) wrongLinkLocal(addrs []address, own ownRoutes) string {
	words := linkLocalAddress + " missing"
	for _, a := range addrs {
		if a.link != d.index || !a.ownLinkLocal(d) {
			continue
		}
		switch lacks := own.missing(a, d); {
		case lacks != "":
			words = linkLocalAddress + " " + lacks
		case len(a.extra) > 0:
			words = linkLocalAddress + " with " + strings.Join(a.extra, " and ")
		default:
			return ""
		}
	}
	return words
}

// hasLinkLocal reports whether the kernel has given d a link-local address: when
// it has noticed that the cable is connected, which for a bridge can take a
// second. Of VXLAN devices it says nothing, since theirs always is.
func (d device) hasLinkLocal() bool {
	return d.up() && d.flags&lowerUp != 0 && d.conf.ipv6 && (d.oper == operUp || d.kind == "vxlan" && d.oper == operUnknown)
}

// restoreLinkLocal gives a device the link-local address that the kernel makes of
// its MAC, if that is what people changed of it.
func restoreLinkLocal(sp *space, name, extra string, mac labs.MAC) error {
	silent := strings.Contains(extra, addressesNotMade)
	if !silent && !strings.Contains(extra, linkLocalAddress) {
		return nil
	}
	return sp.withIndex(name, func(index int) error {
		if silent {
			spec := nl.NewRtAttr(unix.IFLA_AF_SPEC|unix.NLA_F_NESTED, nil)
			spec.AddRtAttr(unix.AF_INET6|unix.NLA_F_NESTED, nil).AddRtAttr(unix.IFLA_INET6_ADDR_GEN_MODE, []byte{genEUI64})
			if err := sp.conn.do(request(unix.RTM_SETLINK, 0, ifindex(index), spec), nil); err != nil {
				return fmt.Errorf("set the way to make addresses: %w", err)
			}
		}
		addrs, err := addresses(sp.conn)
		if err != nil {
			return fmt.Errorf("list addresses: %w", err)
		}
		p := netip.PrefixFrom(eui64(mac), linkLocalBits)
		for _, a := range addrs {
			// With another length it is somebody's, to be deleted by a step of its
			// own, and to add it would change nothing.
			if a.link != index || !a.ownLinkLocal(device{mac: mac}) && a.prefix.Addr() != p.Addr() {
				continue
			}
			if err := goneIs(unix.EADDRNOTAVAIL, sp.conn.do(repeated(unix.RTM_DELADDR, a.raw), nil)); err != nil {
				return fmt.Errorf("delete link-local address %s: %w", a.prefix, err)
			}
		}
		if err := sp.addAddr(index, p); err != nil {
			return fmt.Errorf("add link-local address %s: %w", p, err)
		}
		return nil
	})
}

// linkLocalBits is the length of the prefix of link-local addresses that the
// kernel makes (net/ipv6/addrconf.c).
const linkLocalBits = 64
