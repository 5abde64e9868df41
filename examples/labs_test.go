package examples_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestReadmes checks that every example has a README, that the index names it,
// and that the files it points at are there.
func TestReadmes(t *testing.T) {
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(e.Name(), "README.md"))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(index), "]("+e.Name()+")") {
			t.Errorf("README.md does not name %s", e.Name())
		}
		for _, part := range strings.Split(string(text), "](")[1:] {
			target, _, _ := strings.Cut(part, ")")
			if _, err := os.Stat(filepath.Join(e.Name(), target)); err != nil && !strings.Contains(target, "://") {
				t.Errorf("%s/README.md: %v", e.Name(), err)
			}
		}
	}
}

// TestLabFiles validates every lab file, and its looks.
func TestLabFiles(t *testing.T) {
	files, err := filepath.Glob("*/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v, %v", files, err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasPrefix(filepath.Base(f), ".") }) // of other programs
	output(t, append([]string{program(t), "validate", "--strict"}, files...)...)
}

// waitFor waits for a condition. what says what it is.
func waitFor(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// TestPrivilegedServers asks real servers in pods by way of a service.
func TestPrivilegedServers(t *testing.T) {
	needRoot(t)
	needProgram(t, "/usr/bin/python3", "python3")
	needProgram(t, "/usr/sbin/nginx", "nginx-light")
	bringUp(t, "servers", "servers/servers.yaml")
	if got := inNS(t, "servers.client", "curl", "-sS", "--max-time", "5", "http://10.244.2.2:8080/"); got != "nginx in pod nginx\n" {
		t.Errorf("nginx says %q", got)
	}
	// Which of them answers is chance: one in two.
	seen := ""
	waitFor(t, "both servers answer at the service", 20*time.Second, func() bool {
		seen += inNS(t, "servers.client", "curl", "-sSI", "--max-time", "5", "http://10.96.0.11/")
		return strings.Contains(seen, "Server: nginx") && strings.Contains(seen, "Server: SimpleHTTP")
	})
	if got := inNS(t, "servers.fabric", "curl", "-sSI", "--max-time", "5", "http://172.30.0.2:30080/"); !strings.Contains(got, "200 OK") {
		t.Errorf("the node port answers %q", got)
	}
}

// TestPrivilegedSites sends packets between the sites and looks by which way they
// went, with the counters of the routers' interfaces.
func TestPrivilegedSites(t *testing.T) {
	needRoot(t)
	bringUp(t, "sites", "sites/sites.yaml")
	type link struct {
		Stats64 struct{ Rx, Tx struct{ Packets int } }
	}
	forwarded := func(router string) int {
		var links []link
		if err := json.Unmarshal([]byte(output(t, "ip", "-n", "sites."+router, "-j", "-s", "link", "show", "dev", "eth1")), &links); err != nil || len(links) != 1 {
			t.Fatalf("%v, %v", links, err)
		}
		return links[0].Stats64.Rx.Packets
	}
	one, two := forwarded("core-1"), forwarded("core-2")
	inNS(t, "sites.phone", "ping", "-c", "20", "-i", "0.002", "-q", "10.1.0.10")
	if n := forwarded("core-2") - two; n < 20 {
		t.Errorf("core-2 got %d packets of a guest, want 20", n)
	}
	if n := forwarded("core-1") - one; n >= 20 {
		t.Errorf("core-1 got %d packets of a guest, want none", n)
	}
	var routes []struct {
		Nexthops []struct{ Gateway string }
	}
	if err := json.Unmarshal([]byte(output(t, "ip", "-n", "sites.hq-router", "-j", "route", "show", "10.2.0.0/24")), &routes); err != nil || len(routes) != 1 || len(routes[0].Nexthops) != 2 {
		t.Errorf("ways from headquarters to the branch: %v, %v", routes, err)
	}
	if err := exec.Command("ip", "netns", "exec", "sites.server", "ping", "-c", "1", "-W", "1", "10.3.0.10").Run(); err == nil {
		t.Error("the server reaches a guest")
	}
}

// TestPrivilegedFRR has FRR tell three nodes of each other's pods, cuts a cable,
// and looks which way the routes go then.
func TestPrivilegedFRR(t *testing.T) {
	needRoot(t)
	needProgram(t, "/usr/lib/frr/zebra", "frr")
	bin := program(t)
	t.Setenv("NETLAB", bin)
	t.Cleanup(func() { output(t, bin, "down", "frr") })
	for _, protocol := range []string{"ospf", "bgp"} {
		t.Run(protocol, func(t *testing.T) {
			output(t, bin, "up", "frr/frr.yaml")
			if out := output(t, "ip", "-n", "frr.r1", "route", "show", "10.244.3.0/24"); out != "" {
				t.Fatalf("r1 knows of the pods of r3 already: %s", out)
			}
			output(t, "frr/start.sh", protocol)
			goesBy := func(dev string) func() bool {
				return func() bool {
					out, _ := exec.Command("ip", "-n", "frr.r1", "route", "show", "10.244.3.0/24", "proto", protocol).Output()
					return strings.Contains(string(out), "dev "+dev+" ")
				}
			}
			waitFor(t, "r1 learns of the pods of r3", 90*time.Second, goesBy("eth1"))
			output(t, bin, "verify", "frr", "--wait", "60s")
			output(t, "ip", "-n", "frr.r1", "link", "set", "eth1", "down")
			waitFor(t, "r1 goes by r2 when its cable to r3 is cut", 60*time.Second, goesBy("eth0"))
			waitFor(t, "pods reach each other that way", 60*time.Second, func() bool {
				return exec.Command("ip", "netns", "exec", "frr.p1", "ping", "-c", "1", "-W", "1", "10.244.3.2").Run() == nil
			})
			output(t, bin, "reset", "frr")
			if out := output(t, "ip", "-n", "frr.r1", "route", "show", "proto", protocol); out != "" {
				t.Errorf("what FRR wrote is there after reset:\n%s", out)
			}
			waitFor(t, "FRR ends with reset", 10*time.Second, func() bool {
				return strings.TrimSpace(output(t, "ip", "netns", "pids", "frr.r1")) == ""
			})
		})
	}
}

// TestPrivilegedClass is a lesson with three students.
func TestPrivilegedClass(t *testing.T) {
	needRoot(t)
	bin := program(t)
	t.Cleanup(func() {
		output(t, bin, "down", "routes", "--all-instances")
		if left := output(t, "ip", "netns", "list"); strings.Contains(left, "routes-student-") {
			t.Errorf("left behind:\n%s", left)
		}
	})
	output(t, bin, "up", "class/lab.yaml", "--instances", "3")
	state := func() string {
		out, _ := exec.Command(bin, "verify", "routes", "--all-instances", "-o", "json").Output()
		var class struct {
			Instances []struct {
				Number int
				State  string
			}
		}
		if err := json.Unmarshal(out, &class); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var bad []string
		for _, i := range class.Instances {
			if i.State == "failed" {
				bad = append(bad, strconv.Itoa(i.Number))
			}
		}
		return fmt.Sprintf("%d, failed: %s", len(class.Instances), strings.Join(bad, " "))
	}
	if got := state(); got != "3, failed: " {
		t.Fatalf("a new class: %s", got)
	}
	output(t, "ip", "-n", "routes-student-02.node-a", "route", "del", "10.244.2.0/24")
	if got := state(); got != "3, failed: 2" {
		t.Errorf("one broke something: %s", got)
	}
	output(t, bin, "reset", "routes", "--instance", "2")
	inNS(t, "routes-student-02.client", "ping", "-c", "1", "-W", "2", "10.244.2.2")
}
