package kernel

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"

	"netlab/provision"
	"netlab/provision/runtime"
)

// Runtime returns the part of a lab's runtime directory that is package
// runtime's.
func (h *Host) Runtime(lab string) runtime.Dir { return runtime.Dir(h.dir.lab(lab)) }

func (h *Host) doPause(op provision.Op, p provision.Pause) error {
	dir := h.Runtime(labOf(p.NS))
	h.mu.Lock()
	known := h.pauses[p.NS]
	delete(h.pauses, p.NS)
	h.mu.Unlock()
	if op == provision.Delete {
		return runtime.EndPause(dir, p.NS, known)
	}
	id, err := runtime.StartPause(dir, p, known)
	if err == nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pauses[p.NS] = id
	}
	return err
}

func (h *Host) doSupervisor(ctx context.Context, op provision.Op, s provision.Supervisor) error {
	if err := checkLab(s.Lab); err != nil {
		return err
	}
	if op == provision.Delete {
		_, err := runtime.EndSupervisor(ctx, h.Runtime(s.Lab), s.Lab)
		return err
	}
	return runtime.StartSupervisor(ctx, h.Runtime(s.Lab), s, h.program)
}

// EndSupervisor ends the supervisor of a lab and its containers, before
// anything they stand on is taken away. It returns how many processes it ended.
func (h *Host) EndSupervisor(ctx context.Context, lab string) (int, error) {
	if err := checkLab(lab); err != nil {
		return 0, err
	}
	return runtime.EndSupervisor(ctx, h.Runtime(lab), lab)
}

// processes reads what runs of a lab.
func (h *Host) processes(lab string) ([]provision.Object, error) {
	var objects []provision.Object
	pauses, who, err := runtime.Pauses(h.Runtime(lab), lab)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	maps.DeleteFunc(h.pauses, func(ns string, _ runtime.Identity) bool { return labOf(ns) == lab })
	maps.Copy(h.pauses, who)
	h.mu.Unlock()
	for _, p := range pauses {
		objects = append(objects, p)
	}
	s, there, err := runtime.ObserveSupervisor(h.Runtime(lab), lab)
	if there {
		objects = append(objects, s)
	}
	return objects, err
}

// groupRange is a parameter that names users' groups.
const groupRange = "net.ipv4.ping_group_range"

// settable returns the value that stands for s.Value here: in a user namespace
// the kernel takes no group that the namespace does not have.
func settable(s provision.Sysctl) string {
	var low, high uint64
	if s.Name != groupRange {
		return s.Value
	}
	if _, err := fmt.Sscan(s.Value, &low, &high); err != nil || low > high {
		return s.Value
	}
	data, err := os.ReadFile("/proc/self/gid_map")
	if err != nil {
		return s.Value
	}
	last := uint64(0)
	for line := range strings.Lines(string(data)) {
		var first, outside, count uint64
		if _, err := fmt.Sscan(line, &first, &outside, &count); err == nil && first <= low && low < first+count {
			last = first + count - 1
		}
	}
	return fmt.Sprintf("%d %d", low, max(low, min(high, last)))
}
