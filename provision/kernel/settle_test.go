package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"netlab/provision"
)

// TestPrivilegedSettle checks that the other end of a dropped cable is gone
// when Settle returns, in a namespace that is not a lab's.
func TestPrivilegedSettle(t *testing.T) {
	b := newBench(t, "ktsettle")
	run(t, "ip", "netns", "add", "ktwatch")
	defer run(t, "ip", "netns", "del", "ktwatch")
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	for i := range 10 {
		b.converge(pair("ktsettle"))
		run(t, "ip", "-n", "ktsettle.a", "link", "add", "far", "type", "veth", "peer", "name", "near", "netns", "ktwatch")
		b.converge(provision.NewState("ktsettle"))
		if err := b.h.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		if links := asked(t, "ip", "-j", "-n", "ktwatch", "link", "show", "type", "veth"); slices.ContainsFunc(links, func(l map[string]any) bool { return l["ifname"] != nil }) {
			t.Errorf("round %d: still there: %v", i, links)
		}
	}
	cancelled, stop := context.WithCancel(b.ctx)
	stop()
	if err := b.h.Settle(cancelled); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestPrivilegedLock lets one process at a time change a lab.
func TestPrivilegedLock(t *testing.T) {
	h := open(t)
	ctx := t.Context()
	unlock, err := h.Lock(ctx, "ktlock", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Lock(ctx, "ktlock", 50*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("locked twice: %v", err)
	}
	got := make(chan error)
	go func() {
		unlock, err := h.Lock(ctx, "ktlock", 10*time.Second)
		if err == nil {
			unlock()
		}
		got <- err
	}()
	// The waiting one must not get hold of a lock that is removed.
	if err := h.RemoveRunDir("ktlock"); err != nil {
		t.Error(err)
	}
	unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
	if err := h.SaveLab("ktlock", []byte("name: ktlock\n")); err != nil {
		t.Error(err)
	}
	if file, err := h.LoadLab("ktlock"); err != nil || string(file) != "name: ktlock\n" {
		t.Errorf("loaded %q, %v", file, err)
	}
	if all, err := h.Labs(); err != nil || !slices.Contains(all, "ktlock") {
		t.Errorf("labs are %v, %v", all, err)
	}
	if err := h.RemoveRunDir("ktlock"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "..", "a/b", ".made"} {
		if err := h.RemoveRunDir(bad); err == nil {
			t.Errorf("RemoveRunDir(%q) went through", bad)
		}
	}
}
