package probe

import (
	"slices"
	"strconv"
	"testing"
)

// TestShares: no two senders have pings of one pod, but where a piece ends.
func TestShares(t *testing.T) {
	pods := make([]space, 8)
	var all []*echo
	for i := range pods {
		pods[i].name = strconv.Itoa(i)
		for range 64 {
			all = append(all, &echo{from: &pods[i]})
		}
	}
	for _, count := range []int{0, 1, 3, len(all)} {
		for _, senders := range []int{1, 2, 4} {
			var together []*echo
			of := map[*space]int{}
			for _, share := range shares(all[:count], senders) {
				together = append(together, share...)
				mine := map[*space]bool{}
				for _, p := range share {
					mine[p.from] = true
				}
				for s := range mine {
					of[s]++
				}
			}
			if !slices.Equal(together, all[:count]) {
				t.Errorf("%d pings among %d: %d were shared out", count, senders, len(together))
			}
			for s, n := range of {
				if n > 1 && count == len(all) {
					t.Errorf("among %d, %d senders have pings of pod %s", senders, n, s.name)
				}
			}
		}
	}
}
