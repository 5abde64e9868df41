package capture

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netlab/trace"
)

// Where things stand in an Ethernet frame.
const (
	etherTypeAt = 12
	ipProtoAt   = sizeEther + 9
)

// tapFilter returns the program by which the kernel decides which packets are
// worth a copy: those of the exchange, bare or in a tunnel, errors, and
// questions for MACs. Other traffic in the lab may be heavy. Of IPv6, whose
// headers have no fixed place, all is copied.
func tapFilter(r *Request, probe trace.Probe) ([]bpf.Instruction, error) {
	var p program
	p.block(p.etherType(unix.ETH_P_ARP))
	p.block(p.etherType(unix.ETH_P_IPV6))
	p.block(p.proto(unix.IPPROTO_ICMP))
	if probe.Proto == trace.ProtoTCP {
		p.tcp(p.proto(unix.IPPROTO_TCP), sizeEther, probe.ISN)
	} else {
		p.nonce(p.proto(unix.IPPROTO_UDP), sizeEther, probe)
	}
	for _, port := range r.AnswerPorts {
		p.block(p.proto(unix.IPPROTO_UDP), p.load(sizeEther, 2), equal(uint32(port)))
	}
	if r.VXLANPort != 0 {
		outer := join(p.proto(unix.IPPROTO_UDP), p.load(sizeEther+2, 2), equal(uint32(r.VXLANPort)))
		// What a tunnel carries may be of another family than the tunnel.
		sizeIP, protoAt, icmp := 20, 9, uint32(unix.IPPROTO_ICMP)
		if r.To.Addr().Is6() {
			sizeIP, protoAt, icmp = 40, 6, unix.IPPROTO_ICMPV6
		}
		frame := sizeEther + sizeUDP + sizeVXLAN + sizeEther
		inner := frame + sizeIP
		if probe.Proto == trace.ProtoTCP {
			p.tcp(outer, inner, probe.ISN)
		} else {
			p.nonce(outer, inner, probe)
		}
		innerProto := p.load(frame+protoAt, 1)
		for _, port := range r.AnswerPorts {
			p.block(outer, innerProto, equal(unix.IPPROTO_UDP), p.load(inner, 2), equal(uint32(port)))
		}
		p.block(outer, innerProto, equal(icmp))
	}
	p.list = append(p.list, bpf.RetConstant{})
	if len(p.list) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("a filter of %d steps is too long", len(p.list))
	}
	return p.list, nil
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

func (p *program) etherType(t uint32) test {
	return join(test{bpf.LoadAbsolute{Off: etherTypeAt, Size: 2}}, equal(t))
}

// proto wants IPv4 and a protocol, and finds the end of the IP header.
func (p *program) proto(n uint32) test {
	return join(p.etherType(unix.ETH_P_IP), test{bpf.LoadAbsolute{Off: ipProtoAt, Size: 1}}, equal(n), test{bpf.LoadMemShift{Off: sizeEther}})
}

// load reads what stands at an offset, to which the length of the IP header is
// added.
func (p *program) load(offset, size int) test {
	return test{bpf.LoadIndirect{Off: uint32(offset), Size: size}}
}

// tcp adds blocks for both directions of a connection.
func (p *program) tcp(where test, offset int, isn uint32) {
	p.block(where, p.load(offset+tcpSeqAt, 4), between(isn, isn+trace.Window-1))
	p.block(where, p.load(offset+tcpAckAt, 4), between(isn+1, isn+trace.Window))
}

// nonce adds a block for a payload.
func (p *program) nonce(where test, offset int, probe trace.Probe) {
	first, second := binary.BigEndian.Uint32(probe.Nonce[:4]), binary.BigEndian.Uint32(probe.Nonce[4:])
	p.block(where, p.load(offset+sizeUDP, 4), equal(first), p.load(offset+sizeUDP+4, 4), equal(second))
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
