package main

import (
	"errors"
	"io/fs"

	"netlab/labs"
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
	return probe.Prober{Processes: func() ([]probe.Process, error) { return processes(h, lab) }}
}

// prober looks at a lab that is up. The machine is opened when the prober asks
// for processes.
func (sys system) prober(lab *labs.Lab) probe.Prober {
	return probe.Prober{Processes: func() ([]probe.Process, error) {
		h, err := sys.open(lab.Name)
		if err != nil {
			return nil, err
		}
		defer h.Close()
		return processes(h, lab)
	}}
}
