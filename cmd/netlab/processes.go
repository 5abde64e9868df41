package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/runtime"
	"netlab/verify/probe"
)

// processes lists what runs in the pods of a lab, as its supervisor says, and
// the pause processes.
func processes(h host, lab *labs.Lab) ([]probe.Process, error) {
	dir := runtime.Dir(h.RunDir(lab.Name))
	state, err := runtime.LoadState(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []probe.Process
	for _, p := range state.Pods {
		for _, c := range p.Containers {
			one := probe.Process{
				Pod: p.ID, Container: c.Name, PID: c.PID, Ready: c.Ready, State: c.Describe(),
				Over: c.Phase == runtime.Terminated && c.ExitCode != nil && *c.ExitCode == 0,
			}
			if !c.Alive() {
				one.PID = 0
				if c.Phase == runtime.Running {
					one.Ready, one.State = false, "its process has ended, and no supervisor noticed"
				}
			}
			list = append(list, one)
		}
	}
	_, pauses, err := runtime.Pauses(dir, lab.Name)
	if err != nil {
		return nil, err
	}
	for i := range lab.Pods {
		if id, ok := pauses[lab.Pods[i].NS]; ok {
			list = append(list, probe.Process{Pod: lab.Pods[i].ID(), PID: id.PID})
		}
	}
	return list, nil
}

// prober looks at a lab that is up.
func prober(h host, lab *labs.Lab) probe.Prober {
	return probe.Prober{
		TunnelPort: lab.Network.VXLANPort,
		Processes:  func() ([]probe.Process, error) { return processes(h, lab) },
		Plan:       func(ctx context.Context) (provision.Plan, error) { return compare(ctx, h, lab) },
	}
}

// prober looks at a lab that is up. The machine is opened when the prober asks
// for it.
func (sys system) prober(lab *labs.Lab) probe.Prober {
	return probe.Prober{
		TunnelPort: lab.Network.VXLANPort,
		Processes: func() ([]probe.Process, error) {
			h, err := sys.open(lab.Name)
			if err != nil {
				return nil, err
			}
			defer h.Close()
			return processes(h, lab)
		},
		Plan: func(ctx context.Context) (provision.Plan, error) {
			h, err := sys.open(lab.Name)
			if err != nil {
				return provision.Plan{}, err
			}
			defer h.Close()
			return compare(ctx, h, lab)
		},
	}
}

// compare returns what would make the kernel equal to a lab.
func compare(ctx context.Context, h host, lab *labs.Lab) (provision.Plan, error) {
	want := wanted(h, lab)
	have, err := h.Observe(ctx, want.Hint())
	if err != nil {
		return provision.Plan{}, fmt.Errorf("observe lab %s: %w", lab.Name, err)
	}
	return provision.Diff(have, want), nil
}
