package probe_test

import (
	"net/netip"
	"slices"
	"testing"

	"netlab/labs"
	"netlab/verify"
)

// TestPrivilegedWay: routers one by one, and how large packets may be, as ip
// has set it and as it is when something is broken.
func TestPrivilegedWay(t *testing.T) {
	n := newTiny(t)
	addr := netip.MustParseAddr
	gateway := addr("10.9.1.1")
	trail := func(from, to *verify.End) verify.Check {
		c := ping(from, to)
		c.Kind, c.More = verify.Expire, &verify.More{Routers: []netip.Addr{gateway}}
		return c
	}
	size := func(from, to *verify.End, size int) verify.Check {
		c := ping(from, to)
		c.Kind, c.More = verify.Size, &verify.More{Size: size}
		return c
	}
	near := trail(n.a, n.b)
	near.More.Routers = nil
	o := n.probe(trail(n.a, n.out), near, size(n.a, n.out, 1500), size(n.a, n.b, 1500))
	if o[0].Outcome != labs.Reachable || o[0].TTL != 63 || !slices.Equal(o[0].Trail, []netip.Addr{gateway}) {
		t.Errorf("through a router: %+v", o[0])
	}
	if o[1].Outcome != labs.Reachable || len(o[1].Trail) > 0 {
		t.Errorf("on one link: %+v", o[1])
	}
	for _, i := range []int{2, 3} {
		if want := (verify.Sizes{Largest: 1500, Pieces: true, Tried: 3100}); o[i].Sizes != want {
			t.Errorf("size %d: %+v, want %+v", i, o[i].Sizes, want)
		}
	}

	for _, e := range []*verify.End{n.a, n.b, n.node, n.out} {
		if left := n.in(e, "ip neigh"); left != "" {
			t.Errorf("%s still knows\n%s", e.Name, left)
		}
	}

	n.in(n.node, "ip link set eth0 mtu 1400") // both ends have to agree, or more comes back
	n.in(n.out, "ip link set eth0 mtu 1400")
	if o := n.probe(size(n.a, n.out, 1500))[0]; o.Sizes.Largest != 1400 {
		t.Errorf("a small link: %+v, want 1400", o.Sizes)
	}
	n.in(n.a, "ip link set eth0 mtu 2000")
	n.in(n.node, "ip link set veth-a mtu 2000")
	n.in(n.node, "ip link set cni0 mtu 2000")
	n.in(n.b, "ip link set eth0 mtu 2000")
	n.in(n.node, "ip link set veth-b mtu 2000")
	if o := n.probe(size(n.a, n.b, 1500))[0]; o.Sizes.Largest != 2000 {
		t.Errorf("a large link: %+v, want 2000", o.Sizes)
	}
	n.in(n.node, "iptables -A OUTPUT -p icmp --icmp-type time-exceeded -j DROP")
	if o := n.probe(trail(n.a, n.out))[0]; o.Outcome != labs.Reachable || !slices.Equal(o.Trail, []netip.Addr{{}}) {
		t.Errorf("a silent router: %+v", o)
	}
	n.in(n.out, "iptables -A INPUT -p icmp -m length --length 1500: -j DROP")
	if o := n.probe(size(n.a, n.out, 1400))[0]; o.Sizes.Largest != 1400 || o.Sizes.Pieces {
		t.Errorf("fragments that are dropped: %+v", o.Sizes)
	}
}

// TestPrivilegedAsk: who answers by ARP, and who more than once.
func TestPrivilegedAsk(t *testing.T) {
	n := newTiny(t)
	addr := netip.MustParseAddr
	gateway, b, nobody := addr("10.9.1.1"), addr("10.9.1.3"), addr("10.9.1.77")
	check := verify.Check{Kind: verify.Ask, From: n.a, Want: labs.Reachable, Wait: answerWait, More: &verify.More{Iface: "eth0", Asks: []verify.Query{
		{For: gateway, Answer: labs.MAC{2, 0, 0, 0, 1, 1}}, {For: b, Answer: labs.MAC{2, 0, 0, 0, 1, 3}}, {For: nobody}, {For: n.a.Addrs[0], Own: true},
	}}}
	bridged := *n.a
	bridged.Kind, bridged.Bridged = labs.RefPod, true
	check.From = &bridged
	want := []verify.Entry{{IP: gateway, MAC: labs.MAC{2, 0, 0, 0, 1, 1}}, {IP: b, MAC: labs.MAC{2, 0, 0, 0, 1, 3}}}
	if o := n.probe(check)[0]; !slices.Equal(o.Entries, want) {
		t.Errorf("%v, want %v", o.Entries, want)
	}
	if left := n.in(n.b, "ip neigh"); left != "" {
		t.Errorf("b learned from the question:\n%s", left)
	}
	twin := *n.b
	twin.Name, twin.NS = "twin", n.b.NS+"2"
	n.space(&twin)
	n.plug(&twin, "02:00:00:00:01:04")
	n.in(&twin, "ip addr add 10.9.1.2/32 dev lo")
	o := n.probe(check)[0]
	for _, more := range []verify.Entry{{IP: b, MAC: labs.MAC{2, 0, 0, 0, 1, 4}}, {IP: n.a.Addrs[0], MAC: labs.MAC{2, 0, 0, 0, 1, 4}}} {
		if !slices.Contains(o.Entries, more) {
			t.Errorf("nobody heard the twin say %v: %v", more, o.Entries)
		}
	}
	n.in(n.b, "ip link set eth0 arp off")
	n.in(&twin, "ip link set eth0 down")
	if o := n.probe(check)[0]; slices.ContainsFunc(o.Entries, func(e verify.Entry) bool { return e.IP == b }) {
		t.Errorf("somebody answers for b: %v", o.Entries)
	}
}

// TestPrivilegedTrack: what connection tracking says while a connection stands.
func TestPrivilegedTrack(t *testing.T) {
	n := newTiny(t)
	n.in(n.node, "iptables -t nat -A PREROUTING -d 10.96.0.1 -p tcp --dport 80 -j DNAT --to 10.9.9.2:8080")
	n.in(n.node, "iptables -t nat -A POSTROUTING -o eth0 -p udp -j MASQUERADE")
	at := netip.MustParseAddrPort("10.9.9.2:8080")
	behind := []verify.Server{{At: at, On: n.out, Kind: verify.TCP}}
	vip := verify.Check{
		Kind: verify.TCP, From: n.a, To: &verify.End{Name: "svc"}, Addr: netip.MustParseAddr("10.96.0.1"), Port: 80, Want: labs.Reachable, Wait: answerWait,
		More: &verify.More{Behind: behind, Listen: behind, Track: &verify.Track{At: n.node}},
	}
	udp := connect(verify.UDP, n.a, n.out, 53)
	udp.More.Track = &verify.Track{At: n.node}
	untracked := connect(verify.TCP, n.a, n.b, 99)
	untracked.More.Track = &verify.Track{At: n.out}
	o := n.probe(vip, udp, untracked)
	if !o[0].Tracked || o[0].Track.Server != at || o[0].Track.Client.Addr() != n.a.Addrs[0] {
		t.Errorf("DNAT: %+v", o[0].Track)
	}
	if !o[1].Tracked || o[1].Track.Server != netip.MustParseAddrPort("10.9.9.2:53") || o[1].Track.Client.Addr() != netip.MustParseAddr("10.9.9.1") {
		t.Errorf("masquerade: %+v", o[1].Track)
	}
	if o[2].Outcome != labs.Reachable || o[2].Tracked {
		t.Errorf("a connection that does not pass: %+v", o[2])
	}
}

// TestPrivilegedDoors: a cable that leads to a namespace which is none of those
// that it may lead to.
func TestPrivilegedDoors(t *testing.T) {
	n := newTiny(t)
	doors := func(watch ...string) verify.Check {
		return verify.Check{Kind: verify.Doors, From: n.node, More: &verify.More{Watch: watch}}
	}
	o := n.probe(doors(n.a.NS, n.b.NS, n.out.NS), doors(n.a.NS, n.b.NS))
	if len(o[0].Doors) > 0 {
		t.Errorf("all is known, and yet %v", o[0].Doors)
	}
	if want := []string{"interface eth0 of " + n.node.NS + " leads to " + n.out.NS}; !slices.Equal(o[1].Doors, want) {
		t.Errorf("%v, want %v", o[1].Doors, want)
	}
}

// TestPrivilegedCounted: loss and throughput.
func TestPrivilegedCounted(t *testing.T) {
	n := newTiny(t)
	count := func(c verify.Check, times int) verify.Check {
		more := verify.More{}
		if c.More != nil {
			more = *c.More
		}
		more.Extra = &verify.Extra{Count: times}
		c.More, c.Wait = &more, 2*answerWait
		return c
	}
	rate := connect(verify.TCP, n.a, n.out, 0)
	rate.More = &verify.More{Extra: &verify.Extra{Rate: &labs.Range{Most: 1e15}}}
	n.in(n.node, "iptables -A FORWARD -o eth0 -p icmp --icmp-type echo-request -m statistic --mode nth --every 4 --packet 0 -j DROP")
	n.in(n.node, "iptables -A FORWARD -p udp --dport 99 -j DROP")
	o := n.probe(count(ping(n.a, n.out), 40), count(ping(n.a, n.b), 10), count(connect(verify.TCP, n.a, n.out, 80), 5), count(connect(verify.UDP, n.a, n.out, 99), 3), rate)
	for i, want := range []struct{ sent, lost int }{{40, 10}, {10, 0}, {5, 0}, {3, 3}} {
		if o[i].Sent != want.sent || o[i].Lost != want.lost {
			t.Errorf("%d: %d of %d lost, want %d of %d", i, o[i].Lost, o[i].Sent, want.lost, want.sent)
		}
	}
	if o[4].Outcome != labs.Reachable || o[4].Rate < 1e6 {
		t.Errorf("throughput: %+v", o[4])
	}
	n.in(n.node, "tc qdisc add dev eth0 root tbf rate 5mbit burst 20kb latency 50ms")
	if slow := n.probe(rate)[0]; slow.Rate < 3e6 || slow.Rate > 7e6 {
		t.Errorf("throughput through 5mbit: %.3g", slow.Rate)
	}
}
