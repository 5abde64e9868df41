package probe

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"netlab/verify"
)

// Process is a process of a pod, as whoever runs it knows it.
type Process struct {
	Pod       string // NAMESPACE/NAME
	Container string // "" for the pod's pause process
	PID       int    // 0: it does not run
	Ready     bool
	Over      bool   // it ended by itself, without an error
	State     string // in words
}

// hostName stands for the namespace that netlab itself is in.
const hostName = "the host"

// inodeAt returns the inode of a network namespace, or 0 if it is not to be
// seen.
func inodeAt(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

// same returns the other names of the namespace of s.
func (r *run) same(s *space, watch []string) (verify.Observation, error) {
	r.twinsOnce.Do(func() {
		r.twins = map[uint64][]string{inodeAt("/proc/self/ns/net"): {hostName}}
		for _, other := range r.spaces {
			if other.err == nil {
				r.twins[other.inode] = append(r.twins[other.inode], other.name)
			}
		}
	})
	if s.inode == 0 {
		return verify.Observation{}, fmt.Errorf("the inode of %s is not to be seen", s.name)
	}
	var o verify.Observation
	for _, name := range r.twins[s.inode] {
		if name != s.name && (name == hostName || slices.Contains(watch, name)) {
			o.Same = append(o.Same, name)
		}
	}
	slices.Sort(o.Same)
	return o, nil
}

// process looks up a container.
func (r *run) process(s *space, c *verify.Check) (o verify.Observation, err error) {
	if r.processes == nil {
		return verify.Observation{Blind: true}, nil
	}
	r.listOnce.Do(func() { r.list, r.listErr = r.processes() })
	if r.listErr != nil {
		return o, r.listErr
	}
	for _, p := range r.list {
		if p.Pod != c.From.Name || p.Container != "" && p.Container != c.More.Name {
			continue
		}
		if p.Container != "" {
			o.Present = true
			o.Process.Ready, o.Process.Over, o.Process.State = p.Ready, p.Over, p.State
		}
		if in := inodeAt("/proc/" + strconv.Itoa(p.PID) + "/ns/net"); p.PID > 0 && in != 0 && in != s.inode {
			o.Process.Outside = "the process of container " + p.Container
			if p.Container == "" {
				o.Process.Outside = "the pause process"
			}
			o.Process.Outside += " (" + strconv.Itoa(p.PID) + ")"
		}
	}
	return o, nil
}

// ownInode returns the inode of the namespace of the calling thread.
func ownInode() uint64 {
	return inodeAt(fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid()))
}
