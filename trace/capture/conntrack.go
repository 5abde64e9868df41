package capture

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"netlab/trace"
)

// What include/uapi/linux/netfilter/nfnetlink_conntrack.h calls by these names.
const (
	ctSubsystem = 1 // NFNL_SUBSYS_CTNETLINK
	ctGet       = 1 // IPCTNL_MSG_CT_GET

	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaStatus     = 3
	ctaProtoInfo  = 4
	ctaTimeout    = 7
	ctaMark       = 8

	ctaTupleIP    = 1
	ctaTupleProto = 2

	ctaProtoNum     = 1
	ctaProtoSrcPort = 2
	ctaProtoDstPort = 3

	statusSeenReply = 1 << 1
	statusAssured   = 1 << 2
)

// tracked lists the connections of a family and protocol that a namespace
// knows and that keep wants.
func (s *space) tracked(ipv6 bool, keep func(trace.Tracked) bool) error {
	m := newMessage(ctSubsystem<<8|ctGet, unix.NLM_F_DUMP, nfFamilyAF(ipv6), 0)
	return s.table.ask(m, func(body []byte) {
		if t := decodeTracked(body[min(4, len(body)):]); keep(t) {
			s.read.Tracked = append(s.read.Tracked, t)
		}
	})
}

func nfFamilyAF(ipv6 bool) uint8 {
	if ipv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func decodeTracked(b []byte) (t trace.Tracked) {
	var words []string
	for kind, v := range attributes(b) {
		switch kind {
		case ctaTupleOrig:
			t.Orig, t.Proto = decodeTuple(v)
		case ctaTupleReply:
			t.Reply, _ = decodeTuple(v)
		case ctaStatus:
			status := binary.BigEndian.Uint32(v)
			if status&statusSeenReply == 0 {
				words = append(words, "UNREPLIED")
			}
			if status&statusAssured != 0 {
				words = append(words, "ASSURED")
			}
		case ctaTimeout:
			t.Timeout = time.Duration(binary.BigEndian.Uint32(v)) * time.Second
		case ctaMark:
			t.Mark = binary.BigEndian.Uint32(v)
		case ctaProtoInfo:
			t.TCPState = decodeState(v)
		}
	}
	t.Status = strings.Join(words, " ")
	return t
}

func decodeTuple(b []byte) (ends [2]netip.AddrPort, proto trace.Proto) {
	var addrs [2]netip.Addr
	var ports [2]uint16
	for kind, v := range attributes(b) {
		for inner, x := range attributes(v) {
			switch {
			case kind == ctaTupleIP: // source and destination of IPv4 and then of IPv6
				a, _ := netip.AddrFromSlice(x)
				addrs[(inner-1)%2] = a
			case kind != ctaTupleProto:
			case inner == ctaProtoNum:
				proto = map[uint8]trace.Proto{unix.IPPROTO_TCP: trace.ProtoTCP, unix.IPPROTO_UDP: trace.ProtoUDP, unix.IPPROTO_ICMP: trace.ProtoICMP, unix.IPPROTO_ICMPV6: trace.ProtoICMP6}[x[0]]
			case inner == ctaProtoSrcPort || inner == ctaProtoDstPort:
				ports[inner-ctaProtoSrcPort] = binary.BigEndian.Uint16(x)
			}
		}
	}
	for i := range ends {
		ends[i] = netip.AddrPortFrom(addrs[i], ports[i])
	}
	return ends, proto
}

// decodeState returns the state of a TCP connection as conntrack -L prints it.
func decodeState(b []byte) string {
	const protoInfoTCP, tcpState = 1, 1
	names := []string{"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"}
	for kind, v := range attributes(b) {
		if kind != protoInfoTCP {
			continue
		}
		for inner, x := range attributes(v) {
			if inner == tcpState && len(x) == 1 && int(x[0]) < len(names) {
				return names[x[0]]
			}
		}
	}
	return ""
}
