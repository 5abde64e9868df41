package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

var soakRuns = flag.Int("soak", 0, "how often to verify good labs while all processors are busy; 0: not at all")

// TestPrivilegedSoak verifies good labs of every mode again and again while all
// processors are busy. No run may find a fault.
func TestPrivilegedSoak(t *testing.T) {
	if *soakRuns == 0 {
		t.Skip("only on request: make soak RUNS=500")
	}
	requireRoot(t)
	texts := map[string]string{"vxlan": explainLab}
	for _, name := range []string{"flat", "routed", "six", "none"} {
		texts[name] = explainLabs[name]
	}
	type soaked struct{ name, file string }
	var all []soaked
	for name, text := range texts {
		file, lab := writeLab(t, strings.ReplaceAll(text, "LAB", fmt.Sprintf("t%d-soak-%s", os.Getpid(), name)))
		bringUp(t, file, lab)
		must(t, exitOK, "verify", file, "--wait", "20s")
		all = append(all, soaked{name, file})
	}
	busy(t)
	alarms, obstructed := 0, 0
	for i := range *soakRuns {
		l := all[i%len(all)]
		code, stdout, stderr := netlab(t, "verify", l.file)
		switch {
		case code == exitOK:
		case code == exitFailed && strings.Contains(stdout, "gc_thresh3"):
			obstructed++ // another lab on this host fills the table of all
		default:
			alarms++
			t.Errorf("run %d, lab %s: exit code %d\n%s%s", i, l.name, code, stdout, stderr)
		}
	}
	t.Logf("%d runs, %d false alarms, %d that the host's full neighbour table made impossible", *soakRuns, alarms, obstructed)
}

// busy gives every processor something to do until the test ends.
func busy(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	for range runtime.NumCPU() {
		cmd := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cancel()
			_ = cmd.Wait() // it was killed
		})
	}
}
