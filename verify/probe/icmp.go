package probe

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"netlab/labs"
)

// Types of ICMP and ICMPv6 messages.
const (
	echoReply4    = 0
	unreachable4  = 3
	echo4         = 8
	timeExceeded4 = 11
	parameter4    = 12

	unreachable6  = 1
	tooBig6       = 2
	timeExceeded6 = 3
	parameter6    = 4
	echo6         = 128
	echoReply6    = 129
)

// echoSize is the length of our pings: header, nonce, token.
const echoSize = 8 + 8 + 4

// echoMark is what the pings of a sender have in common.
type echoMark struct {
	nonce [8]byte // by which their answers are known
	id    uint16  // one for the whole run: connection tracking knows pings by it
}

// message is an answer to a ping of ours, or an ICMP error about one.
type message struct {
	token   uint32     // identifies the ping
	nonce   []byte     // of the sender
	from    netip.Addr // who sent the message
	ttl     uint8      // it arrived with
	wrong   string     // what an error says, "" for an answer
	means   labs.Outcome
	expired bool // the error says that the TTL was over
}

// newEcho returns a ping. The kernel adds the checksum of ICMPv6, whose input
// includes addresses; a raw IPv4 socket leaves the checksum to us.
func newEcho(v6 bool, token uint32, m echoMark) []byte { return newEchoOf(v6, token, m, 0) }

// newEchoOf is newEcho for a ping of so many bytes, if that is more than it
// needs.
func newEchoOf(v6 bool, token uint32, m echoMark, size int) []byte {
	p := make([]byte, max(size, echoSize))
	p[0] = echo4
	if v6 {
		p[0] = echo6
	}
	binary.BigEndian.PutUint16(p[4:], m.id)
	binary.BigEndian.PutUint16(p[6:], uint16(token)) // for those who watch
	copy(p[8:], m.nonce[:])
	binary.BigEndian.PutUint32(p[16:], token)
	if !v6 {
		binary.BigEndian.PutUint16(p[2:], checksum(p))
	}
	return p
}

func checksum(p []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(p); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	if len(p)%2 == 1 {
		sum += uint32(p[len(p)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// parse4 reads an IPv4 packet with an ICMP message.
func parse4(b []byte) (message, bool) {
	icmp, ok := payload4(b)
	if !ok || len(icmp) < 8 {
		return message{}, false
	}
	m := message{from: netip.AddrFrom4([4]byte(b[12:16])), ttl: b[8]}
	if icmp[0] == echoReply4 {
		return m, m.identify(icmp)
	}
	quoted, ok := payload4(icmp[8:])
	if !ok || len(quoted) < 8 || quoted[0] != echo4 {
		return message{}, false
	}
	m.wrong, m.means = meaning4(icmp[0], icmp[1])
	m.expired = icmp[0] == timeExceeded4 && icmp[1] == 0
	return m, m.identify(quoted)
}

// payload4 returns what follows the header of an IPv4 packet that holds ICMP.
func payload4(b []byte) ([]byte, bool) {
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != 1 {
		return nil, false
	}
	n := int(b[0]&15) * 4
	if n < 20 || len(b) < n {
		return nil, false
	}
	return b[n:], true
}

// parse6 reads an ICMPv6 message.
func parse6(icmp []byte, from netip.Addr, ttl uint8) (message, bool) {
	if len(icmp) < 8 {
		return message{}, false
	}
	m := message{from: from, ttl: ttl}
	if icmp[0] == echoReply6 {
		return m, m.identify(icmp)
	}
	quoted := icmp[8:]
	if len(quoted) < 48 || quoted[0]>>4 != 6 || quoted[6] != 58 || quoted[40] != echo6 {
		return message{}, false
	}
	m.wrong, m.means = meaning6(icmp[0], icmp[1])
	m.expired = icmp[0] == timeExceeded6 && icmp[1] == 0
	return m, m.identify(quoted[40:])
}

// identify reads which ping a message is about, unless it quotes too little: a
// router must quote eight bytes only, but Linux quotes more than a ping of ours has.
func (m *message) identify(icmp []byte) bool {
	if len(icmp) < echoSize {
		return false
	}
	m.nonce, m.token = icmp[8:16], binary.BigEndian.Uint32(icmp[16:])
	return true
}

// meaning4 returns what an ICMP error says and what that means to a client.
func meaning4(kind, code byte) (string, labs.Outcome) {
	if kind == timeExceeded4 {
		return "time exceeded", labs.Unreachable
	}
	if kind != unreachable4 {
		return fmt.Sprintf("type %d code %d", kind, code), labs.Unreachable
	}
	names := []string{
		"network unreachable", "host unreachable", "protocol unreachable", "port unreachable",
		"fragmentation needed", "source route failed", "network unknown", "host unknown", "host isolated",
		"network prohibited", "host prohibited", "network unreachable for this service",
		"host unreachable for this service", "prohibited by a filter",
	}
	switch {
	case code == 3:
		return names[code], labs.Refused
	case int(code) < len(names):
		return names[code], labs.Unreachable
	}
	return fmt.Sprintf("unreachable, code %d", code), labs.Unreachable
}

// meaning6 is meaning4 for ICMPv6.
func meaning6(kind, code byte) (string, labs.Outcome) {
	switch {
	case kind == timeExceeded6:
		return "time exceeded", labs.Unreachable
	case kind == tooBig6:
		return "packet too big", labs.Unreachable
	case kind != unreachable6:
		return fmt.Sprintf("type %d code %d", kind, code), labs.Unreachable
	}
	names := []string{
		"no route", "prohibited by a filter", "beyond scope", "address unreachable", "port unreachable",
		"source address refused", "route rejected",
	}
	switch {
	case code == 4:
		return names[code], labs.Refused
	case int(code) < len(names):
		return names[code], labs.Unreachable
	}
	return fmt.Sprintf("unreachable, code %d", code), labs.Unreachable
}
