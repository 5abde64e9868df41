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
// ways: whom a router told to take another one goes that way for minutes. Without
// root there is no such switch.
func (h *Host) ForgetRoutes(namespaces []string) error {
	errs := make([]error, len(namespaces))
	err := h.visitAll(context.Background(), len(namespaces), func(t *tour, i int) error {
		if err := t.forgetRoutes(namespaces[i]); !errors.Is(err, netns.ErrNoNamespace) && !errors.Is(err, fs.ErrNotExist) {
			errs[i] = err
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

func (t *tour) forgetRoutes(name string) error {
	fd, err := netns.OpenFD(name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := t.visitor.Enter(fd); err != nil {
		return fmt.Errorf("namespace %s: %w", name, err)
	}
	return t.proc.write(routeFlush, "1")
}
