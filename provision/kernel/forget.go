package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision/netfilter"
)

// Forget makes the kernel forget what it has learned in a namespace:
// connections, neighbours, which MAC is behind which port, which client goes to
// which endpoint, and exceptions from routes.
func (h *Host) Forget(ns string) error {
	sp, err := h.spaces.acquire(ns)
	if err != nil {
		return err
	}
	defer h.spaces.release(sp)
	return errors.Join(forgetNeighbours(sp), forgetPorts(sp), h.pool.Do(ns, func() error {
		return errors.Join(forgetConnections(), forgetAffinity(), forgetRoutes())
	}))
}

// forgetNeighbours deletes the entries that nobody made.
func forgetNeighbours(sp *space) error {
	list, err := neighbours(sp.conn)
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	var errs []error
	for _, n := range list {
		if n.permanent() || n.state&netlink.NUD_NOARP != 0 || !n.dst.IsValid() {
			continue
		}
		hdr := &netlink.Ndmsg{Family: uint8(family(n.dst)), Index: uint32(n.link)}
		errs = append(errs, goneIs(unix.ENOENT, sp.conn.do(request(unix.RTM_DELNEIGH, 0, hdr,
			nl.NewRtAttr(netlink.NDA_DST, n.dst.AsSlice())), nil)))
	}
	return errors.Join(errs...)
}

// forgetPorts empties the forwarding databases of bridges and VXLAN devices of
// what they learned.
func forgetPorts(sp *space) error {
	list, err := devices(sp.conn)
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	tunnels := map[int]bool{}
	var errs []error
	for _, d := range list {
		switch d.kind {
		case "vxlan":
			tunnels[d.index] = true
		case "bridge":
			info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
			info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
			info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.IFLA_BR_FDB_FLUSH, nil)
			errs = append(errs, sp.conn.do(request(unix.RTM_NEWLINK, 0, ifindex(d.index), info), nil))
		}
	}
	if len(tunnels) == 0 {
		return errors.Join(errs...)
	}
	entries, err := forwardings(sp.conn)
	if err != nil {
		return fmt.Errorf("list forwarding databases: %w", err)
	}
	for _, n := range entries {
		if tunnels[n.link] && !n.port && !n.permanent() && n.dst.IsValid() {
			hdr := &netlink.Ndmsg{Family: unix.AF_BRIDGE, Index: uint32(n.link), Flags: netlink.NTF_SELF}
			errs = append(errs, goneIs(unix.ENOENT, sp.conn.do(request(unix.RTM_DELNEIGH, 0, hdr,
				nl.NewRtAttr(netlink.NDA_LLADDR, n.mac[:])), nil)))
		}
	}
	return errors.Join(errs...)
}

// forgetConnections empties the conntrack table of the calling thread's
// namespace. A kernel without one has nothing to forget.
func forgetConnections() error {
	c, err := dialFamily(unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer c.close()
	err = c.do(request(unix.NFNL_SUBSYS_CTNETLINK<<8|nl.IPCTNL_MSG_CT_DELETE, 0,
		&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: nl.NFNETLINK_V0}), nil)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// forgetAffinity empties the lists of the recent match, in which kube-proxy's
// rules keep which client goes to which endpoint.
func forgetAffinity() error {
	lists, err := filepath.Glob("/proc/thread-self/net/xt_recent/*")
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range lists {
		errs = append(errs, os.WriteFile(path, []byte("/\n"), 0))
	}
	return errors.Join(errs...)
}

// routeFlush is what drops all that was learned about ways when it is written to.
const routeFlush = "/proc/sys/net/ipv4/route/flush"

// forgetRoutes drops what was learned about ways, such as a smaller MTU.
func forgetRoutes() error {
	err := writeSysctl(routeFlush, "1")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// RemoveForeignRules removes the netfilter tables, chains and rules in a
// namespace that are not netlab's, and IPsec policies, and says what they were. Where there were any
// in the tables of iptables those are emptied, so that the lab's own rules have
// to be written again.
func (h *Host) RemoveForeignRules(ctx context.Context, ns string) ([]string, error) {
	removed, err := h.ForeignRules(ctx, ns)
	if err != nil || len(removed) == 0 {
		return nil, err
	}
	tables, err := h.foreignTables(ns)
	if err != nil {
		return nil, err
	}
	ipsec, err := h.foreignPolicies(ns)
	if err != nil {
		return nil, err
	}
	if err := h.pool.Do(ns, func() error {
		for _, t := range tables {
			if err := dropTable(t); err != nil {
				return err
			}
		}
		if len(ipsec) == 0 {
			return nil
		}
		return dropPolicies()
	}); err != nil {
		return nil, err
	}
	if len(removed) == len(tables)+len(ipsec) {
		return removed, nil
	}
	for _, ipv6 := range []bool{false, true} {
		if err := h.clearTables(ctx, ns, ipv6); err != nil {
			return nil, fmt.Errorf("remove the rules of %s: %w", ns, err)
		}
	}
	return removed, nil
}

// clearTables removes all chains and rules of a family.
func (h *Host) clearTables(ctx context.Context, ns string, ipv6 bool) error {
	if empty, err := h.noTables(ns, ipv6); err != nil || empty {
		return err
	}
	save, err := h.runTables(ctx, ns, program("save", ipv6), nil)
	if err != nil {
		return err
	}
	if err := h.dropTables(ns, ipv6, unreadableTables(save)); err != nil {
		return err
	}
	script := netfilter.Emptied(save)
	if len(script) == 0 {
		return nil
	}
	_, err = h.runTables(ctx, ns, program("restore", ipv6), script, "-w")
	return err
}
