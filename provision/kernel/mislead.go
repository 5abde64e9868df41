package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netns"
)

// misled is a neighbour that a namespace has learned from somebody whose address
// it is not.
type misled struct {
	ns    string
	index int
	addr  netip.Addr
}

// homes returns, by address, the MACs of the namespaces that are to have it:
// any interface may answer for all addresses of its namespace.
func homes(want provision.State) map[netip.Addr][]labs.MAC {
	macs, of := map[string][]labs.MAC{}, map[netip.Addr][]labs.MAC{}
	for o := range want.All() {
		switch o := o.(type) {
		case provision.Veth:
			macs[o.A.NS] = append(macs[o.A.NS], o.A.MAC)
			macs[o.B.NS] = append(macs[o.B.NS], o.B.MAC)
		case provision.Bridge:
			macs[o.NS] = append(macs[o.NS], o.MAC)
		case provision.VXLAN:
			macs[o.NS] = append(macs[o.NS], o.MAC)
		}
	}
	for o := range want.All() {
		if a, ok := o.(provision.Addr); ok {
			of[a.Prefix.Addr()] = append(of[a.Prefix.Addr()], macs[a.NS]...)
		}
	}
	return of
}

// misleads reports whether n, which the kernel learned, is not true of a lab.
func (w wish) misleads(n neighbour, d device) bool {
	macs := w.homes[n.dst]
	return len(macs) > 0 && n.mac != labs.MAC{} && n.mac != d.mac && !slices.Contains(macs, n.mac)
}

// ForgetMisled makes the kernel forget the neighbours that the last Observe saw
// and that were learned from somebody who is not to have their address. An
// address that moves, or that two have for a while, is believed for up to a
// minute otherwise.
func (h *Host) ForgetMisled() error {
	h.mu.Lock()
	list := h.misled
	h.misled = nil
	h.mu.Unlock()
	var errs []error
	for _, m := range list {
		sp, err := h.spaces.acquire(m.ns)
		if err != nil {
			continue // it went, and its neighbours with it
		}
		hdr := &netlink.Ndmsg{Family: uint8(family(m.addr)), Index: uint32(m.index)}
		errs = append(errs, goneIs(unix.ENOENT, goneIs(unix.ENODEV, sp.conn.do(request(unix.RTM_DELNEIGH, 0, hdr,
			nl.NewRtAttr(netlink.NDA_DST, m.addr.AsSlice())), nil))))
		h.spaces.release(sp)
	}
	return errors.Join(errs...)
}

// ForgetRoutes makes the kernel forget, in some namespaces, what it learned about
// ways: whom a router told to take another one goes that way for minutes. Where it
// learned nothing the switch is left alone, since to find it takes longer than to
// ask. Without root there is no such switch.
func (h *Host) ForgetRoutes(namespaces []string) error {
	errs := make([]error, len(namespaces))
	err := h.visitAll(context.Background(), len(namespaces), func(t *tour, i int) error {
		if err := h.forgetRoutes(t, namespaces[i]); !errors.Is(err, netns.ErrNoNamespace) && !errors.Is(err, fs.ErrNotExist) {
			errs[i] = err
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

func (h *Host) forgetRoutes(t *tour, name string) error {
	sp := h.spaces.known(name)
	if sp == nil {
		var err error
		if sp, err = h.spaces.visit(t.visitor, name); err != nil {
			return err
		}
	}
	defer h.spaces.release(sp)
	if told, err := hasExceptions(sp); err != nil || !told {
		return err
	}
	fd, err := sp.file()
	if err != nil {
		return err
	}
	if err := t.visitor.Enter(fd); err != nil {
		return fmt.Errorf("namespace %s: %w", name, err)
	}
	return t.proc.write(routeFlush, "1")
}

// hasExceptions reports whether the kernel of a namespace has learned of another
// way to somebody, or of a narrow one: it lists that among the routes since Linux
// 5.3 (net/ipv4/fib_trie.c, fn_trie_dump_leaf). A kernel that may be older is
// taken to have.
func hasExceptions(sp *space) (bool, error) {
	if sp.cookie == 0 {
		return true, nil
	}
	header := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET}}
	learned, err := dump(sp.conn, unix.RTM_GETROUTE, header, func(m []byte) (struct{}, bool) {
		return struct{}{}, len(m) >= unix.SizeofRtMsg && u32(m[8:])&unix.RTM_F_CLONED != 0
	})
	if err != nil {
		return false, fmt.Errorf("list routes of namespace %s: %w", sp.name, err)
	}
	return len(learned) > 0, nil
}
