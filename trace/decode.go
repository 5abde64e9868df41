package trace

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"

	"netlab/labs"
)

// errShort says that a frame ends before its headers do.
var errShort = errors.New("the frame is cut off")

// Numbers that stand in headers.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd

	protoICMP  = 1
	protoTCP   = 6
	protoUDP   = 17
	protoICMP6 = 58

	neighbourSolicitation  = 135
	neighbourAdvertisement = 136
)

// DecodeFrame reads an Ethernet frame. vxlanPort is the UDP port behind which
// another frame is expected, or 0.
func DecodeFrame(b []byte, vxlanPort uint16) (Header, error) {
	if len(b) < 14 {
		return Header{}, errShort
	}
	h := Header{Ether: true, DstMAC: labs.MAC(b[:6]), SrcMAC: labs.MAC(b[6:12])}
	d := decoder{h: &h, vxlanPort: vxlanPort}
	return h, d.network(binary.BigEndian.Uint16(b[12:]), b[14:])
}

// DecodePacket reads an IP packet that has no Ethernet header.
func DecodePacket(b []byte, vxlanPort uint16) (Header, error) {
	var h Header
	if len(b) == 0 {
		return h, errShort
	}
	d := decoder{h: &h, vxlanPort: vxlanPort}
	kind := uint16(etherIPv4)
	if b[0]>>4 == 6 {
		kind = etherIPv6
	}
	return h, d.network(kind, b)
}

// decoder fills in a header. A quoted packet may be cut off after the first
// eight bytes of its transport header.
type decoder struct {
	h         *Header
	vxlanPort uint16
	quoted    bool
}

func (d *decoder) network(kind uint16, b []byte) error {
	switch kind {
	case etherIPv4:
		return d.ipv4(b)
	case etherIPv6:
		return d.ipv6(b)
	case etherARP:
		return d.arp(b)
	}
	d.h.Proto = Proto("ethertype 0x" + strconv.FormatUint(uint64(kind), 16))
	return nil
}

func (d *decoder) arp(b []byte) error {
	if len(b) < 28 {
		return errShort
	}
	d.h.Proto = ProtoARP
	d.h.ARP = ARP{
		Reply:     binary.BigEndian.Uint16(b[6:]) == 2,
		SenderMAC: labs.MAC(b[8:14]), SenderIP: netip.AddrFrom4([4]byte(b[14:18])),
		TargetIP: netip.AddrFrom4([4]byte(b[24:28])),
	}
	d.h.Src, d.h.Dst = d.h.ARP.SenderIP, d.h.ARP.TargetIP
	return nil
}

func (d *decoder) ipv4(b []byte) error {
	if len(b) < 20 {
		return errShort
	}
	size, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if size < 20 || len(b) < size {
		return errShort
	}
	h := d.h
	h.Src, h.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	h.TTL, h.ID, h.Length = b[8], binary.BigEndian.Uint16(b[4:]), total
	h.Fragment = binary.BigEndian.Uint16(b[6:])&0x1fff != 0
	if total >= size && total < len(b) {
		b = b[:total] // Ethernet pads short frames
	}
	return d.transport(b[9], b[size:])
}

func (d *decoder) ipv6(b []byte) error {
	if len(b) < 40 {
		return errShort
	}
	h := d.h
	h.Src, h.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	h.TTL, h.Length = b[7], 40+int(binary.BigEndian.Uint16(b[4:]))
	next, rest := b[6], b[40:min(len(b), h.Length)]
	const fragment = 44
	if next == fragment {
		if len(rest) < 8 {
			return errShort
		}
		h.Fragment = binary.BigEndian.Uint16(rest[2:])>>3 != 0
		h.ID = binary.BigEndian.Uint16(rest[6:])
		next, rest = rest[0], rest[8:]
	}
	return d.transport(next, rest)
}

func (d *decoder) transport(proto uint8, b []byte) error {
	h := d.h
	switch proto {
	case protoTCP:
		h.Proto = ProtoTCP
	case protoUDP:
		h.Proto = ProtoUDP
	case protoICMP:
		h.Proto = ProtoICMP
	case protoICMP6:
		h.Proto = ProtoICMP6
	default:
		h.Proto = Proto("protocol " + strconv.Itoa(int(proto)))
		return nil
	}
	if h.Fragment {
		return nil
	}
	if len(b) < 8 {
		return errShort
	}
	switch proto {
	case protoTCP:
		return d.tcp(b)
	case protoUDP:
		h.SrcPort, h.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		h.payload = b[8:]
		return d.vxlan(b[8:])
	}
	return d.icmp(b)
}

func (d *decoder) tcp(b []byte) error {
	h := d.h
	h.SrcPort, h.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	h.TCP.Seq = binary.BigEndian.Uint32(b[4:])
	if len(b) < 20 {
		if d.quoted {
			return nil
		}
		return errShort
	}
	h.TCP.Ack, h.TCP.Flags = binary.BigEndian.Uint32(b[8:]), TCPFlags(b[13]&31)
	if size := int(b[12]>>4) * 4; size >= 20 && size <= len(b) {
		h.payload = b[size:]
	}
	return nil
}

func (d *decoder) icmp(b []byte) error {
	h := d.h
	h.ICMP = ICMP{Type: b[0], Code: b[1]}
	v6 := h.Proto == ProtoICMP6
	switch {
	case !v6 && (b[0] == 8 || b[0] == 0), v6 && (b[0] == 128 || b[0] == 129):
		h.ICMP.Ident, h.ICMP.Seq = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
		h.payload = b[8:]
	case !v6 && (b[0] == 3 || b[0] == 5 || b[0] == 11 || b[0] == 12), v6 && b[0] < 128:
		var quote Header
		kind := uint16(etherIPv4)
		if v6 {
			kind = etherIPv6
		}
		q := decoder{h: &quote, quoted: true}
		if err := q.network(kind, b[8:]); err == nil {
			h.Quote = &quote
		}
	case v6 && (b[0] == neighbourSolicitation || b[0] == neighbourAdvertisement) && len(b) >= 24:
		h.Proto = ProtoARP
		h.ARP = ARP{Reply: b[0] == neighbourAdvertisement, SenderIP: h.Src, SenderMAC: h.SrcMAC, TargetIP: netip.AddrFrom16([16]byte(b[8:24]))}
		if h.ARP.Reply {
			h.ARP.SenderIP, h.ARP.TargetIP = h.ARP.TargetIP, h.Dst
		}
	}
	return nil
}

// vxlan looks for a frame inside a UDP packet.
func (d *decoder) vxlan(b []byte) error {
	h := d.h
	if d.vxlanPort == 0 || h.DstPort != d.vxlanPort || d.quoted || len(b) < 8+14 || b[0]&8 == 0 {
		return nil
	}
	inner, err := DecodeFrame(b[8:], 0)
	if err != nil {
		return nil // somebody else's use of the port
	}
	h.VNI, h.Inner = binary.BigEndian.Uint32(b[4:])>>8, &inner
	return nil
}
