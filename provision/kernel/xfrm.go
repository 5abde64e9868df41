package kernel

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What nl does not name (include/uapi/linux/xfrm.h).
const (
	xfrmSetDefault = 39 // XFRM_MSG_SETDEFAULT
	xfrmGetDefault = 40 // XFRM_MSG_GETDEFAULT
	xfrmBlock      = 1  // XFRM_USERPOLICY_BLOCK
	xfrmAccept     = 2  // XFRM_USERPOLICY_ACCEPT
)

// xfrmDefaults is struct xfrm_userpolicy_default: what becomes of packets that no
// policy is about, as they come in, pass and leave.
type xfrmDefaults [3]byte

// Len implements [nl.NetlinkRequestData].
func (d xfrmDefaults) Len() int { return len(d) }

// Serialize implements [nl.NetlinkRequestData].
func (d xfrmDefaults) Serialize() []byte { return d[:] }

// policies lists, for people to read, the IPsec policies of the namespace of the
// calling thread: they end packets as rules of netfilter do, and no lab has any.
func policies() ([]string, error) {
	var list []string
	found, err := netlink.XfrmPolicyList(netlink.FAMILY_ALL)
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil // a kernel without IPsec
	}
	if err != nil {
		return nil, fmt.Errorf("list IPsec policies: %w", err)
	}
	for _, p := range found {
		list = append(list, fmt.Sprintf("xfrm: policy src %v dst %v %s action %s", p.Src, p.Dst, p.Dir, p.Action))
	}
	defaults, err := policyDefaults()
	for i, dir := range []string{"in", "fwd", "out"} {
		if defaults[i] == xfrmBlock {
			list = append(list, fmt.Sprintf("xfrm: policy setdefault %s block", dir))
		}
	}
	return list, err
}

// foreignPolicies lists the IPsec policies of a namespace.
func (h *Host) foreignPolicies(ns string) (list []string, err error) {
	err = h.pool.Do(ns, func() (err error) {
		list, err = policies()
		return err
	})
	return list, err
}

// policyDefaults are those of the namespace of the calling thread; none on
// kernels before 5.14, which know no others than to accept.
func policyDefaults() (d xfrmDefaults, err error) {
	c, err := dialFamily(unix.NETLINK_XFRM)
	if err != nil {
		return d, err
	}
	defer c.close()
	err = c.do(request(xfrmGetDefault, 0, d), func(m []byte) { copy(d[:], m) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return d, nil
	}
	return d, err
}

// dropPolicies removes what policies lists, and what they lead to.
func dropPolicies() error {
	c, err := dialFamily(unix.NETLINK_XFRM)
	if err != nil {
		return err
	}
	defer c.close()
	none := xfrmFlush{}
	return errors.Join(netlink.XfrmPolicyFlush(), goneIs(unix.ESRCH, c.do(request(nl.XFRM_MSG_FLUSHSA, 0, none), nil)),
		goneIs(unix.EINVAL, c.do(request(xfrmSetDefault, 0, xfrmDefaults{xfrmAccept, xfrmAccept, xfrmAccept}), nil)))
}

// xfrmFlush is struct xfrm_usersa_flush, for all protocols.
type xfrmFlush struct{}

// Len implements [nl.NetlinkRequestData].
func (xfrmFlush) Len() int { return 1 }

// Serialize implements [nl.NetlinkRequestData].
func (xfrmFlush) Serialize() []byte { return []byte{0} }
