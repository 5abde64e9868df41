package kernel_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/kerneltest"
)

var edits = flag.Int("edits", 28, "how many times each of four random labs becomes another one")

// TestPrivilegedEdits makes random labs out of each other: whatever a lab was,
// one Apply makes it the other, and nothing is left to do.
func TestPrivilegedEdits(t *testing.T) {
	for lane := range uint64(4) {
		name := fmt.Sprintf("ktedit%d", lane)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, name)
			former := provision.NewState(name)
			rng := rand.New(rand.NewPCG(lane, 3))
			for i := range *edits {
				text := strings.Replace(kerneltest.RandomLab(rng, name), "uplink: true", "uplink: false", 1) // the host is not for us to change
				lab, diagnostics := labs.Load("random.yaml", []byte(text))
				if lab == nil {
					t.Fatalf("%v\n%s", diagnostics, text)
				}
				want := provision.Desired(lab)
				b.converge(want.After(former))
				b.settled(want.After(former))
				if t.Failed() {
					t.Fatalf("edit %d to\n%s", i, text)
				}
				former = want
			}
		})
	}
}
