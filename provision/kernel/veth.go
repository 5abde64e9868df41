package kernel

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/netns"
)

func (h *Host) doVeth(s provision.Step, v provision.Veth) error {
	op := s.Op
	a, err := h.spaces.acquire(v.A.NS)
	if err != nil {
		return err
	}
	defer h.spaces.release(a)
	b, err := h.spaces.acquire(v.B.NS)
	if err != nil && op != provision.Delete {
		return err
	}
	if err == nil {
		defer h.spaces.release(b)
	}
	switch op {
	case provision.Delete:
		if b != nil {
			defer b.lose(v.B.Name)
		}
		return deleteDevice(a, v.A.Name)
	case provision.Update:
		old, ok := s.Old.(provision.Veth)
		if !ok {
			old = v
		}
		return errors.Join(setEnd(a, old.A, v.A), setEnd(b, old.B, v.B))
	}
	err = createVeth(a, b, v)
	if errors.Is(err, unix.EEXIST) {
		return h.sameVeth(a, b, v, err)
	}
	return err
}

// createVeth makes both ends at once where they belong: moving one costs sixty
// times as much. One queue each is a third cheaper than one for each processor.
func createVeth(a, b *space, v provision.Veth) error {
	ns, err := netns.Open(v.B.NS)
	if err != nil {
		return err
	}
	defer ns.Close()

	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
	peer.AddChild(nl.NewIfInfomsg(unix.AF_UNSPEC))
	for _, attr := range endAttrs(v.B) {
		peer.AddChild(attr)
	}
	peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ns.Fd())))

	// The kernel echoes what it made, which saves looking the indexes up.
	// Before Linux 6.2 it does not, and they are looked up when needed.
	var made device
	err = a.conn.do(request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ECHO,
		ifinfo(0, v.A.Up), append(endAttrs(v.A), info)...), func(m []byte) { made, _ = decodeDevice(m) })
	if err != nil {
		return err
	}
	a.lose(v.A.Name)
	b.lose(v.B.Name)
	if made.index != 0 && made.name == v.A.Name && made.link != 0 {
		a.remember(v.A.Name, made.index)
		b.remember(v.B.Name, made.link)
	}
	if !v.B.Up {
		return nil
	}
	// A peer cannot be created up.
	return b.withIndex(v.B.Name, func(index int) error {
		if err := b.conn.do(request(unix.RTM_NEWLINK, 0, ifinfo(index, true)), nil); err != nil {
			return fmt.Errorf("set %s/%s up: %w", v.B.NS, v.B.Name, err)
		}
		return nil
	})
}

func endAttrs(e provision.End) []*nl.RtAttr {
	return []*nl.RtAttr{
		nameAttr(e.Name), macAttr(e.MAC), mtuAttr(e.MTU),
		nl.NewRtAttr(unix.IFLA_NUM_TX_QUEUES, nl.Uint32Attr(1)),
		nl.NewRtAttr(unix.IFLA_NUM_RX_QUEUES, nl.Uint32Attr(1)),
	}
}

// setEnd changes what can be changed of one end.
func setEnd(sp *space, old, e provision.End) error {
	if old.Name != e.Name {
		if err := rename(sp, old.Name, e.Name); err != nil {
			return fmt.Errorf("rename %s/%s to %s: %w", old.NS, old.Name, e.Name, err)
		}
	}
	if err := normalise(sp, e.Name, old.Extra); err != nil {
		return fmt.Errorf("set %s/%s: %w", e.NS, e.Name, err)
	}
	if err := changeDevice(sp, e.Name, e.Up, macAttr(e.MAC), mtuAttr(e.MTU)); err != nil {
		return fmt.Errorf("set %s/%s: %w", e.NS, e.Name, err)
	}
	return nil
}

// rename gives a device another name. It takes it out of its bridge: what it is
// there under the new name is a matter of its own. Before Linux 6.2 a device
// must be down for it.
func rename(sp *space, from, to string) error {
	err := sp.withIndex(from, func(index int) error {
		h := ifindex(index)
		attrs := []*nl.RtAttr{nameAttr(to), nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(0))}
		err := sp.conn.do(request(unix.RTM_NEWLINK, 0, h, attrs...), nil)
		if errors.Is(err, unix.EBUSY) {
			h.Change = unix.IFF_UP
			err = sp.conn.do(request(unix.RTM_NEWLINK, 0, h, attrs...), nil)
		}
		if err == nil {
			sp.remember(to, index)
		}
		return err
	})
	sp.lose(from)
	return err
}

// sameVeth returns nil if v is there exactly as asked, otherwise taken.
func (h *Host) sameVeth(a, b *space, v provision.Veth, taken error) error {
	da, err := deviceNamed(a.conn, v.A.Name)
	if err != nil {
		return taken
	}
	db, err := deviceNamed(b.conn, v.B.Name)
	if err != nil {
		return taken
	}
	ns, err := netns.Open(v.B.NS)
	if err != nil {
		return err
	}
	defer ns.Close()
	id, err := namespaceID(a.conn, ns)
	if err != nil || !connected(v.A.NS, da, v.B.NS, db, id) {
		return taken
	}
	if (provision.Veth{A: da.end(v.A.NS), B: db.end(v.B.NS)}) != v {
		return fmt.Errorf("it is there and differs: %w", taken)
	}
	return nil
}

// connected reports whether two devices are the ends of one cable. id is how
// the namespace of a knows that of b.
func connected(nsA string, a device, nsB string, b device, id int) bool {
	if a.kind != "veth" || b.kind != "veth" || a.link != b.index || b.link != a.index {
		return false
	}
	if nsA == nsB {
		return a.linkNS < 0
	}
	return a.linkNS >= 0 && a.linkNS == id
}
