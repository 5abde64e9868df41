package kernel

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netns"
)

// TestPrivilegedParameterFiles checks that the files which are said to be opened
// are there to be opened, and are of the namespaces' own.
func TestPrivilegedParameterFiles(t *testing.T) {
	lab, diagnostics := labs.Load("files.yaml", []byte("name: files\nnodes: [{name: a}]\npods: [{name: p, node: a}]\n"))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	files := ParameterFiles(provision.Desired(lab))
	for ns, want := range map[string][]string{
		"files.p": {"ipv4/tcp_rmem", "ipv4/conf/all/arp_ignore", "ipv4/neigh/eth0/app_solicit", "ipv6/conf/default/addr_gen_mode"},
		"files.a": {"bridge/bridge-nf-call-iptables", "netfilter/nf_conntrack_udp_timeout", "ipv4/neigh/cni0/app_solicit"},
	} {
		for _, f := range want {
			if path := filepath.Join(procSysNet, f); !slices.Contains(files[ns], path) {
				t.Errorf("%s lacks %s:\n%s", ns, path, strings.Join(files[ns], "\n"))
			}
		}
		for _, f := range []string{"ipv4/ip_forward", "ipv4/conf/all/rp_filter"} { // rtnetlink tells these
			if slices.Contains(files[ns], filepath.Join(procSysNet, f)) {
				t.Errorf("%s has %s", ns, f)
			}
		}
	}
	if err := netns.Fresh(func() error {
		for _, f := range files["files.p"] {
			if strings.Contains(f, "/eth0/") {
				continue
			}
			if _, err := os.Stat(f); err != nil {
				t.Error(err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
