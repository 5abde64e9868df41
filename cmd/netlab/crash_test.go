package main

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

var kills = flag.Int("kills", 200, "how many netlabs are killed while they work")

// enough is how long netlabs are killed at most, on a machine that is busy.
const enough = 25 * time.Second

const crashLab = `name: LAB
pause: true
network: {mode: MODE}
nodes: [{name: a}, {name: b}]
pods: [{name: p, node: a, labels: {app: p}}, {name: q, node: b}, {name: r, node: b}]
services: [{name: s, selector: {app: p}, ports: [{port: 80}]}]
`

// TestPrivilegedKilled kills netlab at any moment of up, down and reset,
// several times in a row, and expects the next up to make the lab whole and the
// next down to leave nothing.
func TestPrivilegedKilled(t *testing.T) {
	requireRoot(t)
	const lanes, inARow = 4, 8
	for lane := range lanes {
		t.Run(fmt.Sprint(lane), func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprintf("t%d-kill%d", os.Getpid(), lane)
			text := strings.ReplaceAll(crashLab, "LAB", name)
			file, lab := writeLab(t, strings.ReplaceAll(text, "MODE", "vxlan"))
			other, _ := writeLab(t, strings.ReplaceAll(text, "MODE", "routed"))
			t.Cleanup(func() { child(t, "down", lab.Name) })
			rng := rand.New(rand.NewPCG(uint64(lane), 5))
			began := time.Now()
			child(t, "up", file)
			longest := time.Since(began)
			killed, begun := 0, time.Now()
			defer func() { t.Logf("%d killed", killed) }()
			for round := 0; killed < *kills/lanes && time.Since(begun) < enough; round++ {
				var story []string
				for range inARow {
					command := [][]string{
						{"up", file, "-q"}, {"up", other, "-q"}, {"down", name, "-q"}, {"reset", file, "-q"}, {"reset", other, "-q", "--hard"},
					}[rng.IntN(5)]
					after := time.Duration(rng.Int64N(int64(longest)))
					if killAfter(t, after, command...) {
						killed++
					}
					story = append(story, fmt.Sprintf("%v killed after %v", command, after))
				}
				if round%2 == 1 {
					child(t, "down", name)
					if left := namespacesOf(t, name); len(left) > 0 {
						t.Fatalf("down left %v after\n%s", left, strings.Join(story, "\n"))
					}
				}
				story = append(story, child(t, "up", file))
				child(t, "plan", file, "--exit-code")
				if t.Failed() {
					t.Fatalf("after\n%s", strings.Join(story, "\n"))
				}
			}
		})
	}
}

// child runs netlab in a process of its own: it can be killed. It
// returns what that printed.
func child(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("netlab", args...).CombinedOutput()
	if err != nil {
		t.Errorf("netlab %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// killAfter starts netlab and kills it, and reports whether it was still at
// work.
func killAfter(t *testing.T, after time.Duration, args ...string) bool {
	t.Helper()
	cmd := exec.Command("netlab", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	_ = cmd.Wait()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

// TestPrivilegedInterrupted presses Ctrl-C: netlab stops between two steps, says
// what stands, and the next up goes on.
func TestPrivilegedInterrupted(t *testing.T) {
	requireRoot(t)
	file, lab := shippedLab(t, "big")
	t.Cleanup(func() { must(t, exitOK, "down", lab.Name) })
	cmd := exec.Command("netlab", "up", file, "--no-exec", "--print-commands")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() {
		t.Fatal("netlab says nothing")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.HasPrefix(last, "stopped after ") {
		t.Errorf("exit code %d, last words %q", code, last)
	}
	must(t, exitOK, "up", file, "--no-exec", "-q")
}
