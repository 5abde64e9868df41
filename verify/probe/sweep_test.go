package probe

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"netlab/provision/netns"
)

// TestPrivilegedSweep deletes what is alike and nothing else; and nothing at all
// where the kernel does not know how.
func TestPrivilegedSweep(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if _, err := exec.LookPath("conntrack"); err != nil {
		t.Skip("needs the program conntrack")
	}
	const four, six = "-s 10.0.0.1 -d 10.0.0.2 ", "-s fd00::1 -d fd00::2 "
	ping, ping6 := "--icmp-type 8 --icmp-code 0 --icmp-id ", "--icmpv6-type 128 --icmpv6-code 0 --icmpv6-id "
	entries := []struct {
		args string
		goes bool
	}{
		{"-p icmp " + four + ping + "0", true},
		{"-p icmp " + four + ping + "1", true},
		{"-p icmp " + four + ping + "7", false},
		{"-p icmpv6 " + six + ping6 + "1", true},
		{"-p icmpv6 " + six + ping6 + "7", false},
		{"-p udp " + four + "--sport 50000 --dport 8472", true},
		{"-p udp " + four + "--sport 8472 --dport 53", false},
		{"-p udp " + six + "--sport 50000 --dport 8472", false}, // not asked for
		{"-p tcp " + four + "--sport 50000 --dport 8472 --state ESTABLISHED", false},
	}
	err := netns.Fresh(func() error {
		tool := func(args string) (string, error) {
			out, err := exec.CommandContext(t.Context(), "conntrack", strings.Fields(args)...).CombinedOutput()
			return string(out), err
		}
		for _, e := range entries {
			if out, err := tool("-I --timeout 60 " + e.args); err != nil {
				return fmt.Errorf("conntrack -I %s: %w\n%s", e.args, err, out)
			}
		}
		all := []alike{{unix.AF_INET, unix.IPPROTO_UDP, 0, 8472, byDestinationPort}}
		for id := range uint16(2) {
			all = append(all, alike{unix.AF_INET, unix.IPPROTO_ICMP, id, 0, byIdentifier}, alike{unix.AF_INET6, unix.IPPROTO_ICMPV6, id, 0, byIdentifier6})
		}
		err := sweep(all...)
		if err != nil {
			t.Logf("this kernel cannot: %v", err)
		}
		for _, e := range entries {
			// It is told by deleting it.
			words := strings.Fields(e.args)
			words = slices.DeleteFunc(words, func(w string) bool { return w == "--state" || w == "ESTABLISHED" })
			if _, gone := tool("-D " + strings.Join(words, " ")); (gone != nil) != (e.goes && err == nil) {
				t.Errorf("%s: gone is %v", e.args, gone != nil)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
