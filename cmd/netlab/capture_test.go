package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// capturing starts netlab capture, calls during when it is ready, and returns
// what it printed when it has ended.
func capturing(t *testing.T, during func(), args ...string) string {
	t.Helper()
	cmd := exec.Command("netlab", append([]string{"capture"}, args...)...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C.UTF-8")
	var out bytes.Buffer
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "capturing in ") {
		t.Fatalf("it begins with %q", lines.Text())
	}
	during()
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("netlab capture %v: %v\n%s", args, err, last)
	}
	if !strings.HasSuffix(last, " packets") {
		t.Errorf("its last words are %q", last)
	}
	return out.String()
}

// TestPrivilegedCapture watches a ping in a pod and on the underlay, and has
// tcpdump read the file.
func TestPrivilegedCapture(t *testing.T) {
	requireRoot(t)
	file, lab := shippedLab(t, "two-node")
	t.Cleanup(func() { must(t, exitOK, "down", lab.Name) })
	must(t, exitOK, "up", file, "-q")
	client := lab.Pod("default", "client")
	web := lab.Pod("default", "web").Addrs[0].Addr().String()
	ping := func() { in(t, client.NS, "ping", "-c", "1", "-W", "5", web) }
	ping() // from here on the neighbours are known

	text := capturing(t, ping, file, "client:eth0", "--count", "2", "icmp")
	if lines := strings.Split(strings.TrimSpace(text), "\n"); len(lines) != 2 ||
		!strings.Contains(lines[0], "eth0") || !strings.Contains(lines[0], "out  "+client.Addrs[0].Addr().String()+" → "+web+"  ttl 64  ICMP echo request  length 84") ||
		!strings.Contains(lines[1], "in   "+web+" → ") || !strings.Contains(lines[1], "ttl 62  ICMP echo reply") {
		t.Errorf("in the pod:\n%s", text)
	}
	text = capturing(t, ping, file, "node-a:eth0", "udp", "port", "8472", "--count", "1")
	if !strings.Contains(text, ":8472  ttl 64  VXLAN  length 134  vni 1 [") || !strings.Contains(text, web+"  ttl 63  ICMP echo request]") {
		t.Errorf("on the underlay:\n%s", text)
	}
	var packet packetView
	text = capturing(t, ping, file, "client", "--count", "1", "-o", "json", "icmp")
	if err := json.Unmarshal([]byte(text), &packet); err != nil || packet.Interface != "eth0" || packet.Direction != "out" || len(packet.Bytes) != 98 {
		t.Errorf("JSON: %v\n%s", err, text)
	}
	saved := filepath.Join(t.TempDir(), "way.pcapng")
	capturing(t, ping, file, "node-a", "--count", "6", "-w", saved, "icmp or udp port 8472")
	out, err := tool(t, "tcpdump", "-nn", "-r", saved)
	if err != nil || strings.Count(out, "ICMP echo request") < 3 {
		t.Errorf("tcpdump reads: %v\n%s", err, out)
	}

	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"capture", file, "client:eth9"}, exitFailed, "there is no interface eth9"},
		{[]string{"capture", file, "clint"}, exitUsage, `did you mean "client"?`},
		{[]string{"capture", file, "client", "no", "filter"}, exitUsage, `filter "no filter"`},
		{[]string{"capture", file, "client", "-w", "x", "-o", "json"}, exitUsage, "leave one of them out"},
		{[]string{"capture", file}, exitUsage, "NAME is missing"},
	} {
		code, _, stderr := netlab(t, tt.args...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("netlab %v: exit code %d, %q", tt.args, code, stderr)
		}
	}
}
