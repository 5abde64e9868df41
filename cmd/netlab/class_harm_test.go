package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPrivilegedClassmates has one student fill a pod with processes, delete
// namespaces and kill the supervisor: what the others have stays as it is, and a
// reset of this one brings it back.
func TestPrivilegedClassmates(t *testing.T) {
	requireRoot(t)
	name := "t" + strconv.Itoa(os.Getpid()) + "-harm"
	file, _ := writeLab(t, "name: "+name+`
nodes: [{name: n}]
pods:
  - {name: p, node: n, containers: [{name: c, serve: {http: 8080}}]}
  - {name: q, node: n}
`)
	t.Cleanup(func() { must(t, exitOK, "down", file, "--instances", "3", "-q") })
	before := hostState(t)
	must(t, exitOK, "up", file, "--instances", "3", "-q")
	first, second := name+"-student-01", name+"-student-02"

	// A shell of the student's starts more processes than it may: each waits for a
	// writer to a pipe that nobody opens. What it could not start it says; what it
	// started lives on. However long that takes, the limit is what ends it.
	dir := t.TempDir()
	script := filepath.Join(dir, "fill")
	text := "#!/bin/sh\ni=0\nwhile [ $i -lt 600 ]; do (exec >/dev/null 2>&1; : <" + filepath.Join(dir, "never") + ") & i=$((i+1)); done\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "never"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.CommandContext(t.Context(), "netlab", "exec", first, "q", "--", script).CombinedOutput()
	if limit := pidsOf(first, first+".q"); limit == "" {
		t.Log("no control group for tasks on this host: the number of processes is not bounded")
	} else if !strings.Contains(strings.ToLower(string(out)), "fork") {
		t.Errorf("600 processes were started in spite of the limit of %s\n%s", limit, out)
	}
	if _, err := tool(t, "ip", "netns", "del", first+".p"); err != nil {
		t.Error(err)
	}
	must(t, exitOK, "verify", name, "--instance", "2-3")
	in(t, second+".q", "ping", "-c", "1", "-W", "2", "10.244.1.2")
	must(t, exitDiffers, "verify", name, "--instance", "1")
	must(t, exitOK, "reset", name, "--instance", "1")
	must(t, exitOK, "verify", name, "--all-instances")
	must(t, exitOK, "plan", name, "--all-instances", "--exit-code")
	if status := must(t, exitOK, "status", name, "--all-instances"); strings.Contains(status, "of people") {
		t.Errorf("processes are left\n%s", status)
	}
	must(t, exitOK, "down", name, "--all-instances")
	if after := hostState(t); after != before {
		t.Errorf("the host is not what it was before\n%s\n%s", before, after)
	}
}

// pidsOf returns the limit of the control group of what people run in a
// namespace, or "".
func pidsOf(lab, ns string) string {
	for _, root := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		if text, err := os.ReadFile(filepath.Join(root, "netlab", lab, ns, ".exec", "pids.max")); err == nil {
			return strings.TrimSpace(string(text))
		}
	}
	return ""
}
