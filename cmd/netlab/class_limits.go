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

// needs is what labs take of what all of a host shares.
type needs struct {
	namespaces int // network namespaces, and as many mounts
	tasks      int // processes and threads
	neighbours int // entries in the neighbour tables when everybody talks
}

// What runs beside the containers of a lab: the threads of a supervisor, and
// what a container's init and program have at most in a quiet lab.
const (
	supervisorTasks = 16
	containerTasks  = 24
)

// needsOf says what one lab takes.
func needsOf(lab *labs.Lab) needs {
	n := needs{namespaces: len(lab.Bridges) + len(lab.Nodes) + len(lab.Pods)}
	containers := 0
	for _, p := range lab.Pods {
		if len(p.Containers) > 0 || lab.Pause {
			n.tasks++
		}
		containers += len(p.Containers)
	}
	if containers > 0 {
		n.tasks += supervisorTasks + containers*containerTasks
	}
	// A pod knows its gateway and its node the pod; machines on one bridge know
	// each other.
	n.neighbours = 2 * len(lab.Pods)
	plugged := map[string]int{}
	for _, node := range lab.Nodes {
		for _, i := range node.Interfaces {
			plugged[i.Bridge]++
		}
	}
	for bridge, k := range plugged {
		if bridge == "" { // cables from node to node
			n.neighbours += k
		} else {
			n.neighbours += k * k // the bridge's own address included
		}
	}
	return n
}

func (n *needs) add(m needs) {
	n.namespaces += m.namespaces
	n.tasks += m.tasks
	n.neighbours += m.neighbours
}

// fits says before anything is made which limit of the host the instances that
// are to be made would run into, all of them together.
func (cl class) fits() error {
	var sum, one needs
	made := 0
	for _, m := range cl.members {
		if m.lab != nil {
			one = needsOf(m.lab)
			if !m.up {
				sum.add(one)
				made++
			}
		}
	}
	if made == 0 {
		return nil
	}
	there, err := netns.List("")
	if err != nil {
		return err
	}
	var lacks []string
	for _, l := range []hostLimit{
		{"network namespaces", "user/max_net_namespaces", sum.namespaces, len(there), "user.max_net_namespaces"},
		{"mounts", "fs/mount-max", sum.namespaces, countLines("/proc/self/mountinfo"), "fs.mount-max"},
		{"threads", "kernel/threads-max", sum.tasks, tasksNow(), "kernel.threads-max"},
		{"process numbers", "kernel/pid_max", sum.tasks, tasksNow(), "kernel.pid_max"},
		{"entries of the neighbour table", "net/ipv4/neigh/default/gc_thresh3", sum.neighbours, neighboursInUse(), "net.ipv4.neigh.default.gc_thresh3"},
	} {
		if text := l.lack(); text != "" {
			lacks = append(lacks, text)
		}
	}
	if text := groupLack(sum.tasks); text != "" {
		lacks = append(lacks, text)
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("%d more instances of lab %s do not fit on this host; nothing was changed\n%s", made, cl.lab, strings.Join(lacks, "\n"))
}

// hostLimit is one limit of the host, and what is needed of it.
type hostLimit struct {
	what, path string
	need, used int
	sysctl     string
}

// lack says that a limit is too low, and how to raise it, or nothing. An eighth
// is left to others. A limit that cannot be seen from here is no obstacle.
func (l hostLimit) lack() string {
	data, err := os.ReadFile(filepath.Join("/proc/sys", l.path))
	value, convErr := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || convErr != nil || l.need+l.used <= value-value/8 {
		return ""
	}
	return fmt.Sprintf("%s: %d needed, %d in use, and the limit is %d\n    hint: sudo sysctl -w %s=%d", l.what, l.need, l.used, value, l.sysctl, 2*(l.need+l.used))
}

// groupLack does the same for the control group that this process is in, such
// as the one of a login or a service.
func groupLack(need int) string {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root := ""
		switch {
		case parts[1] == "":
			root = "/sys/fs/cgroup"
		case strings.Contains(","+parts[1]+",", ",pids,"):
			root = "/sys/fs/cgroup/pids"
		default:
			continue
		}
		dir := filepath.Join(root, parts[2])
		limit, err1 := readInt(filepath.Join(dir, "pids.max"))
		used, err2 := readInt(filepath.Join(dir, "pids.current"))
		if err1 == nil && err2 == nil && need+used > limit {
			return fmt.Sprintf("processes: %d needed, %d in use, and the control group %s has %d at most\n    hint: raise its limit, as TasksMax= of a systemd unit does, or start netlab outside it", need, used, dir, limit)
		}
	}
	return ""
}

// readInt reads a file with one number.
func readInt(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}

func countLines(path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return strings.Count(string(data), "\n")
}

// tasksNow is how many processes and threads the host has.
func tasksNow() int {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int(info.Procs)
}
