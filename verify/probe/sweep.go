package probe

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// alike are all entries of connection tracking that a packet began which had the
// same in some fields.
type alike struct {
	family, proto uint8
	from, to      uint16 // ports, or the identifier of a ping and nothing
	fields        uint32
}

// Fields that are compared (CTA_FILTER_F_* in net/netfilter/nf_internals.h).
const (
	byProto           = 1 << 3
	byDestinationPort = byProto | 1<<5
	byIdentifier      = byProto | 1<<8  // of ICMP
	byIdentifier6     = byProto | 1<<11 // of ICMPv6
)

// What nl does not name (linux/netfilter/nfnetlink_conntrack.h).
const (
	ctFilter     = 25 // CTA_FILTER
	ctFilterOrig = 1  // CTA_FILTER_ORIG_FLAGS
)

// sweep deletes entries in the namespace of the calling thread, with one walk
// through the table however many they are. Kernels before 6.12 do not look at the
// filter, find that addresses are missing and delete nothing, which is the error.
func sweep(all ...alike) error {
	for _, a := range all {
		req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK)
		req.AddData(&nl.Nfgenmsg{NfgenFamily: a.family, Version: nl.NFNETLINK_V0})
		tuple := nl.NewRtAttr(ctOrig|unix.NLA_F_NESTED, nil)
		addProto(tuple, a.proto, a.from, a.to)
		req.AddData(tuple)
		filter := nl.NewRtAttr(ctFilter|unix.NLA_F_NESTED, nil)
		filter.AddRtAttr(ctFilterOrig, nl.Uint32Attr(a.fields))
		req.AddData(filter)
		if _, err := req.Execute(unix.NETLINK_NETFILTER, 0); err != nil {
			return err
		}
	}
	return nil
}
