package kernel

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
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
	if extra := extraOfLo(lo); len(extra) > 0 {
		return "up with " + strings.Join(extra, ", ")
	}
	for _, a := range addrs {
		if a.link != lo.index || a.prefix != loPrefix {
			continue
		}
		if lacks := own.missing(a, lo); lacks != "" {
			return lacks
		}
		if !own[ownRoute{lo.index, unix.RT_TABLE_LOCAL, loPrefix.Masked(), localRoute}] {
			return "without local " + loPrefix.Masked().String()
		}
		return describeLo6(lo, addrs, own)
	}
	return "without " + loPrefix.String()
}

// extraOfLo lists what people changed of lo: all but the mark, which is an alias.
func extraOfLo(lo device) []string {
	return slices.DeleteFunc(slices.Clone(lo.extra), func(words string) bool { return strings.HasPrefix(words, "alias ") })
}

// markLo writes the mark and sets lo up, in one message that also says what is
// to be otherwise.
func markLo(c *conn, mark string, attrs ...*nl.RtAttr) error {
	all := append([]*nl.RtAttr{nl.NewRtAttr(unix.IFLA_IFALIAS, []byte(mark)), mtuAttr(loMTU)}, attrs...)
	h := ifinfo(loIndex, true)
	h.Change |= unix.IFF_NOARP
	if err := c.do(request(unix.RTM_NEWLINK, 0, h, all...), nil); err != nil {
		return fmt.Errorf("mark lo and set it up: %w", err)
	}
	return nil
}

// mendLo makes lo as it is in a new namespace, and marks it.
func mendLo(sp *space, mark string) error {
	list, err := devices(sp.conn)
	if err == nil {
		err = addIngress(sp.conn, list)
	}
	if err != nil {
		return fmt.Errorf("look at lo: %w", err)
	}
	var extra []string
	for _, d := range list {
		if d.index == loIndex {
			extra = extraOfLo(d)
		}
	}
	attrs, err := undo(sp, loIndex, extra)
	if err != nil {
		return fmt.Errorf("remove what hangs on lo: %w", err)
	}
	return markLo(sp.conn, mark, attrs...)
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
