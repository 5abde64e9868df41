package main

import (
	"io"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"

	"netlab/labs"
	"netlab/provision/runtime"
)

// containersOf fills in what runs in the pods of v.
func (v *labView) containersOf(lab *labs.Lab, dir runtime.Dir) {
	state, err := runtime.LoadState(dir)
	if err != nil {
		state = runtime.State{} // nothing was ever started
	}
	for i := range lab.Pods {
		p := &lab.Pods[i]
		known := state.Pod(p.ID())
		for _, c := range p.Containers {
			is := runtime.ContainerState{Name: c.Name, Phase: runtime.Waiting}
			if known != nil {
				for _, s := range known.Containers {
					if s.Name == c.Name {
						is = s
					}
				}
			}
			if is.Phase == runtime.Running && !state.Supervisor.Alive() && !is.Alive() { // both have died
				is.Phase, is.Reason, is.Ready = runtime.Terminated, runtime.Failed, false
			}
			v.Pods[i].Containers = append(v.Pods[i].Containers, is)
		}
	}
}

// writeContainers lists the containers of all pods.
func (v labView) writeContainers(w io.Writer) error {
	t := newTable(w)
	t.AppendHeader(table.Row{"POD", "CONTAINER", "STATE", "READY", "RESTARTS", "LAST EXIT CODE"})
	for _, p := range v.Pods {
		name := p.Name
		if p.K8sNamespace != "default" {
			name = p.K8sNamespace + "/" + name
		}
		for _, c := range p.Containers {
			state, code, ready := string(c.Phase), "", "no"
			if c.Reason != "" {
				state = c.Reason
			}
			if c.Message != "" {
				state += ": " + c.Message
			}
			if c.ExitCode != nil {
				code = strconv.Itoa(*c.ExitCode)
			}
			if c.Ready {
				ready = "yes"
			}
			t.AppendRow(table.Row{name, c.Name, state, ready, c.Restarts, code})
			name = ""
		}
	}
	if t.Length() == 0 {
		return nil
	}
	_, err := io.WriteString(w, "\n"+render(t))
	return err
}
