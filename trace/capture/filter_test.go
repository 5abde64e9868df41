package capture

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"

	"netlab/trace"
)

// frame4 makes an Ethernet frame with IPv4 and what follows.
func frame4(proto byte, payload []byte) []byte {
	b := make([]byte, sizeEther+20, sizeEther+20+len(payload))
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	b[sizeEther], b[sizeEther+9] = 0x45, proto
	binary.BigEndian.PutUint16(b[sizeEther+2:], uint16(20+len(payload)))
	return append(b, payload...)
}

func tcp(seq, ack uint32) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], ack)
	b[12] = 5 << 4
	return b
}

func udp(src, dst uint16, payload []byte) []byte {
	b := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(b, src)
	binary.BigEndian.PutUint16(b[2:], dst)
	return append(b, payload...)
}

func echo(kind byte, payload []byte) []byte {
	return append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, payload...)
}

func fragment(frame []byte) []byte {
	frame[sizeEther+7] = 185
	return frame
}

// frame6 is frame4 for IPv6.
func frame6(proto byte, payload []byte) []byte {
	b := make([]byte, sizeEther+40, sizeEther+40+len(payload))
	binary.BigEndian.PutUint16(b[12:], 0x86dd)
	b[sizeEther], b[sizeEther+6] = 0x60, proto
	binary.BigEndian.PutUint16(b[sizeEther+4:], uint16(len(payload)))
	return append(b, payload...)
}

func vxlan(inner []byte) []byte { return append([]byte{8, 0, 0, 0, 0, 0, 1, 0}, inner...) }

func TestTapFilter(t *testing.T) {
	isn := uint32(5_000_000)
	nonce := [trace.NonceSize]byte{'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'}
	to := netip.MustParseAddrPort("10.0.0.1:80")
	arp := make([]byte, 60)
	binary.BigEndian.PutUint16(arp[12:], 0x0806)
	for _, tt := range []struct {
		name  string
		proto trace.Proto
		frame []byte
		want  bool
	}{
		{"ARP", trace.ProtoTCP, arp, true},
		{"the first packet", trace.ProtoTCP, frame4(6, tcp(isn, 0)), true},
		{"an answer", trace.ProtoTCP, frame4(6, tcp(99, isn+1)), true},
		{"another connection", trace.ProtoTCP, frame4(6, tcp(99, 77)), false},
		{"in a tunnel", trace.ProtoTCP, frame4(17, udp(1, 8472, vxlan(frame4(6, tcp(isn, 0))))), true},
		{"an answer in a tunnel", trace.ProtoTCP, frame4(17, udp(1, 8472, vxlan(frame4(6, tcp(9, isn+1))))), true},
		{"another connection in a tunnel", trace.ProtoTCP, frame4(17, udp(1, 8472, vxlan(frame4(6, tcp(9, 9))))), false},
		{"an error", trace.ProtoTCP, frame4(1, append([]byte{3, 1}, make([]byte, 40)...)), true},
		{"an error in a tunnel", trace.ProtoTCP, frame4(17, udp(1, 8472, vxlan(frame4(1, append([]byte{11}, make([]byte, 40)...))))), true},
		{"a ping of somebody else", trace.ProtoICMP, frame4(1, echo(8, []byte("ABCDxxxx"))), false},
		{"a ping", trace.ProtoICMP, frame4(1, echo(8, nonce[:])), true},
		{"its answer in a tunnel", trace.ProtoICMP, frame4(17, udp(1, 8472, vxlan(frame4(1, echo(0, nonce[:]))))), true},
		{"a ping of somebody else in a tunnel", trace.ProtoICMP, frame4(17, udp(1, 8472, vxlan(frame4(1, echo(8, []byte("ABCDxxxx")))))), false},
		{"a fragment", trace.ProtoICMP, fragment(frame4(1, make([]byte, 40))), true},
		{"a ping by IPv6", trace.ProtoICMP, frame6(58, echo(128, nonce[:])), true},
		{"a ping of somebody else by IPv6", trace.ProtoICMP, frame6(58, echo(128, []byte("ABCDxxxx"))), false},
		{"a question for a MAC", trace.ProtoICMP, frame6(58, echo(135, make([]byte, 8))), true},
		{"another header", trace.ProtoICMP, frame6(0, make([]byte, 40)), true},
		{"IPv6 in a tunnel", trace.ProtoTCP, frame6(17, udp(1, 8472, vxlan(frame4(6, tcp(isn, 0))))), true},
		{"another connection by IPv6", trace.ProtoTCP, frame6(6, tcp(99, 77)), false},
		{"UDP beside TCP", trace.ProtoTCP, frame4(17, udp(1, 2, nonce[:])), false},
		{"a nonce", trace.ProtoUDP, frame4(17, udp(1, 2, nonce[:])), true},
		{"another payload", trace.ProtoUDP, frame4(17, udp(1, 2, []byte("ABCDxxxx"))), false},
		{"a UDP answer", trace.ProtoUDP, frame4(17, udp(53, 2, []byte("answer"))), true},
		{"a UDP answer in a tunnel", trace.ProtoUDP, frame4(17, udp(1, 8472, vxlan(frame4(17, udp(53, 2, []byte("answer")))))), true},
	} {
		program, err := tapFilter(&Request{To: to, VXLANPort: 8472, AnswerPorts: map[bool][]uint16{true: {53}}[tt.proto == trace.ProtoUDP]}, trace.Probe{Proto: tt.proto, ISN: isn, Nonce: nonce})
		if err != nil {
			t.Fatal(err)
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		n, err := vm.Run(tt.frame)
		if err != nil || (n > 0) != tt.want {
			t.Errorf("%s: %d bytes are kept (%v), want any: %v", tt.name, n, err, tt.want)
		}
	}
}

// TestProbesDoNotWrap wants sequence numbers whose comparisons cannot overflow.
func TestProbesDoNotWrap(t *testing.T) {
	r := Request{Proto: trace.ProtoTCP}
	for range 1000 {
		if p := r.probe(); p.ISN < trace.Window || p.ISN+trace.Window < p.ISN {
			t.Fatalf("the first sequence number %d is too near to the end", p.ISN)
		}
	}
}
