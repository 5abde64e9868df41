package trace

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"netlab/labs"
)

var (
	macA = labs.MAC{2, 0, 0, 0, 0, 1}
	macB = labs.MAC{2, 0, 0, 0, 0, 2}
)

// build makes a frame with somebody else's library.
func build(t testing.TB, list ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, list...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func ether(kind layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA[:], DstMAC: macB[:], EthernetType: kind}
}

func ip4(proto layers.IPProtocol, src, dst string) *layers.IPv4 {
	return &layers.IPv4{Version: 4, IHL: 5, TTL: 63, Id: 77, Protocol: proto, SrcIP: net.ParseIP(src).To4(), DstIP: net.ParseIP(dst).To4()}
}

func syn(seq uint32) *layers.TCP {
	return &layers.TCP{SrcPort: 40001, DstPort: 80, Seq: seq, SYN: true}
}

func TestDecodeFrame(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	tcp := Header{
		Ether: true, SrcMAC: macA, DstMAC: macB, Src: a, Dst: b, Proto: ProtoTCP, SrcPort: 40001, DstPort: 80,
		TTL: 63, ID: 77, Length: 40, TCP: TCP{Flags: SYN, Seq: 9},
	}
	frame := build(t, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolTCP, "10.0.0.1", "10.0.0.2"), syn(9))
	if got, err := DecodeFrame(frame, 0); err != nil || !cmp.Equal(got, tcp, cmp.AllowUnexported(Header{}), cmp.Comparer(sameAddr), cmp.FilterPath(isPayload, cmp.Ignore())) {
		t.Errorf("a TCP packet is read as %+v, %v", got, err)
	}

	wrapped := build(t, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolUDP, "172.30.0.2", "172.30.0.3"),
		&layers.UDP{SrcPort: 5000, DstPort: 8472}, &layers.VXLAN{ValidIDFlag: true, VNI: 7}, gopacket.Payload(frame))
	got, err := DecodeFrame(wrapped, 8472)
	if err != nil || got.VNI != 7 || got.Inner == nil || got.Inner.TCP.Seq != 9 || got.Dst.String() != "172.30.0.3" {
		t.Errorf("a tunnel packet is read as %+v, %v", got, err)
	}
	if got, _ := DecodeFrame(wrapped, 4789); got.Inner != nil {
		t.Error("a packet to another port is taken for one of the tunnel")
	}

	// An error message quotes what it is about.
	refused := build(t, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolICMPv4, "10.0.0.2", "10.0.0.1"),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload(frame[14:14+28]))
	got, err = DecodeFrame(refused, 0)
	if err != nil || got.Quote == nil || got.Quote.TCP.Seq != 9 || got.What() != "ICMP port unreachable" {
		t.Errorf("an error message is read as %+v, %v", got, err)
	}

	ask := build(t, ether(layers.EthernetTypeARP), &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1,
		SourceHwAddress: macA[:], SourceProtAddress: a.AsSlice(), DstHwAddress: make([]byte, 6), DstProtAddress: b.AsSlice(),
	})
	if got, err := DecodeFrame(ask, 0); err != nil || got.ARP.TargetIP != b || got.ARP.SenderMAC != macA || got.ARP.Reply {
		t.Errorf("a question for a MAC is read as %+v, %v", got, err)
	}

	six := build(t, ether(layers.EthernetTypeIPv6), &layers.IPv6{
		Version: 6, HopLimit: 61, NextHeader: layers.IPProtocolTCP, SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2"),
	}, syn(9))
	if got, err := DecodeFrame(six, 0); err != nil || got.TTL != 61 || got.Dst.String() != "fd00::2" || got.TCP.Seq != 9 {
		t.Errorf("an IPv6 packet is read as %+v, %v", got, err)
	}
}

func sameAddr(a, b netip.Addr) bool { return a == b }
func isPayload(p cmp.Path) bool     { return p.String() == "payload" }

func FuzzDecodeFrame(f *testing.F) {
	frame := build(f, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolTCP, "10.0.0.1", "10.0.0.2"), syn(9))
	f.Add(frame)
	f.Add(build(f, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolUDP, "172.30.0.2", "172.30.0.3"),
		&layers.UDP{SrcPort: 5000, DstPort: 8472}, &layers.VXLAN{ValidIDFlag: true, VNI: 7}, gopacket.Payload(frame)))
	f.Fuzz(func(_ *testing.T, b []byte) {
		h, err := DecodeFrame(b, 8472)
		if err == nil {
			_ = h.String()
		}
		_, _ = DecodePacket(b, 8472) // must not panic
	})
}
