package trace

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// routed is the evidence of a packet that went from a through r to b:
//
//	a eth0 ── eth0 r eth1 ── eth0 b
//
// The interfaces of a and b have the same numbers, as in a real lab.
func routed(t *testing.T) *Evidence {
	t.Helper()
	isn := uint32(1 << 20)
	sent := time.Unix(100, 0)
	ev := &Evidence{
		Probe: Probe{Proto: ProtoTCP, Dst: netip.MustParseAddrPort("10.0.2.2:80"), ISN: isn}, From: "l.a", Sent: sent,
		Spaces: map[string]*Space{
			"l.a": {Links: []Link{{Name: "eth0", Kind: "veth", Index: 2, PeerIndex: 2, Up: true, Carrier: true}}},
			"l.r": {Links: []Link{{Name: "eth0", Kind: "veth", Index: 2, PeerIndex: 2}, {Name: "eth1", Kind: "veth", Index: 3, PeerIndex: 2}}},
			"l.b": {
				Links: []Link{{Name: "eth0", Kind: "veth", Index: 2, PeerIndex: 3}},
				Addrs: []Addr{{"eth0", netip.MustParsePrefix("10.0.2.2/24")}},
			},
		},
		Result: Result{State: Answered},
	}
	add := func(ns, iface string, out bool, ttl uint8, at time.Duration, seq uint32) {
		ip := ip4(layers.IPProtocolTCP, "10.0.1.2", "10.0.2.2")
		ip.TTL = ttl
		ev.Frames = append(ev.Frames, Frame{
			NS: ns, Iface: iface, Out: out, Time: sent.Add(at), Data: build(t, ether(layers.EthernetTypeIPv4), ip, syn(seq)),
		})
	}
	// The clock of the processor that r runs on is late, and there is a
	// stranger's packet under way.
	add("l.a", "eth0", true, 64, 50*time.Microsecond, isn)
	add("l.a", "eth0", true, 64, 60*time.Microsecond, 7)
	add("l.b", "eth0", false, 63, 55*time.Microsecond, isn)
	add("l.r", "eth0", false, 64, 90*time.Microsecond, isn)
	add("l.r", "eth1", true, 63, 95*time.Microsecond, isn)
	add("l.r", "eth1", true, 63, 96*time.Microsecond, 7)
	ev.Lookups = map[Lookup]Answer{}
	for _, q := range Lookups(ev) {
		a := Answer{Local: q.NS == "l.b", Dev: "eth1", Route: Route{To: netip.MustParsePrefix("10.0.2.0/24"), Dev: "eth1"}}
		ev.Lookups[q] = a
	}
	return ev
}

func TestSeenFollowsCablesNotClocks(t *testing.T) {
	got := Seen(routed(t)).There
	want := []struct {
		ns, iface string
		dir       Dir
	}{{"l.a", "", Made}, {"l.a", "eth0", Out}, {"l.r", "eth0", In}, {"l.r", "eth1", Out}, {"l.b", "eth0", In}}
	if len(got.Hops) != len(want) {
		t.Fatalf("%d hops, want %d: %+v", len(got.Hops), len(want), got.Hops)
	}
	for i, w := range want {
		if h := got.Hops[i]; h.NS != w.ns || h.Iface != w.iface || h.Dir != w.dir {
			t.Errorf("hop %d is %s %s of %s, want %s %s of %s", i+1, h.Dir, h.Iface, h.NS, w.dir, w.iface, w.ns)
		}
	}
	if got.End.Kind != Delivered {
		t.Errorf("the packet counts as %s (%s)", got.End.Kind, got.End.Fault)
	}
}

func TestPcapngHasABlockForEveryInterface(t *testing.T) {
	var b bytes.Buffer
	if err := WritePcapng(&b, routed(t), Names{}, "a verdict"); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(&b, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	var on []string
	for {
		_, info, err := r.ReadPacketData()
		if err != nil {
			break
		}
		i, err := r.Interface(info.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		on = append(on, i.Name)
	}
	want := []string{"l.a/eth0", "l.b/eth0", "l.r/eth0", "l.r/eth1"}
	if len(on) != len(want) {
		t.Fatalf("packets on %v, want %v", on, want)
	}
	for i := range want {
		if on[i] != want[i] {
			t.Errorf("packets on %v, want %v", on, want)
		}
	}
}

func TestFollower(t *testing.T) {
	f := newFollower(Probe{Proto: ProtoTCP, ISN: 1000})
	tcp := func(flags TCPFlags, seq, ack uint32) Header {
		return Header{Proto: ProtoTCP, TCP: TCP{Flags: flags, Seq: seq, Ack: ack}}
	}
	first, data, answer, other := tcp(SYN, 1000, 0), tcp(ACK|PSH, 1200, 5), tcp(SYN|ACK, 77, 1001), tcp(SYN, 999, 0)
	tunnel := Header{Proto: ProtoUDP, Inner: &answer}
	failed := Header{Proto: ProtoICMP, Quote: &first}
	for _, tt := range []struct {
		name string
		h    Header
		want leg
	}{{"the first packet", first, there}, {"a later one", data, there}, {"an answer", answer, back}, {"a stranger", other, stranger},
		{"an answer in a tunnel", tunnel, back}, {"an error about the first", failed, back}} {
		if got := f.leg(&tt.h); got != tt.want {
			t.Errorf("%s: leg %d, want %d", tt.name, got, tt.want)
		}
	}

	// A server that sends back what it was sent.
	f = newFollower(Probe{Proto: ProtoUDP, Nonce: [NonceSize]byte{'n', 'o', 'n', 'c', 'e', '1', '2', '3'}})
	udp := func(src, dst string) Header {
		s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
		return Header{Proto: ProtoUDP, Src: s.Addr(), SrcPort: s.Port(), Dst: d.Addr(), DstPort: d.Port(), payload: []byte("nonce123 text")}
	}
	out, in := udp("10.0.0.1:4000", "10.0.0.2:53"), udp("10.0.0.2:53", "10.0.0.1:4000")
	f.learn(&out)
	f.learn(&in)
	if f.leg(&out) != there || f.leg(&in) != back {
		t.Errorf("an echo: %d and %d, want %d and %d", f.leg(&out), f.leg(&in), there, back)
	}
}

func TestMask(t *testing.T) {
	m := newMask(netip.MustParsePrefix("10.244.1.0/24"), netip.MustParseAddr("10.244.2.9"), "eth0", netip.Addr{})
	if m.And.String() != "10.244.2.0" || m.Match {
		t.Errorf("10.244.2.9 AND /24 is %s, match %v", m.And, m.Match)
	}
	if got := maskOf(netip.MustParsePrefix("10.0.0.0/22")).String(); got != "255.255.252.0" {
		t.Errorf("the mask of /22 is %s", got)
	}
	if got := bits(netip.MustParseAddr("10.244.2.9").AsSlice()); got != "00001010.11110100.00000010.00001001" {
		t.Errorf("10.244.2.9 in binary is %s", got)
	}
}
