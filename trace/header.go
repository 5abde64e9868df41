package trace

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"netlab/labs"
)

// Header is what stands at the front of a packet at one place.
type Header struct {
	Ether  bool // there is an Ethernet header
	SrcMAC labs.MAC
	DstMAC labs.MAC

	Src, Dst         netip.Addr
	Proto            Proto
	SrcPort, DstPort uint16
	TTL              uint8
	ID               uint16 // of the IPv4 header, which no router changes
	Length           int    // of the IP packet, in bytes
	Fragment         bool   // not the first fragment: there is no transport header

	TCP  TCP
	ICMP ICMP
	ARP  ARP

	VNI   uint32  // meaningful with Inner
	Inner *Header // what a VXLAN packet carries
	Quote *Header // the packet that an ICMP error is about

	payload []byte // what follows the transport header
}

// Proto is the protocol of a packet.
type Proto string

// The protocols that trace knows. Others have their number.
const (
	ProtoTCP   Proto = "tcp"
	ProtoUDP   Proto = "udp"
	ProtoICMP  Proto = "icmp"
	ProtoICMP6 Proto = "ipv6-icmp"
	ProtoARP   Proto = "arp"
)

// TCP is what matters of a TCP header.
type TCP struct {
	Flags    TCPFlags
	Seq, Ack uint32
}

// TCPFlags are the flags of a TCP header.
type TCPFlags uint8

// The flags.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// String writes the flags as people call them.
func (f TCPFlags) String() string {
	var words []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK"} {
		if f&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	return strings.Join(words, " ")
}

// ICMP is what matters of an ICMP header of either version.
type ICMP struct {
	Type, Code uint8
	Ident, Seq uint16 // of an echo
}

// ARP is what an ARP packet says, and also an IPv6 neighbour solicitation or
// advertisement.
type ARP struct {
	Reply     bool
	SenderIP  netip.Addr
	SenderMAC labs.MAC
	TargetIP  netip.Addr
}

// source and destination are the ends of the packet with their ports.
func (h *Header) source() netip.AddrPort      { return netip.AddrPortFrom(h.Src, h.SrcPort) }
func (h *Header) destination() netip.AddrPort { return netip.AddrPortFrom(h.Dst, h.DstPort) }

// endText writes an end: without a port where the protocol has none.
func endText(e netip.AddrPort) string {
	switch {
	case e.Port() != 0:
		return e.String()
	case e.Addr().IsValid():
		return e.Addr().String()
	}
	return "?"
}

// What says in a few words what kind of packet it is.
func (h *Header) What() string {
	switch h.Proto {
	case ProtoTCP:
		return "TCP " + h.TCP.Flags.String()
	case ProtoUDP:
		if h.Inner != nil {
			return "VXLAN"
		}
		return "UDP"
	case ProtoICMP, ProtoICMP6:
		return icmpName(h.Proto, h.ICMP.Type, h.ICMP.Code)
	case ProtoARP:
		if h.ARP.Reply {
			return "ARP reply"
		}
		return "ARP request"
	}
	return string(h.Proto)
}

// icmpName says what an ICMP message means.
func icmpName(p Proto, kind, code uint8) string {
	names := map[uint8]string{8: "ICMP echo request", 0: "ICMP echo reply", 3: "ICMP destination unreachable", 5: "ICMP redirect", 11: "ICMP time exceeded"}
	codes := map[uint8]string{
		0: "ICMP network unreachable", 1: "ICMP host unreachable", 2: "ICMP protocol unreachable", 3: "ICMP port unreachable",
		4: "ICMP fragmentation needed", 9: "ICMP network prohibited", 10: "ICMP host prohibited", 13: "ICMP administratively prohibited",
	}
	unreachable := uint8(3)
	if p == ProtoICMP6 {
		names = map[uint8]string{128: "ICMPv6 echo request", 129: "ICMPv6 echo reply", 1: "ICMPv6 destination unreachable", 2: "ICMPv6 packet too big", 3: "ICMPv6 time exceeded"}
		codes = map[uint8]string{0: "ICMPv6 no route", 1: "ICMPv6 administratively prohibited", 3: "ICMPv6 address unreachable", 4: "ICMPv6 port unreachable"}
		unreachable = 1
	}
	if name, ok := codes[code]; ok && kind == unreachable {
		return name
	}
	if name, ok := names[kind]; ok {
		return name
	}
	return fmt.Sprintf("ICMP type %d code %d", kind, code)
}

// isError reports whether h is an ICMP message about another packet.
func (h *Header) isError() bool { return h.Quote != nil }

// String writes h on a line: ends, TTL and what it is.
func (h *Header) String() string {
	return endText(h.source()) + " → " + endText(h.destination()) + "  ttl " + strconv.Itoa(int(h.TTL)) + "  " + h.What()
}
