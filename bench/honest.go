package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/kernel"
)

// honest reports what of a lab is not in the kernel, or is there beside it,
// once somebody else than netlab has made it. Files and what witnesses that a
// namespace is netlab's do not count.
func honest(lab *labs.Lab) error {
	h, err := kernel.Open(kernel.Options{})
	if err != nil {
		return err
	}
	defer h.Close()
	want := provision.Desired(lab)
	have, err := h.Observe(context.Background(), want.Hint())
	if err != nil {
		return err
	}
	plan := provision.Diff(have, want)
	for _, s := range plan.Steps {
		switch o := s.Object.(type) {
		case provision.File:
			continue
		case provision.Namespace:
			if old, ok := s.Old.(provision.Namespace); ok {
				if old.Names, old.Witness = o.Names, o.Witness; old == o {
					continue
				}
			}
		}
		return fmt.Errorf("what was made is not what netlab makes: %v", s)
	}
	return nil
}

// look lists, by the tools that people use, what is in the namespaces of a lab:
// the second opinion of an observer that knows nothing of netlab.
func look(lab *labs.Lab) (string, error) {
	var all string
	for _, ns := range slices.Sorted(slices.Values(provision.Desired(lab).Namespaces())) {
		for _, args := range [][]string{
			{"ip", "-n", ns, "-j", "-d", "link"}, {"ip", "-n", ns, "-j", "addr"}, {"ip", "-n", ns, "-j", "route", "show", "table", "all"},
			{"ip", "-n", ns, "-j", "neigh", "show", "nud", "permanent"}, {"bridge", "-n", ns, "-j", "fdb"},
		} {
			out, err := exec.Command(args[0], args[1:]...).Output()
			if err != nil {
				return "", fmt.Errorf("%v: %w", args, err)
			}
			var list []any
			if len(out) > 0 {
				if err := json.Unmarshal(out, &list); err != nil {
					return "", fmt.Errorf("%v: %w", args, err)
				}
			}
			lines := make([]string, len(list))
			for i, o := range list {
				text, err := json.Marshal(lasting(o))
				if err != nil {
					return "", err
				}
				lines[i] = string(text)
			}
			slices.Sort(lines)
			for _, l := range lines {
				all += fmt.Sprintln(ns, args[3:], l)
			}
		}
	}
	return all, nil
}

// lasting returns a value without what differs between two of the same: the
// numbers of interfaces, timers, and what is derived from them.
func lasting(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = lasting(v[i])
		}
	case map[string]any:
		for k, inner := range v {
			switch k {
			case "ifindex", "link_index", "link_netnsid", "port_no", "port_id", "bridge_id", "root_id", "designated_port", "designated_bridge",
				"designated_root", "bridge", "root", "gc_timer", "hello_timer", "tcn_timer", "topology_change_timer", "stats", "stats64", "no", "id", "link_netns",
				"operstate", "flags", "message_age_timer", "forward_delay_timer", "hold_timer", "linkmode", "preferred_life_time", "valid_life_time":
				delete(v, k)
			default:
				v[k] = lasting(inner)
			}
		}
	}
	return v
}
