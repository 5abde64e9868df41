package capture

import (
	"os"
	"strings"
)

// parameters are the sysctls that decide about a packet's way.
func parameters(ipv6 bool, devices []string) []string {
	names := []string{"net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.bridge.bridge-nf-call-iptables"}
	if ipv6 {
		return []string{"net.ipv6.conf.all.forwarding", "net.bridge.bridge-nf-call-ip6tables"}
	}
	for _, d := range devices {
		if !strings.Contains(d, "/") {
			names = append(names, "net.ipv4.conf."+d+".rp_filter", "net.ipv4.conf."+d+".forwarding")
		}
	}
	return names
}

// sysctls reads parameters of the calling thread's namespace. A kernel that
// lacks one is not asked for it.
func sysctls(names []string) map[string]string {
	values := map[string]string{}
	for _, name := range names {
		// A dot in the name of an interface is no separator.
		path := "/proc/sys/net/" + strings.ReplaceAll(strings.TrimPrefix(name, "net."), ".", "/")
		if b, err := os.ReadFile(path); err == nil {
			values[name] = strings.TrimSpace(string(b))
		}
	}
	return values
}

// hasLegacyRules looks at the calling thread's namespace for rules of which
// the kernel tells nothing.
func hasLegacyRules(ipv6 bool) bool {
	name := "ip_tables_names"
	if ipv6 {
		name = "ip6_tables_names"
	}
	b, err := os.ReadFile("/proc/thread-self/net/" + name)
	return err == nil && len(b) > 0
}
