package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"netlab/provision/runfile"
)

// maxTasks is how many processes and threads a container may have.
const maxTasks = 512

// limits says how the number of a container's tasks is bounded.
type limits struct {
	group bool // by a control group; otherwise by a limit of the user
}

// joinLimits puts this process into a control group of its own, if the host
// lets it make one.
func joinLimits(s spec) (limits, error) {
	entered, err := enterGroup(s.Lab, s.Pod.NS, s.Container.Name)
	return limits{group: entered}, err
}

// enterGroup puts this process into a control group with a bounded number of
// tasks, if the host lets it make one: where the hierarchy is read-only or
// delegated, or the controller is missing, it does not.
func enterGroup(lab, ns, name string) (entered bool, err error) {
	root := pidsRoot()
	if root == "" {
		return false, nil
	}
	group := groupPath(root, lab, ns, name)
	if makeGroup(root, group) != nil || os.WriteFile(filepath.Join(group, "pids.max"), []byte(strconv.Itoa(maxTasks)), 0) != nil {
		return false, nil
	}
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte("0"), 0); err != nil {
		return false, fmt.Errorf("enter control group %s: %w", group, err)
	}
	return true, nil
}

// peopleGroup is the control group of what people run in a namespace, beside
// those of containers. No container is called so.
const peopleGroup = ".exec"

// Confine puts this process, and with it what it becomes and starts, into the
// control group of the commands that people run in a network namespace of a
// lab: all of them together can have no more tasks than a container. Where the
// host does not let it make a group it changes nothing.
func Confine(lab, ns string) error {
	_, err := enterGroup(lab, ns, peopleGroup)
	return err
}

// RemoveGroups removes the control groups of a lab in which nothing runs.
func RemoveGroups(lab string) {
	if root := pidsRoot(); root != "" {
		removeGroups(groupPath(root, lab))
		_ = os.Remove(groupPath(root, "")) // unless another lab has one
	}
}

// apply sets on this thread's process what no control group does. It counts all
// processes of the user, on the whole host.
func (l limits) apply() error {
	if l.group {
		return nil
	}
	limit := unix.Rlimit{Cur: 4 * maxTasks, Max: 4 * maxTasks}
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		return fmt.Errorf("limit the number of processes: %w", err)
	}
	return nil
}

// pidsRoot returns where the control groups are that bound the number of
// tasks, or "".
func pidsRoot() string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	root := ""
	for line := range strings.Lines(string(data)) {
		before, after, _ := strings.Cut(line, " - ")
		mount, super := strings.Fields(before), strings.Fields(after)
		if len(mount) < 5 || len(super) < 3 {
			continue
		}
		switch dir := mount[4]; super[0] {
		case "cgroup":
			if containsWord(super[2], ",", "pids") {
				return dir
			}
		case "cgroup2":
			if controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers")); err == nil && containsWord(string(controllers), " ", "pids") {
				root = dir
			}
		}
	}
	return root
}

func containsWord(list, separator, word string) bool {
	for _, w := range strings.Split(strings.TrimSpace(list), separator) {
		if w == word {
			return true
		}
	}
	return false
}

// groupPath returns the control group of a container, or with fewer names the
// one around it.
func groupPath(root, lab string, names ...string) string {
	return filepath.Join(append([]string{root, "netlab", lab}, names...)...)
}

// makeGroup makes a control group and those around it. In version 2 each has to
// pass the controller on.
func makeGroup(root, group string) error {
	rel, err := filepath.Rel(root, group)
	if err != nil {
		return err
	}
	dir := root
	for _, name := range strings.Split(rel, "/") {
		control := filepath.Join(dir, "cgroup.subtree_control")
		if on, err := os.ReadFile(control); err == nil {
			if !containsWord(string(on), " ", "pids") {
				if err := os.WriteFile(control, []byte("+pids"), 0); err != nil {
					return err
				}
			}
			// Groups beside each other then share the processors equally, however
			// many tasks they have. Where that is not to be had, so be it.
			if !containsWord(string(on), " ", "cpu") {
				_ = os.WriteFile(control, []byte("+cpu"), 0)
			}
		}
		dir = filepath.Join(dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := runfile.Check(dir); err != nil { // whoever owns it could lift the limit
			return err
		}
	}
	return nil
}

// removeGroups removes the control groups in path and path itself. Those in
// which something still runs stay; what was just killed is waited for.
func removeGroups(path string) {
	deadline := time.Now().Add(emptyWithin)
	for !removeTree(path) && time.Now().Before(deadline) {
		pace(context.Background(), 0)
	}
}

// emptyWithin bounds the wait for processes that are ending.
const emptyWithin = 2 * time.Second

// removeTree reports whether there is nothing left to be removed.
func removeTree(path string) bool {
	entries, err := os.ReadDir(path)
	if err != nil {
		return true
	}
	for _, e := range entries {
		if e.IsDir() {
			removeTree(filepath.Join(path, e.Name()))
		}
	}
	return !errors.Is(os.Remove(path), unix.EBUSY)
}
