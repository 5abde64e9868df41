package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"netlab/labs"
)

// hostLimits compares limits of the host with what lab needs, or shows them
// where lab is nil.
func hostLimits(lab *labs.Lab) []finding {
	var need struct{ namespaces, neighbours, files int }
	if lab != nil {
		need.namespaces = len(lab.Bridges) + len(lab.Nodes) + len(lab.Pods)
		need.neighbours = busiestNeighbours(lab)
		need.files = 300
	}
	limits := []finding{
		limit("neighbour table", "net/ipv4/neigh/default/gc_thresh3", need.neighbours, neighboursInUse(),
			"the table is shared by all namespaces of the host; raise it with \"sysctl -w net.ipv4.neigh.default.gc_thresh3=%d\""),
		limit("network namespaces", "user/max_net_namespaces", need.namespaces, 0,
			"raise it with \"sysctl -w user.max_net_namespaces=%d\""),
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
