package netfilter_test

import (
	"net/netip"
	"strings"
	"testing"

	"netlab/provision/netfilter"
)

func walk(t *testing.T, rules string, p netfilter.Packet) ([]netfilter.Outcome, error) {
	t.Helper()
	text, foreign, err := netfilter.Parse([]byte(rules))
	if err != nil || len(foreign) > 0 {
		t.Fatal(err, foreign)
	}
	w, err := netfilter.NewWalker(text, func(a netip.Addr) bool { return a == netip.MustParseAddr("192.168.0.1") })
	if err != nil {
		t.Fatal(err)
	}
	return w.Walk(p)
}

func packet(in, src, dst string) netfilter.Packet {
	return netfilter.Packet{
		Proto: "tcp", In: in, Out: "eth0",
		Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst),
	}
}

func TestWalkHooks(t *testing.T) {
	const rules = `*mangle
:NETLAB-M -
-A PREROUTING -i eth+ -j NETLAB-M
-A NETLAB-M -m mark --mark 0x0 -j MARK --set-xmark 0x5/0xf
COMMIT
*nat
:KUBE-A -
:KUBE-POST -
-A PREROUTING -j KUBE-A
-A OUTPUT -j KUBE-A
-A POSTROUTING -o eth0 -j KUBE-POST
-A KUBE-A -d 10.96.0.1/32 -p tcp -m tcp --dport 80:81 -j DNAT --to-destination 192.168.0.1
-A KUBE-POST ! -s 10.0.0.0/8 -j RETURN
-A KUBE-POST -j MASQUERADE
COMMIT
*filter
:FORWARD DROP
:KUBE-F -
:KUBE-G -
-A FORWARD -j KUBE-F
-A INPUT -m conntrack --ctstate DNAT -j KUBE-F
-A KUBE-F -p udp -g KUBE-G
-A KUBE-F -p tcp -m multiport --dports 22,80 -j ACCEPT
-A KUBE-G -j RETURN
COMMIT
`
	tests := []struct {
		name       string
		p          netfilter.Packet
		verdict    netfilter.Verdict
		dst        string
		mark       uint32
		masquerade bool
	}{
		{"forwarded and accepted", packet("eth1", "10.0.0.1:1", "10.0.0.2:80"), netfilter.Accepted, "10.0.0.2:80", 5, true},
		{"forwarded, source outside", packet("eth1", "11.0.0.1:1", "10.0.0.2:80"), netfilter.Accepted, "10.0.0.2:80", 5, false},
		{"forwarded into the policy", packet("veth1", "10.0.0.1:1", "10.0.0.2:99"), netfilter.Dropped, "10.0.0.2:99", 0, false},
		{"translated to this node", packet("eth1", "10.0.0.1:1", "10.96.0.1:80"), netfilter.Accepted, "192.168.0.1:80", 5, false},
		{"made here", packet("", "192.168.0.1:1", "10.96.0.1:81"), netfilter.Accepted, "192.168.0.1:81", 0, false},
	}
	for _, tt := range tests {
		ways, err := walk(t, rules, tt.p)
		if err != nil || len(ways) != 1 {
			t.Errorf("%s: %v %v", tt.name, ways, err)
			continue
		}
		o := ways[0]
		if o.Verdict != tt.verdict || o.Packet.Dst.String() != tt.dst || o.Packet.Mark != tt.mark || o.Masquerade != tt.masquerade {
			t.Errorf("%s: %+v", tt.name, o)
		}
	}

	later := packet("eth1", "10.0.0.1:1", "10.96.0.1:80")
	later.State = "ESTABLISHED"
	if ways, err := walk(t, rules, later); err != nil || ways[0].DNAT {
		t.Errorf("the nat table sees a later packet: %v %v", ways, err)
	}
	goes := packet("eth1", "10.0.0.1:1", "10.0.0.2:80")
	goes.Proto = "udp"
	ways, err := walk(t, rules, goes)
	if err != nil || ways[0].Verdict != netfilter.Dropped {
		t.Errorf("a goto comes back: %v %v", ways, err)
	}
	var path []string
	for _, s := range ways[0].Steps {
		path = append(path, s.Table+" "+s.Chain)
	}
	const want = "mangle PREROUTING, mangle NETLAB-M, nat PREROUTING, filter FORWARD, filter KUBE-F, filter KUBE-G"
	if got := strings.Join(path, ", "); got != want {
		t.Errorf("steps:\ngot  %s\nwant %s", got, want)
	}
}

func TestWalkSaysWhatItCannotJudge(t *testing.T) {
	for _, rule := range []string{
		"-m limit --limit 5/min -j RETURN", "-m addrtype --dst-type BROADCAST -j RETURN",
		"-j CONNMARK --restore-mark", "-m statistic --mode nth --every 3 --packet 0 -j RETURN",
		"-p tcp -m tcp --tcp-flags SYN,RST SYN -j RETURN", "-p tcp -m tcp --dport http -j RETURN",
	} {
		rules := "*filter\n:KUBE-A -\n-A INPUT -j KUBE-A\n-A KUBE-A " + rule + "\nCOMMIT\n"
		if ways, err := walk(t, rules, packet("eth0", "10.0.0.1:1", "192.168.0.1:80")); err == nil {
			t.Errorf("%s: %+v", rule, ways)
		}
	}
}
