package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// batch is netlink messages that go to the kernel in one piece.
type batch struct {
	b      []byte
	ends   []int // where messages end
	begins int   // of the one that is being written
	nests  []int
}

func (b *batch) message(kind uint16, flags uint16, header ...byte) {
	b.finish()
	b.begins = len(b.b)
	b.b = append(b.b, make([]byte, unix.SizeofNlMsghdr)...)
	binary.NativeEndian.PutUint16(b.b[b.begins+4:], kind)
	binary.NativeEndian.PutUint16(b.b[b.begins+6:], unix.NLM_F_REQUEST|flags)
	b.b = append(b.b, header...)
}

// finish ends the message that is being written.
func (b *batch) finish() {
	if len(b.b) == b.begins {
		return
	}
	binary.NativeEndian.PutUint32(b.b[b.begins:], uint32(len(b.b)-b.begins))
	b.ends = append(b.ends, len(b.b))
	b.begins = len(b.b)
}

func (b *batch) attr(kind uint16, v []byte) {
	n := 4 + len(v)
	b.b = binary.NativeEndian.AppendUint16(b.b, uint16(n))
	b.b = binary.NativeEndian.AppendUint16(b.b, kind)
	b.b = append(b.b, v...)
	for ; n%4 != 0; n++ {
		b.b = append(b.b, 0)
	}
}

func (b *batch) u32(kind uint16, v uint32) { b.attr(kind, binary.NativeEndian.AppendUint32(nil, v)) }
func (b *batch) u8(kind uint16, v byte)    { b.attr(kind, []byte{v}) }
func (b *batch) text(kind uint16, s string) {
	b.attr(kind, append([]byte(s), 0))
}

func (b *batch) nest(kind uint16) {
	b.nests = append(b.nests, len(b.b))
	b.attr(kind, nil)
}

func (b *batch) end() {
	at := b.nests[len(b.nests)-1]
	b.nests = b.nests[:len(b.nests)-1]
	binary.NativeEndian.PutUint16(b.b[at:], uint16(len(b.b)-at))
}

func ifinfo(family uint8, index uint32, up bool) []byte {
	h := make([]byte, unix.SizeofIfInfomsg)
	h[0] = family
	binary.NativeEndian.PutUint32(h[4:], index)
	if up {
		binary.NativeEndian.PutUint32(h[8:], unix.IFF_UP)
		binary.NativeEndian.PutUint32(h[12:], unix.IFF_UP)
	}
	return h
}

const (
	create = unix.NLM_F_CREATE | unix.NLM_F_EXCL

	brForwardDelay, brSTP, brSnooping = 1, 5, 23 // IFLA_BR_
	vxlanID, vxlanLink, vxlanLocal    = 1, 3, 4  // IFLA_VXLAN_
	vxlanLearning, vxlanPort          = 7, 15
	vethPeer                          = 1 // VETH_INFO_PEER
	portHairpin                       = 4 // IFLA_BRPORT_MODE
	bridgeFlags, bridgeMaster         = 0x8000, 0
)

// add writes the messages of one line of a recipe. peer opens the namespace of
// the other end of a cable.
func (b *batch) add(w []string, peer func(name string) int) {
	switch w[0] {
	case "bridge": // NAME INDEX MAC MTU
		b.message(unix.RTM_NEWLINK, create, ifinfo(0, number(w[2]), true)...)
		b.text(unix.IFLA_IFNAME, w[1])
		b.attr(unix.IFLA_ADDRESS, mac(w[3]))
		b.u32(unix.IFLA_MTU, number(w[4])-1) // and the real one below, so that it is not a port's
		b.nest(unix.IFLA_LINKINFO)
		b.attr(unix.IFLA_INFO_KIND, []byte("bridge"))
		b.nest(unix.IFLA_INFO_DATA)
		b.u32(brForwardDelay, 0)
		b.u8(brSnooping, 0)
		b.end()
		b.end()
		b.message(unix.RTM_NEWLINK, 0, ifinfo(0, number(w[2]), true)...)
		b.u32(unix.IFLA_MTU, number(w[4]))
	case "veth": // NAME INDEX MAC MTU PEERNS PEERNAME PEERINDEX PEERMAC PEERMTU
		b.message(unix.RTM_NEWLINK, create, ifinfo(0, number(w[2]), true)...)
		b.end1(w[1], w[3], w[4])
		b.nest(unix.IFLA_LINKINFO)
		b.attr(unix.IFLA_INFO_KIND, []byte("veth"))
		b.nest(unix.IFLA_INFO_DATA)
		b.nest(vethPeer)
		b.b = append(b.b, ifinfo(0, number(w[7]), false)...)
		b.end1(w[6], w[8], w[9])
		b.u32(unix.IFLA_NET_NS_FD, uint32(peer(w[5])))
		b.end()
		b.end()
		b.end()
	case "up": // INDEX
		b.message(unix.RTM_NEWLINK, 0, ifinfo(0, number(w[1]), true)...)
	case "port": // INDEX BRIDGE HAIRPIN: up, too
		b.message(unix.RTM_NEWLINK, 0, ifinfo(0, number(w[1]), true)...)
		b.u32(unix.IFLA_MASTER, number(w[2]))
		if w[3] == "on" {
			b.message(unix.RTM_SETLINK, 0, ifinfo(unix.AF_BRIDGE, number(w[1]), false)...)
			b.nest(unix.IFLA_PROTINFO | unix.NLA_F_NESTED)
			b.u8(portHairpin, 1)
			b.end()
		}
	case "vxlan": // NAME INDEX MAC MTU VNI PORT LOCAL DEV
		b.message(unix.RTM_NEWLINK, create, ifinfo(0, number(w[2]), true)...)
		b.text(unix.IFLA_IFNAME, w[1])
		b.attr(unix.IFLA_ADDRESS, mac(w[3]))
		b.u32(unix.IFLA_MTU, number(w[4]))
		b.nest(unix.IFLA_LINKINFO)
		b.attr(unix.IFLA_INFO_KIND, []byte("vxlan"))
		b.nest(unix.IFLA_INFO_DATA)
		b.u32(vxlanID, number(w[5]))
		b.attr(vxlanPort, binary.BigEndian.AppendUint16(nil, uint16(number(w[6]))))
		b.attr(vxlanLocal, netip.MustParseAddr(w[7]).AsSlice())
		b.u32(vxlanLink, number(w[8]))
		b.u8(vxlanLearning, 0)
		b.end()
		b.end()
	case "addr": // INDEX PREFIX
		p := netip.MustParsePrefix(w[2])
		h := []byte{unix.AF_INET, byte(p.Bits()), 0, 0, 0, 0, 0, 0}
		binary.NativeEndian.PutUint32(h[4:], number(w[1]))
		b.message(unix.RTM_NEWADDR, create, h...)
		b.attr(unix.IFA_LOCAL, p.Addr().AsSlice())
		b.attr(unix.IFA_ADDRESS, p.Addr().AsSlice())
	case "route": // TO VIA INDEX ONLINK
		p := netip.MustParsePrefix(w[1])
		h := []byte{unix.AF_INET, byte(p.Bits()), 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST, 0, 0, 0, 0}
		if w[4] == "onlink" {
			h[8] = unix.RTNH_F_ONLINK
		}
		if w[2] == "-" {
			h[6] = unix.RT_SCOPE_LINK
		}
		b.message(unix.RTM_NEWROUTE, create, h...)
		if p.Bits() > 0 {
			b.attr(unix.RTA_DST, p.Addr().AsSlice())
		}
		if w[2] != "-" {
			b.attr(unix.RTA_GATEWAY, netip.MustParseAddr(w[2]).AsSlice())
		}
		b.u32(unix.RTA_OIF, number(w[3]))
	case "neigh": // INDEX ADDR MAC
		b.neighbour(unix.AF_INET, w[1], w[3], 0)
		b.attr(1 /* NDA_DST */, netip.MustParseAddr(w[2]).AsSlice())
	case "fdb": // INDEX MAC DST
		b.neighbour(unix.AF_BRIDGE, w[1], w[2], 2 /* NTF_SELF */)
		b.attr(1, netip.MustParseAddr(w[3]).AsSlice())
	default:
		panic(fmt.Sprintf("%q is nothing that a recipe can ask for", w[0]))
	}
}

// end1 writes one end of a cable.
func (b *batch) end1(name, address, mtu string) {
	b.text(unix.IFLA_IFNAME, name)
	b.attr(unix.IFLA_ADDRESS, mac(address))
	b.u32(unix.IFLA_MTU, number(mtu))
	b.u32(unix.IFLA_NUM_TX_QUEUES, 1)
	b.u32(unix.IFLA_NUM_RX_QUEUES, 1)
}

func (b *batch) neighbour(family uint8, index, address string, flags byte) {
	h := make([]byte, 12)
	h[0] = family
	binary.NativeEndian.PutUint32(h[4:], number(index))
	binary.NativeEndian.PutUint16(h[8:], 0x80) // NUD_PERMANENT
	h[10] = flags
	b.message(unix.RTM_NEWNEIGH, create, h...)
	b.attr(2 /* NDA_LLADDR */, mac(address))
}

// lo writes what marks a namespace and sets its loopback device up.
func (b *batch) lo(mark string) {
	b.message(unix.RTM_NEWLINK, 0, ifinfo(0, 1, true)...)
	b.attr(unix.IFLA_IFALIAS, []byte(mark))
}

// chunk bounds the messages of one system call, so that the answers fit into
// the socket's buffer.
const chunk = 120

// send gives the messages to the kernel. Only the last one of a piece asks for
// an answer; what goes wrong is answered in any case.
func (b *batch) send(fd int) error {
	b.finish()
	from := 0
	for i := range b.ends {
		if (i+1)%chunk != 0 && i+1 < len(b.ends) {
			continue
		}
		begin := 0
		if i > 0 {
			begin = b.ends[i-1]
		}
		flags := binary.NativeEndian.Uint16(b.b[begin+6:])
		binary.NativeEndian.PutUint16(b.b[begin+6:], flags|unix.NLM_F_ACK)
		if _, err := unix.Write(fd, b.b[from:b.ends[i]]); err != nil {
			return err
		}
		if err := verdict(fd); err != nil {
			return err
		}
		from = b.ends[i]
	}
	return nil
}

// verdict waits for the first answer: an error or the only confirmation.
func verdict(fd int) error {
	var buf [4096]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return err
	}
	if n >= 20 && binary.NativeEndian.Uint16(buf[4:]) == unix.NLMSG_ERROR {
		if e := int32(binary.NativeEndian.Uint32(buf[16:])); e != 0 {
			return unix.Errno(-e)
		}
	}
	return nil
}

func dial() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return fd, nil
}
