package probe

import (
	"runtime"
	"testing"
)

// TestBusy: whoever sees that no connection is under way sees what became of them.
// Only the race detector can tell.
func TestBusy(t *testing.T) {
	p := newPace()
	end := p.begin(func() {})
	if n := p.busy(); n != 1 {
		t.Errorf("%d are under way, not 1", n)
	}
	outcome := ""
	go func() {
		outcome = "connected"
		end()
	}()
	for p.busy() > 0 {
		runtime.Gosched()
	}
	if outcome != "connected" {
		t.Errorf("it became %q", outcome)
	}
}
