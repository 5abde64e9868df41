package verify

import "testing"

// TestConnectsEvenly has every pod of a large lab connect to as many others as
// every other pod, and to at least one.
func TestConnectsEvenly(t *testing.T) {
	for _, pods := range []int{2, 32, 33, 100, 999, 1500} {
		b := &builder{podEnds: make([]*End, pods)}
		out, in := make([]int, pods), make([]int, pods)
		for i := range pods {
			for j := range pods {
				if i != j && b.connects(i, j) {
					out[i]++
					in[j]++
				}
			}
		}
		for i := range pods {
			if out[i] == 0 || out[i] != out[0] || in[i] != out[0] {
				t.Fatalf("%d pods: pod %d connects to %d, and %d to it; pod 0 to %d", pods, i, out[i], in[i], out[0])
			}
		}
	}
}
