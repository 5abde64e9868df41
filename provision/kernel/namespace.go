package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/netns"
)

// labOf returns the lab that a namespace belongs to by its name.
func labOf(ns string) string {
	lab, _, _ := strings.Cut(ns, ".")
	return lab
}

func (h *Host) doNamespace(op provision.Op, n provision.Namespace) error {
	if op == provision.Delete {
		return h.deleteNamespace(n)
	}
	if op == provision.Create {
		err := h.createNamespace(n)
		if err == nil {
			return h.recordNamespace(n, h.identity(n.Name))
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	ours, err := h.isOurs(n.Name)
	if err != nil {
		return err
	}
	if !ours {
		return fmt.Errorf("%s exists and is not netlab's", n.Name)
	}
	if err := h.repairNamespace(n); err != nil {
		return err
	}
	return h.recordNamespace(n, h.identity(n.Name))
}

// createNamespace makes the namespace with its mark, so that the name never
// stands for one that is not known as ours.
func (h *Host) createNamespace(n provision.Namespace) error {
	lab := labOf(n.Name)
	if err := h.prepare(lab); err != nil {
		return err
	}
	c, err := h.createMarked(n)
	if errors.Is(err, fs.ErrNotExist) { // somebody removed the directory by hand
		h.unprepared(lab)
		if err := h.prepare(lab); err != nil {
			return err
		}
		c, err = h.createMarked(n)
	}
	if err != nil {
		return err
	}
	sp, err := h.spaces.adopt(n.Name, c)
	if err == nil {
		h.spaces.release(sp)
	}
	return err
}

// createMarked returns a socket in the namespace that it made.
func (h *Host) createMarked(n provision.Namespace) (*conn, error) {
	var c *conn
	err := h.pool.Create(n.Name, func() (err error) {
		if c, err = dial(); err != nil {
			return err
		}
		return markLo(c, n.Mark)
	})
	if err != nil && c != nil {
		c.close()
	}
	return c, err
}

// recordNamespace writes down that the namespace is ours and gives it the
// lab's names.
func (h *Host) recordNamespace(n provision.Namespace, id identity) error {
	if err := h.dir.witness(n.Name, id); err != nil {
		return err
	}
	if !n.Names {
		return unlinkNames(n.Name, h.dir.etcOf(n.Name))
	}
	return h.linkNames(n.Name, h.dir.etcOf(n.Name))
}

// repairNamespace brings back what every namespace has from the start.
func (h *Host) repairNamespace(n provision.Namespace) error {
	sp, err := h.spaces.acquire(n.Name)
	if err != nil {
		return err
	}
	defer h.spaces.release(sp)
	if err := mendLo(sp, n.Mark); err != nil {
		return err
	}
	if err := errors.Join(sp.addAddr(loIndex, loPrefix), sp.addOwnRoutes(loIndex, loPrefix)); err != nil {
		return fmt.Errorf("add 127.0.0.1/8 to lo: %w", err)
	}
	if err := sp.addLoopback6(); err != nil {
		return fmt.Errorf("add ::1/128 to lo: %w", err)
	}
	rules, err := allRules(sp.conn)
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	for _, r := range missingRules(rules) {
		if err := sp.addRule(r, unix.RTPROT_KERNEL); err != nil {
			return fmt.Errorf("add rule %s: %w", r.Key().Name, err)
		}
	}
	return nil
}

// addLoopback6 gives lo the address ::1 and its route, unless it has them: to
// add it again would change its flags. Where IPv6 is switched off there is none.
func (sp *space) addLoopback6() error {
	addrs, err := addresses(sp.conn)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	entries, err := routes(sp.conn, nil)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	own, _ := entries.split(addrs)
	for _, a := range addrs {
		if a.link != loIndex || a.prefix != loPrefix6 {
			continue
		}
		if own[a.itself()] {
			return nil
		}
		if err := goneIs(unix.EADDRNOTAVAIL, sp.conn.do(repeated(unix.RTM_DELADDR, a.raw), nil)); err != nil {
			return err
		}
	}
	err = sp.addAddr(loIndex, loPrefix6)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	if err != nil {
		return err
	}
	// The kernel makes a route for what is added by hand, but not for its own.
	h := &nl.RtMsg{RtMsg: unix.RtMsg{Family: unix.AF_INET6, Dst_len: 128}}
	err = sp.conn.do(request(unix.RTM_DELROUTE, 0, h,
		nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(unix.RT_TABLE_MAIN)),
		nl.NewRtAttr(unix.RTA_DST, loPrefix6.Addr().AsSlice()),
		nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(loIndex))), nil)
	return goneIs(unix.ESRCH, err)
}

func (h *Host) deleteNamespace(n provision.Namespace) error {
	if !netns.IsNamespace(n.Name) {
		if netns.IsRemains(n.Name) {
			if err := netns.Delete(n.Name); err != nil {
				return err
			}
		} else if path, err := netns.Path(n.Name); err != nil {
			return err
		} else if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s %w and was not made by netlab", path, netns.ErrNoNamespace)
		}
		return h.unrecordNamespace(n.Name, identity{})
	}
	id, ok := h.identityVouched(n.Name)
	if !ok {
		ours, err := h.isOurs(n.Name)
		if err != nil {
			return err
		}
		if !ours {
			return fmt.Errorf("%s is not netlab's", n.Name)
		}
		id = h.identity(n.Name)
	}
	h.spaces.forget(n.Name)
	if err := netns.Delete(n.Name); err != nil {
		return err
	}
	return h.unrecordNamespace(n.Name, id)
}

func (h *Host) unrecordNamespace(name string, id identity) error {
	h.spaces.forget(name)
	if err := unlinkNames(name, h.dir.etcOf(name)); err != nil {
		return err
	}
	return h.dir.unwitness(name, id)
}

// isOurs reports whether the mark or the witness says that the namespace called
// name was made by netlab for the lab that has this name.
func (h *Host) isOurs(name string) (bool, error) {
	sp, err := h.spaces.acquire(name)
	if errors.Is(err, netns.ErrNoNamespace) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer h.spaces.release(sp)
	lo, err := deviceNamed(sp.conn, "lo")
	if err != nil {
		return false, fmt.Errorf("read the mark of %s: %w", name, err)
	}
	return h.witnessed(sp, lo.alias), nil
}

// witnessed reports whether the alias of lo or a witness says that sp is ours, if
// by another name.
func (h *Host) witnessed(sp *space, alias string) bool {
	if strings.HasPrefix(alias, provision.MarkPrefix(labOf(sp.name))) {
		return true
	}
	id := identity{sp.inode, sp.cookie}
	return h.dir.confirms(sp.name, id) || h.dir.confirmsAny(labOf(sp.name), id)
}

// identity returns what tells the namespace called name from all others.
func (h *Host) identity(name string) identity {
	sp, err := h.spaces.acquire(name)
	if err != nil {
		return identity{}
	}
	defer h.spaces.release(sp)
	return identity{sp.inode, sp.cookie}
}
