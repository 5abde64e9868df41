package probe

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"netlab/provision/netns"
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

// same returns the other names of the namespace of s: of this lab, of others,
// or the host's own.
func (r *run) same(s *space) (verify.Observation, error) {
	r.twinsOnce.Do(r.findTwins)
	if s.inode == 0 {
		return verify.Observation{}, fmt.Errorf("the inode of %s is not to be seen", s.name)
	}
	var o verify.Observation
	for _, name := range r.twins[s.inode] {
		if name != s.name {
			o.Same = append(o.Same, name)
		}
	}
	slices.Sort(o.Same)
	return o, nil
}

// findTwins reads the inodes of all namespaces that have a name, and of those
// of the lab.
func (r *run) findTwins() {
	r.twins = map[uint64][]string{inodeAt("/proc/self/ns/net"): {hostName}}
	for _, other := range r.spaces {
		if other.err == nil {
			r.twins[other.inode] = append(r.twins[other.inode], other.name)
		}
	}
	names, err := netns.List("")
	if err != nil {
		return // those of the lab are known all the same
	}
	for _, name := range names {
		if path, err := netns.Path(name); err == nil && r.spaces[name] == nil {
			if inode := inodeAt(path); inode != 0 {
				r.twins[inode] = append(r.twins[inode], name)
			}
		}
	}
}

// doors looks where the interfaces of a namespace lead that have another end
// in some other one.
func (r *run) doors(s *space, c *verify.Check) (o verify.Observation, err error) {
	links, err := retry(s.nl.LinkList)
	if err != nil {
		return o, fmt.Errorf("list interfaces of %s: %w", s.name, err)
	}
	known, err := r.numbersIn(s, c)
	if err != nil {
		return o, err
	}
	for _, l := range links {
		a := l.Attrs()
		if a.NetNsID >= 0 && !known[a.NetNsID] {
			o.Doors = append(o.Doors, fmt.Sprintf("interface %s of %s leads to %s", a.Name, s.name, r.farAway(s, a.NetNsID)))
		}
	}
	return o, nil
}

// numbersIn returns the numbers that a namespace has for those to which its
// cables may lead.
func (r *run) numbersIn(s *space, c *verify.Check) (map[int]bool, error) {
	known := map[int]bool{}
	paths := []string{}
	if c.More.Uplink {
		paths = append(paths, "/proc/self/ns/net")
	}
	for _, name := range c.More.Watch {
		if err := r.spaces[name].err; err == nil {
			if path, err := netns.Path(name); err == nil {
				paths = append(paths, path)
			}
		}
	}
	for _, path := range paths {
		id, err := numberOf(s, path)
		if err != nil {
			return nil, err
		}
		if id >= 0 {
			known[id] = true
		}
	}
	return known, nil
}

// numberOf returns the number that a namespace has for another one, or -1.
func numberOf(s *space, path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	id, err := s.nl.GetNetNsIdByFd(int(f.Fd()))
	if err != nil {
		return -1, fmt.Errorf("look up %s in %s: %w", path, s.name, err)
	}
	return id, nil
}

// farAway names the namespace of a number, if anybody knows it.
func (r *run) farAway(s *space, id int) string {
	if n, err := numberOf(s, "/proc/self/ns/net"); err == nil && n == id {
		return hostName
	}
	names, _ := netns.List("") // without it nobody knows
	for _, name := range names {
		if path, err := netns.Path(name); err == nil {
			if n, err := numberOf(s, path); err == nil && n == id {
				return name
			}
		}
	}
	return "a namespace without a name"
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
