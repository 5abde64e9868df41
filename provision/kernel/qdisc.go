package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Where queueing disciplines hang that no link tells of (include/uapi/linux/
// pkt_sched.h). Filters that drop what comes in need one.
const (
	tcRoot    = 0xffffffff // TC_H_ROOT
	tcIngress = 0xfffffff1 // TC_H_INGRESS, and TC_H_CLSACT
	tcaKind   = 1          // TCA_KIND
)

// tcHeader is struct tcmsg.
type tcHeader struct {
	index  int32
	parent uint32
}

// Len implements [nl.NetlinkRequestData].
func (h tcHeader) Len() int { return 20 }

// Serialize implements [nl.NetlinkRequestData].
func (h tcHeader) Serialize() []byte {
	b := make([]byte, 20)
	binary.NativeEndian.PutUint32(b[4:], uint32(h.index))
	binary.NativeEndian.PutUint32(b[12:], h.parent)
	return b
}

// dropQdisc removes the queueing discipline at a place of a device; at the root
// the one comes back that a device begins with.
func dropQdisc(sp *space, index int, parent uint32) error {
	err := sp.conn.do(request(unix.RTM_DELQDISC, 0, tcHeader{int32(index), parent}), nil)
	if parent == tcIngress {
		err = goneIs(unix.EINVAL, err) // the kernel's word for there being none
	}
	return goneIs(unix.ENOENT, err)
}

// addIngress adds to devices what people hung in at their entrances.
func addIngress(c *conn, devices []device) error {
	type entrance struct {
		index int
		kind  string
	}
	list, err := dump(c, unix.RTM_GETQDISC, tcHeader{}, func(m []byte) (entrance, bool) {
		if len(m) < 20 || u32(m[12:]) != tcIngress {
			return entrance{}, false
		}
		e := entrance{index: int(int32(u32(m[4:])))}
		for kind, v := range attributes(m[20:]) {
			if kind == tcaKind {
				e.kind = text(v)
			}
		}
		return e, true
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil // a kernel without traffic control
	}
	if err != nil {
		return fmt.Errorf("list queueing disciplines: %w", err)
	}
	for _, e := range list {
		for i := range devices {
			if devices[i].index == e.index {
				devices[i].say("filters " + e.kind)
			}
		}
	}
	return nil
}
