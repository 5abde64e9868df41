package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/kubeproxy"
)

// flow is a conntrack entry of UDP, and what the kernel wants to hear in order
// to delete this one and no other.
type flow struct {
	kubeproxy.UDPFlow
	original []byte // CTA_TUPLE_ORIG
	id, zone []byte // CTA_ID, CTA_ZONE; zone is nil for the usual one
}

// endStaleFlows deletes the conntrack entries of UDP flows that lead to what is
// no endpoint any more. The rules must have been written: what deletes an entry
// sends the flow's next packet through them.
func (h *Host) endStaleFlows(set provision.Ruleset) error {
	var c *conn
	if err := h.pool.Do(set.NS, func() (err error) {
		c, err = dialFamily(unix.NETLINK_NETFILTER)
		return err
	}); err != nil {
		return err
	}
	defer c.close()
	header := &nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_IPV4, Version: nl.NFNETLINK_V0}
	if set.IPv6 {
		header.NfgenFamily = unix.NFPROTO_IPV6
	}
	flows, err := dump(c, unix.NFNL_SUBSYS_CTNETLINK<<8|nl.IPCTNL_MSG_CT_GET, header, decodeFlow)
	if err != nil {
		return fmt.Errorf("list connections (the kernel needs module nf_conntrack_netlink): %w", err)
	}
	stale := set.UDP.Stale()
	var errs []error
	for _, f := range flows {
		if !stale(f.UDPFlow) {
			continue
		}
		attrs := []*nl.RtAttr{nl.NewRtAttr(nl.CTA_TUPLE_ORIG|unix.NLA_F_NESTED, f.original), nl.NewRtAttr(nl.CTA_ID, f.id)}
		if f.zone != nil {
			attrs = append(attrs, nl.NewRtAttr(nl.CTA_ZONE, f.zone))
		}
		err := goneIs(unix.ENOENT, c.do(request(unix.NFNL_SUBSYS_CTNETLINK<<8|nl.IPCTNL_MSG_CT_DELETE, 0, header, attrs...), nil))
		if err != nil {
			errs = append(errs, fmt.Errorf("end the UDP flow to %s that %s answers: %w", f.To, f.Answerer, err))
		}
	}
	return errors.Join(errs...)
}

// decodeFlow reads a conntrack entry. Those of other protocols than UDP are
// left out.
func decodeFlow(m []byte) (flow, bool) {
	var f flow
	if len(m) < nl.SizeofNfgenmsg {
		return f, false
	}
	udp := false
	for kind, v := range attributes(m[nl.SizeofNfgenmsg:]) {
		switch kind {
		case nl.CTA_TUPLE_ORIG:
			t := decodeTuple(v)
			udp = t.protocol == unix.IPPROTO_UDP
			f.To, f.original = netip.AddrPortFrom(t.dst, t.dstPort), append([]byte(nil), v...)
		case nl.CTA_TUPLE_REPLY:
			f.Answerer = decodeTuple(v).src
		case nl.CTA_ID:
			f.id = append([]byte(nil), v...)
		case nl.CTA_ZONE:
			f.zone = append([]byte(nil), v...)
		}
	}
	return f, udp && f.To.IsValid() && f.Answerer.IsValid()
}

// tuple is one direction of a flow.
type tuple struct {
	src, dst netip.Addr
	protocol uint8
	dstPort  uint16
}

func decodeTuple(b []byte) tuple {
	var t tuple
	for kind, v := range attributes(b) {
		for part, v := range attributes(v) {
			switch {
			case kind == nl.CTA_TUPLE_IP && (part == nl.CTA_IP_V4_SRC || part == nl.CTA_IP_V6_SRC):
				t.src, _ = netip.AddrFromSlice(v)
			case kind == nl.CTA_TUPLE_IP && (part == nl.CTA_IP_V4_DST || part == nl.CTA_IP_V6_DST):
				t.dst, _ = netip.AddrFromSlice(v)
			case kind == nl.CTA_TUPLE_PROTO && part == nl.CTA_PROTO_NUM && len(v) == 1:
				t.protocol = v[0]
			case kind == nl.CTA_TUPLE_PROTO && part == nl.CTA_PROTO_DST_PORT && len(v) == 2:
				t.dstPort = binary.BigEndian.Uint16(v)
			}
		}
	}
	return t
}
