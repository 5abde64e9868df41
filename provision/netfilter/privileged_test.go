package netfilter_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netlab/provision/netfilter"
)

// sample returns rules of every kind that netlab writes.
func sample(ipv6 bool) netfilter.Text {
	b := netfilter.NewBuilder(ipv6)
	vip, pods, ep := "10.96.0.10", "10.244.0.0/16", "10.244.1.2"
	if ipv6 {
		vip, pods, ep = "fd00:96::10", "fd00:244::/32", "fd00:244:1::2"
	}
	to := ep + ":8080"
	if ipv6 {
		to = "[" + ep + "]:8080"
	}
	for _, line := range []string{
		`-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
		`-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
		`-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING`,
		`-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG`,
		`-A KUBE-SERVICES -m comment --comment "default/web:http cluster IP" -m tcp -p tcp -d ` + vip + ` --dport 80 -j KUBE-SVC-A`,
		`-A KUBE-SERVICES -m comment --comment "this must be the last rule" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`,
		`-A KUBE-NODEPORTS -m comment --comment default/web:http -p tcp --dport 30080 -j KUBE-SVC-A`,
		`-A KUBE-SVC-A -m comment --comment "default/web:http cluster IP" -m tcp -p tcp -d ` + vip + ` --dport 80 ! -s ` + pods + ` -j KUBE-MARK-MASQ`,
		`-A KUBE-SVC-A -m comment --comment "-> one" -m recent --name KUBE-SEP-A --rcheck --seconds 10800 --reap -j KUBE-SEP-A`,
		`-A KUBE-SVC-A -m statistic --mode random --probability 0.3333333333 -j KUBE-SEP-A`,
		`-A KUBE-SVC-A -j KUBE-SEP-A`,
		`-A KUBE-SEP-A -s ` + ep + ` -j KUBE-MARK-MASQ`,
		`-A KUBE-SEP-A -m recent --name KUBE-SEP-A --set -m udp -p udp -j DNAT --to-destination ` + to,
		`-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000`,
		`-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN`,
		`-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000`,
		`-A KUBE-POSTROUTING -m comment --comment "it's \"quoted\"" -j MASQUERADE --random-fully`,
		`-A FLANNEL-POSTRTG -s ` + pods + ` -d ` + pods + ` -j RETURN`,
		`-A FLANNEL-POSTRTG -s ` + pods + ` -o eth0 -j MASQUERADE`,
	} {
		b.Rule("nat", line)
	}
	for _, line := range []string{
		`-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-EXTERNAL`,
		`-A INPUT -j KUBE-FORWARD`,
		`-A FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL`,
		`-A FORWARD -m comment --comment forward -j KUBE-FORWARD`,
		`-A KUBE-EXTERNAL -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 30081 -j REJECT`,
		`-A KUBE-EXTERNAL -p udp --dport 53 -d ` + vip + ` -j DROP`,
		`-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP`,
		`-A KUBE-FORWARD -m conntrack ! --ctstate DNAT,ESTABLISHED,RELATED -m mark --mark 0x4000/0x4000 -j ACCEPT`,
		`-A KUBE-FORWARD -p tcp --syn -j RETURN`,
	} {
		b.Rule("filter", line)
	}
	b.Chain("filter", "KUBE-EMPTY")
	b.Rule("mangle", `-A FORWARD -j NETLAB-MSS`)
	b.Rule("mangle", `-A NETLAB-MSS -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`)
	b.Rule("raw", `-A PREROUTING -i cali+ -j cali-PRE`)
	b.Rule("raw", `-A cali-PRE -j MARK --set-xmark 0x0/0x40000`)
	return b.Build()
}

func TestPrivilegedReadBackEqualsBuilt(t *testing.T) {
	eachTool(t, func(t *testing.T, ipt *tool) {
		want := sample(ipt.ipv6)
		ipt.restore(t, netfilter.Script("", want))
		got, foreign := ipt.save(t)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Fatalf("-built +read:\n%s", diff)
		}
		if len(foreign) > 0 {
			t.Error("foreign:", foreign)
		}
		ipt.run(t, `saved=$($IPT-save); printf "%s\n" "$saved" | $IPT-restore`)
		if again, _ := ipt.save(t); again != want {
			t.Error("save and restore changed it")
		}
		ipt.restore(t, netfilter.Script(want, ""))
		if left, _ := ipt.save(t); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
	})
}

// TestPrivilegedScriptRepairs edits the rules by hand and has them repaired.
func TestPrivilegedScriptRepairs(t *testing.T) {
	edits := []struct{ name, script, says string }{
		{"flushed chain", `$IPT -t nat -F KUBE-SVC-A`, "nat KUBE-SVC-A: chain is empty, 4 rules missing"},
		{"flushed tables", `$IPT -t nat -F; $IPT -F; $IPT -t nat -X; $IPT -X`, "nat KUBE-SVC-A: chain is missing, with 4 rules"},
		{"deleted rule", `$IPT -t nat -D KUBE-POSTROUTING 2`,
			"nat KUBE-POSTROUTING: rule 2 is missing: -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0"},
		{"added rule", `$IPT -I KUBE-FORWARD 2 -j ACCEPT`, "filter KUBE-FORWARD: rule 2 is extra: -A KUBE-FORWARD -j ACCEPT"},
		{"reordered rules", `$IPT -t nat -D KUBE-POSTROUTING 2; $IPT -t nat -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0`,
			"nat KUBE-POSTROUTING: rules are in another order"},
		{"removed jump", `$IPT -t nat -D OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES`,
			"nat OUTPUT: jump to KUBE-SERVICES is missing"},
		{"doubled jump", `$IPT -A FORWARD -m comment --comment forward -j KUBE-FORWARD`,
			"filter FORWARD: jump to KUBE-FORWARD is extra: -A FORWARD -m comment --comment forward -j KUBE-FORWARD"},
		{"reordered jumps", `$IPT -D INPUT -j KUBE-FORWARD; $IPT -I INPUT -j KUBE-FORWARD`, "filter INPUT: jumps are in another order"},
		{"policy", `$IPT -P FORWARD DROP`, "filter FORWARD: policy is DROP, lab says ACCEPT"},
		{"stale chains", `$IPT -t nat -N KUBE-SVC-X; $IPT -t nat -N KUBE-SEP-X; $IPT -t nat -A KUBE-SVC-X -j KUBE-SEP-X
			$IPT -t nat -A KUBE-SEP-X -j RETURN; $IPT -t nat -I KUBE-SERVICES -j KUBE-SVC-X; $IPT -t nat -A PREROUTING -j KUBE-SEP-X`,
			"nat KUBE-SVC-X: chain is extra, with 1 rule"},
		{"foreign chain leads to a stale one", `$IPT -t nat -N KUBE-SVC-X; $IPT -t nat -N MINE; $IPT -t nat -A MINE -j KUBE-SVC-X`,
			"nat MINE: jump to KUBE-SVC-X is extra: -A MINE -j KUBE-SVC-X"},
		{"foreign rules", `$IPT -I FORWARD -i eth9 -j DROP; $IPT -A FORWARD -j ACCEPT; $IPT -N MINE2; $IPT -A MINE2 -j RETURN
			$IPT -t nat -I PREROUTING -p tcp --dport 1 -j RETURN; $IPT -F KUBE-FORWARD`, "filter KUBE-FORWARD: chain is empty, 3 rules missing"},
	}
	eachTool(t, func(t *testing.T, ipt *tool) {
		want := sample(ipt.ipv6)
		ipt.restore(t, netfilter.Script("", want))
		for _, e := range edits {
			ipt.run(t, e.script)
			have, foreign := ipt.save(t)
			if changes := netfilter.Changes(have, want); !slices.Contains(changes, e.says) {
				t.Errorf("%s: changes do not say %q:\n%s", e.name, e.says, strings.Join(changes, "\n"))
			}
			ipt.restore(t, netfilter.Script(have, want))
			got, after := ipt.save(t)
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Fatalf("%s: -want +got:\n%s", e.name, diff)
			}
			if diff := cmp.Diff(foreign, after); diff != "" {
				t.Errorf("%s: foreign rules, -before +after:\n%s", e.name, diff)
			}
		}
	})
}

// TestPrivilegedScriptConverges leads from random rules to random rules.
func TestPrivilegedScriptConverges(t *testing.T) {
	eachTool(t, func(t *testing.T, ipt *tool) {
		rng := rand.New(rand.NewPCG(1, 2))
		for round := range 25 {
			want := random(rng, ipt.ipv6)
			have, _ := ipt.save(t)
			ipt.restore(t, netfilter.Script(have, want))
			got, _ := ipt.save(t)
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Fatalf("round %d: -want +got:\n%s\nscript:\n%s", round, diff, netfilter.Script(have, want))
			}
		}
	})
}

// random returns chains that lead to later chains, and jumps to some of them.
func random(rng *rand.Rand, ipv6 bool) netfilter.Text {
	b := netfilter.NewBuilder(ipv6)
	const n = 6
	name := func(i int) string { return fmt.Sprintf("KUBE-%d", i) }
	for i := range n {
		if rng.IntN(3) == 0 {
			continue
		}
		b.Chain("filter", name(i))
		for range rng.IntN(4) {
			b.Append("filter", name(i), "-p", "tcp", "--dport", fmt.Sprint(rng.IntN(3)+1), "-j", "RETURN")
		}
		for j := i + 1; j < n; j++ {
			if slices.Contains(b.Build().Chains("filter"), name(j)) && rng.IntN(2) == 0 {
				b.Append("filter", name(i), "-j", name(j))
			}
		}
		if rng.IntN(2) == 0 {
			b.Append("filter", "INPUT", "-m", "mark", "--mark", fmt.Sprint(rng.IntN(3)), "-j", name(i))
		}
	}
	return b.Build()
}
