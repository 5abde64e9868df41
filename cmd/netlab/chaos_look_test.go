package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"netlab/labs"
)

func inodeText(fi os.FileInfo) string { return fmt.Sprint(fi.Sys().(*syscall.Stat_t).Ino) }

// lookScript prints all that the usual tools tell about a namespace.
const lookScript = `
section() { echo "== $1"; shift; "$@" 2>/dev/null | sort; }
section links ip -d -o link
section addresses ip -o addr
section routes ip route show table all
section routes6 ip -6 route show table all
section rules ip rule
section rules6 ip -6 rule
section neighbours ip neigh show nud permanent
section fdb sh -c 'bridge fdb show | grep -E "permanent|static" | grep -vE "^(33:33|01:00:5e)"'
section ports bridge -d -o link show
section qdiscs tc qdisc
echo "== parameters"
cd /proc/sys/net && grep -r . ipv4/conf/*/forwarding ipv4/conf/*/rp_filter ipv4/conf/*/proxy_arp ipv4/conf/*/route_localnet ipv4/conf/*/arp_* ipv4/conf/*/accept_local ipv4/ip_forward ipv4/icmp_echo_ignore_all \
  ipv4/ip_default_ttl ipv4/ping_group_range bridge/bridge-nf-call-ip*tables ipv6/conf/*/forwarding 2>/dev/null | sort
for t in nat filter mangle raw; do for p in iptables ip6tables; do echo "== $p $t"; $p-save -t $t 2>/dev/null | sed '/^#/d; s/\[[0-9:]*\]//'; done; done
`

// What differs from one time to the next and means nothing: numbers and timers.
var passing = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^\d+: `), regexp.MustCompile(`@if\d+`), regexp.MustCompile(`\s(hello|tcn|topology_change|gc|hold|message_age|forward_delay)_timer\s+[\d.]+`),
	regexp.MustCompile(`link-netns \S+|link-netnsid \d+|iif \d+`), regexp.MustCompile(`(promiscuity|allmulti|tso_max_size|tso_max_segs|port_no|port_id|designated_port|nexthop_id) \S+`),
	regexp.MustCompile(`(?m)^.*(link-local|fe80::|multicast|anycast|expires).*$`), regexp.MustCompile(`(linkdown|NO-CARRIER,|,LOWER_UP|offload|proto kernel_ll|pref medium|nodad)`), regexp.MustCompile(`state \w+ mode`), regexp.MustCompile(`topology_change(_detected|_ack)? \d`),
	regexp.MustCompile(`valid_lft \S+ preferred_lft \S+`), regexp.MustCompile(`(?m)^ipv[46]/conf/default/(forwarding|arp_announce|accept_local|route_localnet|arp_notify|arp_accept|arp_evict_nocarrier).*$`),
	regexp.MustCompile(`(?m)^ipv[46]/conf/all/(arp_announce|accept_local|arp_notify|arp_accept|arp_evict_nocarrier).*$`),
	regexp.MustCompile(`(numtxqueues|numrxqueues|qlen) \d+`),
}

// ports is an interface as bridge prints it: sometimes with the name of another
// that has, in another namespace, the number of its other end.
var ports = regexp.MustCompile(`(?m)^\d+: ([\w-]+)(@[\w-]+)?:? `)

// look is what the usual tools say about a namespace, without what means nothing.
func look(ns string) string {
	out, _ := exec.Command("ip", "netns", "exec", ns, "sh", "-c", lookScript).CombinedOutput()
	text := ports.ReplaceAllString(string(out), "$1 ")
	for _, p := range passing {
		text = p.ReplaceAllString(text, "")
	}
	return orderRules(text)
}

// orderRules sorts the sections of what was printed: rules stay in the order
// within their chain, all else has none.
func orderRules(text string) string {
	var b strings.Builder
	for section := range strings.SplitSeq(text, "== ") {
		title, rest, _ := strings.Cut(section, "\n")
		lines := strings.Split(strings.TrimSpace(rest), "\n")
		for i := range lines {
			lines[i] = strings.Join(strings.Fields(lines[i]), " ")
		}
		key := func(l string) string { return l }
		if strings.Contains(title, "tables ") {
			lines = slices.DeleteFunc(lines, func(l string) bool { return l == "COMMIT" || strings.HasPrefix(l, "*") || builtIn.MatchString(l) })
			key = func(l string) string {
				if f := strings.Fields(l); len(f) > 1 && f[0] == "-A" {
					return "-A " + f[1]
				}
				return l
			}
		}
		slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(key(a), key(b)) })
		fmt.Fprintf(&b, "== %s\n%s\n", title, strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" }), "\n"))
	}
	return b.String()
}

// builtIn is a chain that is as it was made; iptables prints it where its table
// is there, for whatever reason.
var builtIn = regexp.MustCompile(`^:[A-Z]+ ACCEPT`)

// picture is all that the usual tools say about a lab, under the name LAB, with
// a text for each namespace.
func picture(lab *labs.Lab) map[string]string {
	all := map[string]string{}
	short := func(s string) string { return strings.ReplaceAll(s, lab.Name, "LAB") }
	for _, ns := range namespacesIn(lab) {
		text := look(ns)
		if strings.Contains(text, "bridge-nf-call") && !isNodeOf(lab, ns) {
			text = regexp.MustCompile(`(?m)^.*bridge-nf-call.*$\n?`).ReplaceAllString(text, "")
		}
		if len(lab.Network.PodCIDRs) < 2 { // IPv6 is of no account
			text = regexp.MustCompile(`(?m)^ipv6/conf/.*$\n?`).ReplaceAllString(text, "")
		}
		all[short(ns)] = short(text)
	}
	names, _ := filepath.Glob("/run/netns/" + lab.Name + ".*")
	for i := range names {
		names[i] = short(filepath.Base(names[i]))
	}
	slices.Sort(names)
	all["names"] = strings.Join(names, "\n")
	for _, f := range []string{"hosts", "resolv.conf"} {
		text, _ := os.ReadFile("/run/netlab/" + lab.Name + "/etc/" + f)
		all[f] = short(string(text))
	}
	return all
}

func isNodeOf(lab *labs.Lab, ns string) bool {
	return slices.ContainsFunc(lab.Nodes, func(n labs.Node) bool { return n.NS == ns })
}

// differences says line by line how one picture differs from another.
func differences(want, got map[string]string) string {
	var b strings.Builder
	for ns, text := range want {
		if text == got[ns] {
			continue
		}
		is, was := strings.Split(got[ns], "\n"), strings.Split(text, "\n")
		changed := false
		for _, l := range was {
			if !slices.Contains(is, l) {
				fmt.Fprintf(&b, "%s: - %s\n", ns, l)
				changed = true
			}
		}
		for _, l := range is {
			if !slices.Contains(was, l) {
				fmt.Fprintf(&b, "%s: + %s\n", ns, l)
				changed = true
			}
		}
		if !changed {
			fmt.Fprintf(&b, "%s: other order\n%s\n", ns, got[ns])
		}
	}
	for ns := range got {
		if _, ok := want[ns]; !ok {
			fmt.Fprintf(&b, "%s: extra\n", ns)
		}
	}
	return b.String()
}

// leftOf lists all that is left of a lab that is down.
func leftOf(t *testing.T, lab string) []string {
	t.Helper()
	left := namespacesOf(t, lab)
	for _, pid := range runningOf(lab) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		left = append(left, fmt.Sprintf("process %d: %q", pid, line))
	}
	pauses, _ := exec.Command("pgrep", "-f", "^pause "+lab+"\\.").Output()
	for line := range strings.Lines(string(pauses)) {
		left = append(left, "pause process "+strings.TrimSpace(line))
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "/"+lab+".") || strings.Contains(line, "/run/netlab/"+lab+"/") {
			left = append(left, "mount "+strings.TrimSpace(line))
		}
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/netlab/" + lab)
	return append(left, groups...)
}
