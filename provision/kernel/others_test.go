package kernel_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"netlab/provision"
	"netlab/provision/netfilter"
)

// TestPrivilegedSeenByOthers asks tools that are not ours what there is.
func TestPrivilegedSeenByOthers(t *testing.T) {
	b := newBench(t, "ktseen")
	a := "ktseen.a"
	hop := provision.Hop{Via: netip.MustParseAddr("10.0.0.2"), Dev: "eth0"}
	want := pair("ktseen",
		provision.Bridge{NS: a, Name: "br0", MAC: mac(3), MTU: 1450, Up: true},
		provision.Veth{
			A: provision.End{NS: a, Name: "p0", MAC: mac(4), MTU: 1450, Up: true},
			B: provision.End{NS: a, Name: "p1", MAC: mac(5), MTU: 1450, Up: true},
		},
		provision.Port{NS: a, Dev: "p0", Bridge: "br0", Hairpin: true},
		provision.VXLAN{NS: a, Name: "vxlan9", MAC: mac(6), MTU: 1350, Up: true, VNI: 9, Port: 8472, Local: netip.MustParseAddr("10.0.0.1"), Dev: "eth0"},
		provision.FDB{NS: a, Dev: "vxlan9", MAC: mac(7), Dst: netip.MustParseAddr("10.0.0.2")},
		provision.Neigh{NS: a, Dev: "vxlan9", Addr: netip.MustParseAddr("10.1.1.0"), MAC: mac(7)},
		provision.Route{NS: a, Table: provision.MainTable, To: netip.MustParsePrefix("0.0.0.0/0"), Type: provision.Unicast, Hop: hop},
		provision.Route{NS: a, Table: 77, To: netip.MustParsePrefix("10.9.0.0/16"), Type: provision.Blackhole},
		provision.Rule{NS: a, Priority: 500, From: netip.MustParsePrefix("10.5.0.0/16"), Table: 77},
		provision.Sysctl{NS: a, Name: "net.ipv4.ip_forward", Value: "1"},
		provision.File{Lab: "ktseen", Name: "hosts", Content: "10.0.0.2 b\n", Mode: provision.FileMode},
	)
	b.converge(want)
	b.settled(want)

	one := func(what string, got []map[string]any, want map[string]any) {
		t.Helper()
		if len(got) != 1 {
			t.Errorf("%s: %d of them: %v", what, len(got), got)
			return
		}
		for k, w := range want {
			if g := fmt.Sprint(got[0][k]); g != fmt.Sprint(w) {
				t.Errorf("%s: %s is %v, not %v", what, k, g, w)
			}
		}
	}
	one("lo", asked(t, "ip", "-j", "-n", a, "link", "show", "lo"), map[string]any{"ifalias": "netlab:ktseen:node:a", "flags": "[LOOPBACK UP LOWER_UP]"})
	one("eth0", asked(t, "ip", "-j", "-d", "-n", a, "link", "show", "eth0"), map[string]any{
		"mtu": 1400, "address": mac(1), "link_netnsid": 0, "operstate": "UP", "num_tx_queues": 1, "num_rx_queues": 1})
	one("its peer", asked(t, "ip", "-j", "-n", "ktseen.b", "link", "show", "eth0"), map[string]any{"mtu": 1400, "address": mac(2), "operstate": "UP"})
	one("br0", asked(t, "ip", "-j", "-n", a, "link", "show", "br0"), map[string]any{"mtu": 1450, "address": mac(3)})
	one("p0", asked(t, "bridge", "-j", "-d", "-n", a, "link", "show", "dev", "p0"), map[string]any{"master": "br0", "hairpin": true, "state": "forwarding"})
	one("fdb", asked(t, "bridge", "-j", "-n", a, "fdb", "show", "dev", "vxlan9"), map[string]any{"mac": mac(7), "dst": "10.0.0.2", "state": "permanent", "flags": "[self]"})
	one("neighbour", asked(t, "ip", "-j", "-n", a, "neigh", "show", "dev", "vxlan9"), map[string]any{"dst": "10.1.1.0", "lladdr": mac(7), "state": "[PERMANENT]"})
	one("default route", asked(t, "ip", "-j", "-n", a, "route", "show", "default"), map[string]any{"gateway": "10.0.0.2", "dev": "eth0", "protocol": "static"})
	one("table 77", asked(t, "ip", "-j", "-n", a, "route", "show", "table", "77"), map[string]any{"type": "blackhole", "dst": "10.9.0.0/16"})
	one("rule", asked(t, "ip", "-j", "-n", a, "rule", "show", "pref", "500"), map[string]any{"src": "10.5.0.0", "srclen": 16, "table": 77})
	vxlan := run(t, "ip", "-d", "-n", a, "link", "show", "vxlan9")
	for _, w := range []string{"vxlan id 9 local 10.0.0.1 dev eth0", "dstport 8472", "nolearning", "mtu 1350", mac(6).String()} {
		if !strings.Contains(vxlan, w) {
			t.Errorf("vxlan9 has no %q: %s", w, vxlan)
		}
	}
	if out := run(t, "ip", "netns", "exec", a, "sysctl", "-n", "net.ipv4.ip_forward"); out != "1\n" {
		t.Errorf("ip_forward is %s", out)
	}
	if out := run(t, "ip", "netns", "exec", a, "cat", "/etc/hosts"); out != "10.0.0.2 b\n" {
		t.Errorf("hosts is %s", out)
	}
	if out := run(t, "ip", "netns", "exec", a, "ping", "-c1", "-W2", "b"); !strings.Contains(out, "1 received") {
		t.Errorf("no answer from b: %s", out)
	}
}

// TestPrivilegedAddedByOthers removes what people can add, however odd.
func TestPrivilegedAddedByOthers(t *testing.T) {
	b := newBench(t, "ktodd")
	rules := netfilter.NewBuilder(false)
	rules.Rule("filter", "-A FORWARD -j NETLAB-X")
	rules.Rule("filter", "-A NETLAB-X -j RETURN")
	want := pair("ktodd", provision.Ruleset{NS: "ktodd.a", Text: rules.Build()})
	b.converge(want)
	b.settled(want)
	for _, command := range []string{
		"rule add pref 10 fwmark 0x1/0xff lookup 99",
		"rule add pref 11 not from 10.0.0.0/8 iif lo oif eth0 ipproto tcp dport 80-90 lookup 99",
		"rule add pref 12 from 10.1.0.0/16 blackhole",
		"rule add pref 13 to 10.1.0.0/16 goto 32766",
		"rule add pref 14 lookup main suppress_prefixlength 0",
		"-6 rule add pref 10 from fd00::/8 lookup 99",
		"route add 10.8.0.0/16 tos 0x10 via 10.0.0.2",
		"route append 10.7.0.0/16 via 10.0.0.2",
		"route append 10.7.0.0/16 via 10.0.0.3",
		"route add unreachable 10.6.0.0/16 metric 9",
		"route add throw 10.6.0.0/16 table 5",
		"route add 10.5.0.0/16 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.0.3",
		"-6 route add fd01::/32 dev eth0 metric 3",
		"-6 route add unreachable fd02::/32",
		"route add 10.4.0.0/16 via 10.0.0.2 mtu 1300 initcwnd 20",
		"neigh add 10.0.0.9 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
		"-6 neigh add fd00::9 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
		"addr add 10.0.0.7/24 dev eth0",
		"addr add 192.168.9.1 peer 192.168.9.2/32 dev eth0",
		"addr add 127.0.0.5/8 dev lo",
		"-6 addr add fd00::9/64 dev eth0 nodad",
		"link add odd type veth peer name even",
		"link add br7 type bridge",
		"link add x7 type vxlan id 7 dstport 4789 remote 10.0.0.2 dev eth0",
	} {
		t.Run(command, func(t *testing.T) {
			args := append([]string{"ip", "-n", "ktodd.a"}, strings.Fields(command)...)
			run(t, args...)
			b := b
			b.T = t
			have, err := b.h.Observe(b.ctx, want)
			if err != nil {
				t.Fatal(err)
			}
			if plan := provision.Diff(have, want); plan.Empty() {
				t.Errorf("it is not seen")
			}
			b.converge(want)
			b.settled(want)
		})
	}
	t.Run("netfilter", func(t *testing.T) {
		b := b
		b.T = t
		run(t, "ip", "netns", "exec", "ktodd.a", "iptables", "-A", "INPUT", "-s", "10.99.0.1", "-j", "DROP")
		run(t, "ip", "netns", "exec", "ktodd.a", "iptables", "-A", "NETLAB-X", "-j", "DROP")
		run(t, "ip", "netns", "exec", "ktodd.a", "iptables", "-N", "KUBE-STRANGE")
		b.converge(want)
		b.settled(want)
		save := run(t, "ip", "netns", "exec", "ktodd.a", "iptables-save")
		if !strings.Contains(save, "-A INPUT -s 10.99.0.1/32 -j DROP") || strings.Contains(save, "STRANGE") || strings.Contains(save, "-A NETLAB-X -j DROP") || strings.Count(save, "-j NETLAB-X") != 1 {
			t.Errorf("rules are\n%s", save)
		}
		foreign, err := b.h.ForeignRules(b.ctx, "ktodd.a")
		if err != nil || !slices.Contains(foreign, "filter: -A INPUT -s 10.99.0.1/32 -j DROP") {
			t.Errorf("foreign rules: %v %v", foreign, err)
		}
	})
}
