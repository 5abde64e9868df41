package probe

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"netlab/labs"
)

var mark = echoMark{[8]byte{1, 2, 3, 4, 5, 6, 7, 8}, 9}

// packet is an IPv4 packet with an ICMP message.
func packet(from string, ttl byte, icmp []byte) []byte {
	h := []byte{0x45, 0, 0, byte(20 + len(icmp)), 0, 0, 0, 0, ttl, 1, 0, 0}
	src := netip.MustParseAddr(from).As4()
	return append(append(append(h, src[:]...), 10, 0, 0, 9), icmp...)
}

func TestParse4(t *testing.T) {
	echo := newEcho(false, 0xabcd1234, mark)
	reply := append([]byte{0}, echo[1:]...)
	quote := func(kind, code byte, b []byte) []byte { return append([]byte{kind, code, 0, 0, 0, 0, 0, 0}, b...) }
	mine := packet("10.0.0.1", 64, echo)
	for _, tt := range []struct {
		name  string
		bytes []byte
		ok    bool
		wrong string
		means labs.Outcome
	}{
		{"answer", packet("10.0.0.2", 62, reply), true, "", ""},
		{"host unreachable", packet("10.0.0.2", 62, quote(3, 1, mine)), true, "host unreachable", labs.Unreachable},
		{"rejected", packet("10.0.0.2", 62, quote(3, 3, mine)), true, "port unreachable", labs.Refused},
		{"prohibited", packet("10.0.0.2", 62, quote(3, 13, mine)), true, "prohibited by a filter", labs.Unreachable},
		{"in circles", packet("10.0.0.2", 62, quote(11, 0, mine)), true, "time exceeded", labs.Unreachable},
		{"a short quote", packet("10.0.0.2", 62, quote(3, 1, mine[:28])), false, "", ""},
		{"an unknown code", packet("10.0.0.2", 62, quote(3, 99, mine)), true, "unreachable, code 99", labs.Unreachable},
		{"about something else", packet("10.0.0.2", 62, quote(3, 1, packet("10.0.0.1", 64, reply))), false, "", ""},
		{"cut off", packet("10.0.0.2", 62, quote(3, 1, mine[:19])), false, "", ""},
		{"empty", nil, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, ok := parse4(tt.bytes)
			if ok != tt.ok {
				t.Fatalf("parse4 said %v", ok)
			}
			if !ok {
				return
			}
			if m.token != 0xabcd1234 || m.ttl != 62 || m.from != netip.MustParseAddr("10.0.0.2") || m.wrong != tt.wrong || m.means != tt.means {
				t.Errorf("got %+v", m)
			}
			if hex.EncodeToString(m.nonce) != "0102030405060708" {
				t.Errorf("nonce %x", m.nonce)
			}
		})
	}
}

func TestParse6(t *testing.T) {
	from := netip.MustParseAddr("fd00::2")
	echo := newEcho(true, 7, mark)
	header := make([]byte, 40)
	header[0], header[6] = 0x60, 58
	if m, ok := parse6(append([]byte{echoReply6}, echo[1:]...), from, 63); !ok || m.token != 7 || m.ttl != 63 || m.wrong != "" {
		t.Errorf("an answer is read as %+v, %v", m, ok)
	}
	refused := append([]byte{unreachable6, 4, 0, 0, 0, 0, 0, 0}, append(header, echo...)...)
	if m, ok := parse6(refused, from, 63); !ok || m.token != 7 || m.means != labs.Refused {
		t.Errorf("a refusal is read as %+v, %v", m, ok)
	}
	if _, ok := parse6(refused[:40], from, 63); ok {
		t.Error("half a message is read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(packet("10.0.0.2", 62, newEcho(false, 1, mark)))
	f.Fuzz(func(_ *testing.T, b []byte) {
		parse4(b)
		parse6(b, netip.IPv6Loopback(), 1)
		parseError(b, nil)
		addrOf(b)
	})
}

func TestParseUsed(t *testing.T) {
	const text = "entries  allocs\n0000006d 0000d82b\n0000006d 00000000\n"
	if n, err := parseUsed(text); n != 109 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	for _, bad := range []string{"", "entries", "entries\nxyz 1"} {
		if _, err := parseUsed(bad); err == nil {
			t.Errorf("%q is a number", bad)
		}
	}
}

func TestRoom(t *testing.T) {
	for _, tt := range []struct{ limit, used, exempt, want int }{
		{1024, 0, 0, 896},
		{1024, 512, 0, 384},
		{1024, 512, 512, 896}, // permanent entries do not count
		{1024, 2000, 0, leastBudget},
		{1024, 90, 9900, 896},
	} {
		if got := room(tt.limit, tt.used, tt.exempt); got != tt.want {
			t.Errorf("room(%d, %d, %d) = %d, want %d", tt.limit, tt.used, tt.exempt, got, tt.want)
		}
	}
}

func TestServersParse(t *testing.T) {
	s := newServers(mark.nonce)
	line := string(s.line("lab.web", netip.MustParseAddrPort("[::ffff:10.0.0.2]:80"), netip.MustParseAddrPort("10.0.0.1:4")))
	a, ok := s.parse([]byte(line))
	if !ok || a.NS != "lab.web" || a.Server != netip.MustParseAddrPort("10.0.0.2:80") || a.Client != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("%q is read as %+v, %v", line, a, ok)
	}
	for _, bad := range []string{"", line[:len(line)-1], "HTTP/1.1 400 Bad Request\n", strings.Replace(line, "0102", "0103", 1)} {
		if _, ok := s.parse([]byte(bad)); ok {
			t.Errorf("%q is an answer of ours", bad)
		}
	}
}
