package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
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
		if v.B.NS != hostNS {
			return errors.Join(setEnd(a, old.A, v.A), setEnd(b, old.B, v.B))
		}
		if _, err := joined(a, b, old); err != nil {
			return err
		}
		// The mark comes last: what is not netlab's is taken off together with it.
		return errors.Join(setEnd(a, old.A, v.A), setEnd(b, old.B, v.B), dressHostEnd(b, v))
	}
	if v.B.NS == hostNS {
		if err := h.dir.touchHost(labOf(v.A.NS)); err != nil {
			return err
		}
	}
	ns, err := b.file()
	if err != nil {
		return err
	}
	err = createVeth(a, b, ns, v)
	if errors.Is(err, unix.EEXIST) {
		return h.sameVeth(a, b, v, err)
	}
	return err
}

// createVeth makes both ends at once where they belong: moving one costs sixty
// times as much. One queue each is a third cheaper than one for each processor.
// ns is the namespace of b, open.
func createVeth(a, b *space, ns int, v provision.Veth) error {
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
	peer.AddChild(nl.NewIfInfomsg(unix.AF_UNSPEC))
	for _, attr := range endAttrs(v.B) {
		peer.AddChild(attr)
	}
	peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ns)))

	// The kernel echoes what it made, which saves looking the indexes up.
	// Before Linux 6.2 it does not, and they are looked up when needed.
	var made device
	err := a.conn.do(request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ECHO,
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
	if v.B.NS == hostNS {
		if err := dressHostEnd(b, v); err != nil {
			return err
		}
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
	if err := restoreLinkLocal(sp, e.Name, old.Extra, e.MAC); err != nil {
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
			// Of one request the kernel takes the name first and the state last.
			down := ifindex(index)
			down.Change = unix.IFF_UP
			if err = sp.conn.do(request(unix.RTM_NEWLINK, 0, down), nil); err == nil {
				err = sp.conn.do(request(unix.RTM_NEWLINK, 0, h, attrs...), nil)
			}
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
	found, err := joined(a, b, v)
	switch {
	case err != nil:
		return taken
	case found != v:
		return fmt.Errorf("it is there and differs: %w", taken)
	}
	return nil
}

// errApart says that two devices are not the ends of one cable.
var errApart = errors.New("its ends are not connected")

// joined returns the cable whose ends have the names of v's.
func joined(a, b *space, v provision.Veth) (provision.Veth, error) {
	da, err := deviceNamed(a.conn, v.A.Name)
	if err != nil {
		return provision.Veth{}, err
	}
	db, err := deviceNamed(b.conn, v.B.Name)
	if err != nil {
		return provision.Veth{}, err
	}
	ns, err := openNS(v.B.NS)
	if err != nil {
		return provision.Veth{}, err
	}
	defer ns.Close()
	id, err := namespaceID(a.conn, ns)
	if err == nil && !connected(v.A.NS, da, v.B.NS, db, id) {
		err = errApart
	}
	return vethOf(v.A.NS, da, v.B.NS, db), err
}

// vethOf describes a cable. Only an end on the host has a mark. What the host
// calls that end beside its name is the host's affair.
func vethOf(nsA string, a device, nsB string, b device) provision.Veth {
	if nsB != hostNS {
		return provision.Veth{A: a.end(nsA), B: b.end(nsB)}
	}
	b.extra = slices.DeleteFunc(slices.Clone(b.extra), func(words string) bool {
		return strings.HasPrefix(words, "alias ") || strings.HasPrefix(words, "altname ")
	})
	return provision.Veth{A: a.end(nsA), B: b.end(nsB), Alias: b.alias}
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
