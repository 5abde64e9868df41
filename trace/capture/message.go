package capture

import (
	"encoding/binary"
	"iter"

	"golang.org/x/sys/unix"
)

// message is a netlink message while it is written.
type message []byte

// newMessage begins a message of subsystem nfnetlink.
func newMessage(kind uint16, flags uint16, family uint8, resource uint16) message {
	m := make(message, unix.SizeofNlMsghdr+4)
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|flags)
	m[16] = family
	binary.BigEndian.PutUint16(m[18:], resource)
	return m
}

// attr appends an attribute.
func (m message) attr(kind uint16, value []byte) message {
	m = binary.NativeEndian.AppendUint16(m, uint16(4+len(value)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = append(m, value...)
	for len(m)%4 != 0 {
		m = append(m, 0)
	}
	return m
}

func (m message) text(kind uint16, s string) message { return m.attr(kind, append([]byte(s), 0)) }

func (m message) number(kind uint16, n uint32) message {
	return m.attr(kind, binary.BigEndian.AppendUint32(nil, n))
}

// nested appends an attribute that consists of attributes.
func (m message) nested(kind uint16, inside message) message {
	return m.attr(kind|unix.NLA_F_NESTED, inside)
}

// finish writes length and number into the header.
func (m message) finish(seq uint32) []byte {
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	binary.NativeEndian.PutUint32(m[8:], seq)
	return m
}

// attributes yields the attributes in b.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			size := int(binary.NativeEndian.Uint16(b))
			if size < 4 || size > len(b) {
				return
			}
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[4:size]) {
				return
			}
			b = b[min(len(b), (size+3)&^3):]
		}
	}
}
