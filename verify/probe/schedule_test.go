package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// pairs returns a ping for each pair of pods, per of them on each node.
func pairs(nodes, per int) []verify.Check {
	var pods []*verify.End
	for n := range nodes {
		host := &verify.End{NS: fmt.Sprintf("n%d", n), Kind: labs.RefNode, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{172, 30, 0, byte(n + 1)})}}
		for p := range per {
			pods = append(pods, &verify.End{
				NS: fmt.Sprintf("p%d-%d", n, p), Host: host, Bridged: true, Kind: labs.RefPod,
				Addrs:    []netip.Addr{netip.AddrFrom4([4]byte{10, 244, byte(n), byte(p + 2)})},
				Gateways: []netip.Addr{netip.AddrFrom4([4]byte{10, 244, byte(n), 1})},
			})
		}
	}
	var checks []verify.Check
	for _, kind := range []verify.Kind{verify.ICMP, verify.TCP} {
		for _, from := range pods {
			for _, to := range pods {
				if from != to {
					checks = append(checks, verify.Check{Kind: kind, From: from, To: to, Addr: to.Addrs[0]})
				}
			}
		}
	}
	return checks
}

func TestScheduleKeepsTheBudget(t *testing.T) {
	for _, tt := range []struct{ nodes, per, budget, most int }{
		{10, 10, 890, 3},
		{4, 25, 890, 6},
		{10, 10, 100000, 1},
		{2, 3, 64, 1},
		{10, 30, 890, 24},
		{50, 6, 890, 24},
	} {
		t.Run(fmt.Sprintf("%dx%d in %d", tt.nodes, tt.per, tt.budget), func(t *testing.T) {
			checks := pairs(tt.nodes, tt.per)
			all := make([]int, len(checks))
			for i := range all {
				all[i] = i
			}
			blocks := schedule(checks, all, map[int]int{unix.AF_INET: tt.budget})
			if len(blocks) > tt.most {
				t.Errorf("%d blocks, want at most %d", len(blocks), tt.most)
			}
			for _, b := range blocks {
				made := map[learned]bool{}
				for _, i := range b {
					for _, l := range entries(nil, &checks[i]) {
						made[l] = true
					}
				}
				if len(made) > tt.budget {
					t.Errorf("a block makes %d entries", len(made))
				}
			}
			got := slices.Concat(blocks...)
			slices.Sort(got)
			if !slices.Equal(got, all) {
				t.Error("not every check is in exactly one block")
			}
		})
	}
}

func TestEntries(t *testing.T) {
	checks := pairs(2, 2)
	if n := len(entries(nil, &checks[0])); n != 2 { // p0-0 and p0-1, on one bridge
		t.Errorf("a pair on one bridge makes %d entries, want one each", n)
	}
	if n := len(entries(nil, &checks[1])); n != 6 { // p0-0, its node, the other node, p1-0
		t.Errorf("a pair on two nodes makes %d entries, want two a link", n)
	}
}

func BenchmarkSchedule(b *testing.B) {
	checks := pairs(10, 10)
	all := make([]int, len(checks))
	for i := range all {
		all[i] = i
	}
	for b.Loop() {
		schedule(checks, all, map[int]int{unix.AF_INET: 890})
	}
}
