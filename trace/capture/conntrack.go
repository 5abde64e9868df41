package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
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
	ctDelete    = 2 // IPCTNL_MSG_CT_DELETE

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

// tracked looks up the connections that packets with these tuples belong to.
// Going through the whole table takes a hundred times longer: it is one for
// all namespaces of the host.
func (s *space) tracked(tuples []trace.Tuple) error {
	seen := map[[2]netip.AddrPort]bool{}
	for _, t := range tuples {
		var found *trace.Tracked
		err := s.table.get(getTracked(t), func(body []byte) {
			c := decodeTracked(body[min(4, len(body)):])
			found = &c
		})
		switch {
		case errors.Is(err, unix.ENOENT):
		case err != nil:
			return fmt.Errorf("look for a connection in %s: %w", s.name, err)
		case found != nil && !seen[found.Orig]:
			seen[found.Orig] = true
			s.read.Tracked = append(s.read.Tracked, *found)
		}
	}
	return nil
}

// forget deletes the connections that packets with these tuples belong to.
func (s *space) forget(tuples []trace.Tuple) {
	for _, t := range tuples {
		// What is not there any more is forgotten, and what cannot be deleted
		// ages away.
		_ = s.table.get(aboutTracked(ctDelete, t), func([]byte) {})
	}
}

// getTracked asks for the connection that a packet belongs to. It may go either
// way.
func getTracked(t trace.Tuple) message { return aboutTracked(ctGet, t) }

func aboutTracked(command uint16, t trace.Tuple) message {
	family, ip := uint8(unix.AF_INET), message{}.attr(1, t.Src.Addr().AsSlice()).attr(2, t.Dst.Addr().AsSlice())
	if t.Src.Addr().Is6() {
		family, ip = unix.AF_INET6, message{}.attr(3, t.Src.Addr().AsSlice()).attr(4, t.Dst.Addr().AsSlice())
	}
	port := func(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }
	var proto message
	switch t.Proto {
	case trace.ProtoTCP:
		proto = message{}.attr(ctaProtoNum, []byte{unix.IPPROTO_TCP}).attr(ctaProtoSrcPort, port(t.Src.Port())).attr(ctaProtoDstPort, port(t.Dst.Port()))
	case trace.ProtoUDP:
		proto = message{}.attr(ctaProtoNum, []byte{unix.IPPROTO_UDP}).attr(ctaProtoSrcPort, port(t.Src.Port())).attr(ctaProtoDstPort, port(t.Dst.Port()))
	case trace.ProtoICMP: // identifier, type and code
		proto = message{}.attr(ctaProtoNum, []byte{unix.IPPROTO_ICMP}).attr(4, port(t.ICMP.Ident)).attr(5, []byte{t.ICMP.Type}).attr(6, []byte{t.ICMP.Code})
	default:
		proto = message{}.attr(ctaProtoNum, []byte{unix.IPPROTO_ICMPV6}).attr(7, port(t.ICMP.Ident)).attr(8, []byte{t.ICMP.Type}).attr(9, []byte{t.ICMP.Code})
	}
	tuple := message{}.nested(ctaTupleIP, ip).nested(ctaTupleProto, proto)
	return newMessage(ctSubsystem<<8|command, unix.NLM_F_ACK, family, 0).nested(ctaTupleOrig, tuple)
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
