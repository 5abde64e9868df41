package capture

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netlab/trace"
)

// Where things stand in an Ethernet frame, and in IP headers.
const (
	etherTypeAt  = 12
	ipProtoAt    = sizeEther + 9
	fragmentAt   = 6 // of IPv4: flags and offset
	fragmentMask = 0x1fff
	nextHeaderAt = sizeEther + 6 // of IPv6
	sizeIPv4     = 20
	sizeIPv6     = 40
)

// tapFilter returns the program by which the kernel decides which packets are
// worth a copy: those of the exchange, bare or in a tunnel, fragments, errors,
// and questions for MACs. Other traffic in the lab may be heavy. Of IPv6, whose
// headers may have others between them and the transport header, all those are
// copied that have.
func tapFilter(r *Request, probe trace.Probe) ([]bpf.Instruction, error) {
	var p program
	p.block(etherType(unix.ETH_P_ARP))
	p.block(etherType(unix.ETH_P_IP), test{bpf.LoadAbsolute{Off: sizeEther + fragmentAt, Size: 2}, bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: fragmentMask}})
	p.block(etherType(unix.ETH_P_IPV6), nextHeader(), unequal(unix.IPPROTO_ICMPV6), unequal(unix.IPPROTO_TCP), unequal(unix.IPPROTO_UDP))
	inner := v4
	if r.To.Addr().Is6() {
		inner = v6
	}
	for _, f := range []header{v4, v6} {
		p.exchange(f, r, probe)
		if r.VXLANPort == 0 {
			continue
		}
		// What a tunnel carries may be of another family than the tunnel.
		tunnel := join(f.proto(unix.IPPROTO_UDP), f.load(2, 2), equal(uint32(r.VXLANPort)))
		p.exchange(header{
			icmp: inner.icmp, errors: inner.errors,
			proto: func(n uint32) test {
				return join(tunnel, f.load(sizeUDP+sizeVXLAN+inner.protoAt, 1), equal(n))
			},
			load: func(offset, size int) test {
				return f.load(sizeUDP+sizeVXLAN+sizeEther+inner.size+offset, size)
			},
		}, r, probe)
	}
	p.list = append(p.list, bpf.RetConstant{})
	if len(p.list) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("a filter of %d steps is too long", len(p.list))
	}
	return p.list, nil
}

// header is how to look at what is behind an IP header.
type header struct {
	icmp          uint32                      // the protocol of errors
	errors        [][2]uint32                 // the types that are errors, or ask for MACs
	proto         func(n uint32) test         // wants a protocol
	load          func(offset, size int) test // reads what stands behind the header
	size, protoAt int                         // in bytes; where an inner frame has its protocol
}

var v4 = header{
	icmp: unix.IPPROTO_ICMP, errors: [][2]uint32{{3, 5}, {11, 12}}, size: sizeIPv4, protoAt: ipProtoAt,
	proto: func(n uint32) test {
		return join(etherType(unix.ETH_P_IP), test{bpf.LoadAbsolute{Off: ipProtoAt, Size: 1}}, equal(n), test{bpf.LoadMemShift{Off: sizeEther}})
	},
	load: func(offset, size int) test {
		return test{bpf.LoadIndirect{Off: uint32(sizeEther + offset), Size: size}}
	},
}

var v6 = header{
	icmp: unix.IPPROTO_ICMPV6, errors: [][2]uint32{{0, 127}, {133, 137}}, size: sizeIPv6, protoAt: nextHeaderAt,
	proto: func(n uint32) test { return join(etherType(unix.ETH_P_IPV6), nextHeader(), equal(n)) },
	load: func(offset, size int) test {
		return test{bpf.LoadAbsolute{Off: uint32(sizeEther + sizeIPv6 + offset), Size: size}}
	},
}

// exchange adds blocks for the packets of the exchange, and for errors.
func (p *program) exchange(h header, r *Request, probe trace.Probe) {
	for _, types := range h.errors {
		p.block(h.proto(h.icmp), h.load(0, 1), between(types[0], types[1]))
	}
	switch probe.Proto {
	case trace.ProtoTCP:
		p.block(h.proto(unix.IPPROTO_TCP), h.load(tcpSeqAt, 4), between(probe.ISN, probe.ISN+trace.Window-1))
		p.block(h.proto(unix.IPPROTO_TCP), h.load(tcpAckAt, 4), between(probe.ISN+1, probe.ISN+trace.Window))
	case trace.ProtoUDP:
		p.nonce(h, unix.IPPROTO_UDP, probe)
		for _, port := range r.AnswerPorts {
			p.block(h.proto(unix.IPPROTO_UDP), h.load(0, 2), equal(uint32(port)))
		}
	default:
		p.nonce(h, h.icmp, probe)
	}
}

// program is a list of blocks. A packet that passes all tests of one block is
// copied; a test that fails leads to the next block.
type program struct{ list []bpf.Instruction }

// test is one comparison: what is done before it, and its condition. A nil
// condition is one that always holds.
type test []bpf.Instruction

func join(tests ...test) test {
	var all test
	for _, t := range tests {
		all = append(all, t...)
	}
	return all
}

// block adds a block.
func (p *program) block(tests ...test) {
	steps := append(join(tests...), bpf.RetConstant{Val: snapLength})
	for i, s := range steps {
		if jump, ok := s.(bpf.JumpIf); ok {
			jump.SkipFalse = uint8(len(steps) - 1 - i)
			s = jump
		}
		p.list = append(p.list, s)
	}
}

func equal(v uint32) test { return test{bpf.JumpIf{Cond: bpf.JumpEqual, Val: v}} }

func between(from, to uint32) test {
	return test{bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: from}, bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: to}}
}

func unequal(v uint32) test { return test{bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: v}} }

func etherType(t uint32) test {
	return join(test{bpf.LoadAbsolute{Off: etherTypeAt, Size: 2}}, equal(t))
}

func nextHeader() test { return test{bpf.LoadAbsolute{Off: nextHeaderAt, Size: 1}} }

// nonce adds a block for a payload. The header of an echo is as long as that of
// UDP.
func (p *program) nonce(h header, proto uint32, probe trace.Probe) {
	first, second := binary.BigEndian.Uint32(probe.Nonce[:4]), binary.BigEndian.Uint32(probe.Nonce[4:])
	p.block(h.proto(proto), h.load(sizeUDP, 4), equal(first), h.load(sizeUDP+4, 4), equal(second))
}

// assemble brings a program into the form of the kernel.
func assemble(list []bpf.Instruction) ([]unix.SockFilter, error) {
	raw, err := bpf.Assemble(list)
	if err != nil {
		return nil, fmt.Errorf("assemble the packet filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, x := range raw {
		filter[i] = unix.SockFilter{Code: x.Op, Jt: x.Jt, Jf: x.Jf, K: x.K}
	}
	return filter, nil
}
