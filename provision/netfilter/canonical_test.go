package netfilter_test

import (
	"testing"

	"netlab/provision/netfilter"
)

// TestRulesReadBackAsSaved holds pairs of how a rule is written and how
// iptables-save 1.8.9 prints it, the same with both back ends.
func TestRulesReadBackAsSaved(t *testing.T) {
	tests := []struct{ written, saved string }{
		{`-m comment --comment "ns2/svc2:p80 health check" -m tcp -p tcp --dport 30000 -j KUBE-B`,
			`-p tcp -m comment --comment "ns2/svc2:p80 health check" -m tcp --dport 30000 -j KUBE-B`},
		{`-m comment --comment ns2/svc2:p80 -m recent --name KUBE-SEP-XX --set -p udp -m udp -j DNAT --to-destination 10.0.0.1:80`,
			`-p udp -m comment --comment "ns2/svc2:p80" -m recent --set --name KUBE-SEP-XX --mask 255.255.255.255 --rsource -m udp -j DNAT --to-destination 10.0.0.1:80`},
		{`-m comment --comment "x" -m recent --name KUBE-SEP-XX --rcheck --seconds 10800 --reap -j KUBE-B`,
			`-m comment --comment x -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-XX --mask 255.255.255.255 --rsource -j KUBE-B`},
		{`-p tcp -m recent --update --seconds 60 -j DROP`,
			`-p tcp -m recent --update --seconds 60 --name DEFAULT --mask 255.255.255.255 --rsource -j DROP`},
		{`-m statistic --mode random --probability 0.3333333333 -j KUBE-B`,
			`-m statistic --mode random --probability 0.33333333349 -j KUBE-B`},
		{`-m statistic --mode random --probability 0.1428571429 -j KUBE-B`,
			`-m statistic --mode random --probability 0.14285714272 -j KUBE-B`},
		{`-m statistic --mode random --probability 0.0010000000 -j KUBE-B`,
			`-m statistic --mode random --probability 0.00100000016 -j KUBE-B`},
		{`-m mark ! --mark 0x4000/0x4000 -j RETURN`, `-m mark ! --mark 0x4000/0x4000 -j RETURN`},
		{`-m mark --mark 5`, `-m mark --mark 0x5`},
		{`-j MARK --or-mark 0x4000`, `-j MARK --set-xmark 0x4000/0x4000`},
		{`-j MARK --xor-mark 0x4000`, `-j MARK --set-xmark 0x4000/0x0`},
		{`-j MARK --and-mark 0x4000`, `-j MARK --set-xmark 0x0/0xffffbfff`},
		{`-j MARK --set-mark 0x4000`, `-j MARK --set-xmark 0x4000/0xffffffff`},
		{`-j MARK --set-mark 5/7`, `-j MARK --set-xmark 0x5/0x7`},
		{`-j MARK --set-xmark 5`, `-j MARK --set-xmark 0x5/0xffffffff`},
		{`-j CONNMARK --set-mark 5`, `-j CONNMARK --set-xmark 0x5/0xffffffff`},
		{`-j CONNMARK --restore-mark`, `-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff`},
		{`-m comment --comment "it's \"quoted\" \\ back" -j RETURN`, `-m comment --comment "it\'s \"quoted\" \\ back" -j RETURN`},
		{`-s 10.0.0.1 ! -d 10.1.2.3/8 -i eth0 ! -o eth+ -p tcp -m multiport --dports 80,443 -j RETURN`,
			`-s 10.0.0.1/32 ! -d 10.0.0.0/8 -i eth0 ! -o eth+ -p tcp -m multiport --dports 80,443 -j RETURN`},
		{`-m addrtype --dst-type LOCAL ! -d 127.0.0.0/8 -j KUBE-B`, `! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j KUBE-B`},
		{`-p tcp --dport 80:90 ! --sport 5 -j RETURN`, `-p tcp -m tcp ! --sport 5 --dport 80:90 -j RETURN`},
		{`-p udp --source-port 53 -j RETURN`, `-p udp -m udp --sport 53 -j RETURN`},
		{`-p 6 -m tcp -j RETURN`, `-p tcp -m tcp -j RETURN`},
		{`-p 89 -j RETURN`, `-p ospf -j RETURN`},
		{`-p tcp --syn -j RETURN`, `-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j RETURN`},
		{`-p icmp --icmp-type 8 -j RETURN`, `-p icmp -m icmp --icmp-type 8 -j RETURN`},
		{`-p all -j RETURN`, `-j RETURN`},
		{`-s 0.0.0.0/0 -j RETURN`, `-j RETURN`},
		{`-s 10.0.0.0/255.255.0.0 -g KUBE-B`, `-s 10.0.0.0/16 -g KUBE-B`},
		{`-m conntrack ! --ctstate ESTABLISHED,DNAT,RELATED -j RETURN`, `-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j RETURN`},
		{`-m conntrack --ctorigdstport 80 --ctorigdst 10.0.0.1 -j RETURN`, `-m conntrack --ctorigdst 10.0.0.1 --ctorigdstport 80 -j RETURN`},
		{`-m state --state RELATED,ESTABLISHED,NEW -j RETURN`, `-m state --state NEW,RELATED,ESTABLISHED -j RETURN`},
		{`--jump KUBE-B -m comment --comment "x y" --protocol tcp`, `-p tcp -m comment --comment "x y" -j KUBE-B`},
		{`-m comment --comment a -m comment --comment "-> b" -j RETURN`, `-m comment --comment a -m comment --comment "-> b" -j RETURN`},
		{`-j REJECT`, `-j REJECT --reject-with icmp-port-unreachable`},
		{`-p tcp -j REJECT --reject-with tcp-reset`, `-p tcp -j REJECT --reject-with tcp-reset`},
		{`-p tcp -j MASQUERADE --random-fully --to-ports 1024-2000`, `-p tcp -j MASQUERADE --to-ports 1024-2000 --random-fully`},
	}
	for _, tt := range tests {
		b := netfilter.NewBuilder(false)
		b.Rule("filter", "-A KUBE-A "+tt.written)
		built := b.Build()
		if got := built.Chain("filter", "KUBE-A")[0]; got != "-A KUBE-A "+tt.saved {
			t.Errorf("%s\n got  %s\n want -A KUBE-A %s", tt.written, got, tt.saved)
		}
		if read, _, err := netfilter.Parse([]byte(built)); err != nil || read != built {
			t.Errorf("%s: Parse does not keep it (%v):\n%s", tt.written, err, read)
		}
	}
}

func TestRulesOfIPv6(t *testing.T) {
	b := netfilter.NewBuilder(true)
	b.Rule("filter", "-A KUBE-A -d fd00::1 -p icmpv6 -j REJECT")
	b.Rule("filter", "-A KUBE-A -m recent --set --name x")
	want := netfilter.Text(`*filter
:KUBE-A -
-A KUBE-A -d fd00::1/128 -p ipv6-icmp -j REJECT --reject-with icmp6-port-unreachable
-A KUBE-A -m recent --set --name x --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource
COMMIT
`)
	if got := b.Build(); got != want {
		t.Errorf("got\n%s", got)
	}
}
