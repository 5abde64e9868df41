package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision/netns"
)

// hostLimits compares limits of the host with what lab needs, or shows them
// where lab is nil.
func hostLimits(lab *labs.Lab) []finding {
	neighbours, conns := 0, 0
	if lab != nil {
		neighbours = busiestNeighbours(lab)
		conns = connsEach * (len(lab.Nodes) + len(lab.Pods))
	}
	more := 0
	if lab != nil {
		more = len(lab.Bridges) + len(lab.Nodes) + len(lab.Pods)
	}
	limits := append([]finding{
		limit("neighbour table", "net/ipv4/neigh/default/gc_thresh3", neighbours, neighboursInUse(),
			"the table is shared by all namespaces of the host; raise it with \"sysctl -w net.ipv4.neigh.default.gc_thresh3=%d\""),
		limit("connection tracking", "net/netfilter/nf_conntrack_max", conns, 0,
			"raise it with \"sysctl -w net.netfilter.nf_conntrack_max=%d\""),
		limit("inotify instances", "fs/inotify/max_user_instances", 0, 0, ""),
	}, hardLimits(lab, more)...)
	need := struct{ files int }{}
	if lab != nil {
		need.files = 300
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
		f := finding{Name: "open files", State: stateOK, Detail: fmt.Sprintf("limit %d", files.Cur)}
		if uint64(need.files) > files.Cur {
			f.State, f.Remedy = stateTight, fmt.Sprintf("raise it with \"ulimit -n %d\"", need.files)
		}
		limits = append(limits, f)
	}
	return limits
}

// connsEach is how many connections a node or a pod has at a time while a lab is
// verified, at most.
const connsEach = 32

// hardLimits are those at which up would stop half-way: more is how many network
// namespaces it is to make.
func hardLimits(lab *labs.Lab, more int) []finding {
	tasks := 0
	if lab != nil {
		for _, p := range lab.Pods {
			tasks += tasksEach * len(p.Containers)
			if lab.Pause || len(p.Containers) > 0 {
				tasks++
			}
		}
	}
	names, _ := netns.List("")
	return []finding{
		limit("network namespaces", "user/max_net_namespaces", more, len(names)+passingNamespaces, "raise it with \"sysctl -w user.max_net_namespaces=%d\""),
		limit("process numbers", "kernel/pid_max", tasks, tasksInUse(), "raise it with \"sysctl -w kernel.pid_max=%d\""),
		limit("threads", "kernel/threads-max", tasks, tasksInUse(), "raise it with \"sysctl -w kernel.threads-max=%d\""),
	}
}

// passingNamespaces are in use without a name: the host's, and those in which
// something is tried, until the kernel has let go of them.
const passingNamespaces = 8

// tasksEach is how many processes and threads a container has that does little.
const tasksEach = 12

// tasksInUse counts the processes and threads of the host.
func tasksInUse() int {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 4 {
		return 0
	}
	_, all, _ := strings.Cut(fields[3], "/")
	n, _ := strconv.Atoi(all)
	return n
}

// limit reads one limit from /proc/sys. A limit that cannot be seen, as in a
// namespace that is not the host's, is no finding against the host.
func limit(name, path string, need, used int, remedy string) finding {
	f := finding{Name: name, State: stateOK}
	data, err := os.ReadFile(filepath.Join("/proc/sys", path))
	value, convErr := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || convErr != nil {
		f.Detail = "cannot be seen from here"
		return f
	}
	f.Detail = fmt.Sprintf("limit %d", value)
	if used > 0 {
		f.Detail += fmt.Sprintf(", %d in use", used)
	}
	if need > 0 {
		f.Detail += fmt.Sprintf(", the lab needs up to %d", need)
	}
	if need+used > value {
		f.State, f.Remedy = stateTight, fmt.Sprintf(remedy, 2*(need+used))
	}
	return f
}

// busiestNeighbours estimates how many entries of the neighbour table traffic
// of one pod with everything it can reach needs at a time. Verification spreads
// its work so that it never needs more than there is.
func busiestNeighbours(lab *labs.Lab) int {
	perNode := map[string]int{}
	most := 0
	for _, p := range lab.Pods {
		perNode[p.Node]++
		most = max(most, perNode[p.Node])
	}
	return 2*most + 4*len(lab.Nodes)
}

// neighboursInUse counts the entries of the host-wide neighbour table.
func neighboursInUse() int {
	data, err := os.ReadFile("/proc/net/stat/arp_cache")
	if err != nil {
		return 0
	}
	lines := strings.Split(string(data), "\n")
	if len(lines) < 2 {
		return 0
	}
	fields := strings.Fields(lines[1]) // the first column is the same for every processor
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 16, 64)
	if err != nil {
		return 0
	}
	return int(n)
}
