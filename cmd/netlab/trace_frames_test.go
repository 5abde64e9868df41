package main

import (
	"strings"
	"testing"

	"netlab/labs"
)

// TestPrivilegedTraceFrames is about frames that a bridge floods, that come back
// to who sent them, and about packets that rules end before any interface sees
// them.
func TestPrivilegedTraceFrames(t *testing.T) {
	file, lab := upTraceLab(t, "frames", labs.ModeVXLAN)
	a, client, near := lab.Node("node-a"), lab.Pod("default", "client"), lab.Pod("default", "near")
	for _, tt := range []struct {
		name, ns      string
		spoil, mend   []string
		code          int
		last, without string
	}{
		{
			name: "tunnel packet dropped where it is made", ns: a.NS,
			spoil: []string{"iptables", "-I", "OUTPUT", "-p", "udp", "--dport", "8472", "-j", "DROP"}, mend: []string{"iptables", "-D", "OUTPUT", "1"}, code: exitDiffers,
			last: "stops on node-a: netfilter drops it: filter OUTPUT rule 1: -A OUTPUT -p udp -m udp --dport 8472 -j DROP",
		},
		{
			name: "frame for nobody", ns: client.NS, code: exitDiffers,
			spoil: []string{"ip", "neigh", "replace", "10.244.1.1", "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"},
			last:  "the frame is for 02:00:00:00:00:99, but eth0 is ",
		},
		{
			name: "policy of an nft chain", ns: client.NS, code: exitDiffers,
			spoil: []string{"nft", "add table inet x; add chain inet x f { type filter hook output priority 0 ; policy drop ; }"}, mend: []string{"nft", "delete", "table", "inet", "x"},
			last: "stops on client: netfilter drops it: the policy of the nft chain f of table inet x",
		},
		{
			name: "answer that is flooded", ns: a.NS, code: exitOK,
			spoil: []string{"ip", "link", "set", "cni0", "type", "bridge", "ageing_time", "0"}, without: near.HostIface,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Cleanup(func() {
				if len(tt.mend) > 0 {
					in(t, tt.ns, tt.mend...)
				}
				must(t, exitOK, "up", file, "-q")
			})
			in(t, tt.ns, tt.spoil...)
			out := must(t, tt.code, "trace", lab.Name, "client", "pod/web", "--wait", "300ms")
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if last := lines[len(lines)-1]; !strings.Contains(last, tt.last) {
				t.Errorf("the last line is\n%s\nand lacks\n%s", last, tt.last)
			}
			if tt.without != "" && strings.Contains(out, tt.without) {
				t.Errorf("the packet does not pass %s:\n%s", tt.without, out)
			}
		})
	}
}
