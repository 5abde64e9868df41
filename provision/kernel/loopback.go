package kernel

import (
	"cmp"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// describeLo returns "up" or what is wrong with lo.
func describeLo(lo device, addrs []address, own ownRoutes) string {
	if !lo.up() {
		return "down"
	}
	if lo.mtu != loMTU {
		return fmt.Sprintf("up with mtu %d", lo.mtu)
	}
	for _, a := range addrs {
		if a.link != lo.index || a.prefix != loPrefix {
			continue
		}
		if lacks := own.missing(a, lo); lacks != "" {
			return lacks
		}
		if !own[ownRoute{lo.index, unix.RT_TABLE_LOCAL, loPrefix.Masked()}] {
			return "without local " + loPrefix.Masked().String()
		}
		return describeLo6(lo, addrs, own)
	}
	return "without " + loPrefix.String()
}

// describeLo6 misses ::1 only where IPv6 is on.
func describeLo6(lo device, addrs []address, own ownRoutes) string {
	if !lo.conf.ipv6 {
		return "up"
	}
	for _, a := range addrs {
		if a.link == lo.index && a.prefix == loPrefix6 {
			return cmp.Or(own.missing(a, lo), "up")
		}
	}
	return "without " + loPrefix6.String()
}

const loMTU = 65536

var loPrefix6 = netip.PrefixFrom(netip.IPv6Loopback(), 128)

var loPrefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 8)

func isLoAddr(p netip.Prefix) bool {
	return p == loPrefix || p == loPrefix6
}
