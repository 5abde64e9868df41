package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/runtime"
)

func statusCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "labs, nodes, pods, services, addresses, health",
		ArgsUsage: "[LAB]",
		Description: labHelp + `

HEALTH is ok, or how many things "netlab up" would mend; "netlab plan" names them.
Without LAB all labs on this host are shown.

Examples:
   netlab status
   netlab status two-node -o wide          with MACs and interfaces
   netlab status two-node -o json | jq .
   netlab status two-node --all-instances --watch     a class, in place
   netlab status --watch --verify                     all labs, with their checks`,
		Flags: withInstances(append(watchFlags(), outputFlag("table", "wide", "json", "yaml"), timingsFlag())...),
		Action: func(c *cli.Context) error {
			if manyInstances(c) {
				return statusInstances(c, sys)
			}
			if c.NArg() > 1 {
				return args(c, "[LAB]")
			}
			out := sys.output(c)
			if c.Bool("watch") || c.Bool("verify") {
				return sys.watchLabs(c, out)
			}
			if c.NArg() == 1 {
				lab, _, err := sys.load(c.Args().First())
				if err != nil {
					return err
				}
				return status(c.Context, sys, []*labs.Lab{lab}, out)
			}
			return statusAll(c.Context, sys, out)
		},
	}
}

// statusAll shows every lab of which anything is left on this host. A lab
// whose file was lost or no longer parses is named on standard error.
func statusAll(ctx context.Context, sys system, out output) error {
	names, err := sys.runningLabs()
	if err != nil {
		return err
	}
	var all []*labs.Lab
	var errs []error
	for _, name := range names {
		src, err := sys.savedLab(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("lab %s: its file is not known; \"netlab down %s\" removes it", name, name))
			continue
		}
		lab, diagnostics := src.lab()
		if lab == nil {
			errs = append(errs, diagnostics)
			continue
		}
		all = append(all, lab)
	}
	if len(names) == 0 && out.format != "json" && out.format != "yaml" {
		fmt.Fprintln(out.stdout, "no lab is up; \"netlab list\" shows the labs that ship")
		return nil
	}
	return errors.Join(append(errs, status(ctx, sys, all, out))...)
}

func status(ctx context.Context, sys system, all []*labs.Lab, out output) error {
	views := []labView{}
	for _, lab := range all {
		view, err := sys.inspect(ctx, lab, out)
		if err != nil {
			return err
		}
		views = append(views, view)
	}
	switch out.format {
	case "json":
		return out.json(views)
	case "yaml":
		return out.yaml(views)
	}
	for i, v := range views {
		if i > 0 {
			fmt.Fprintln(out.stdout)
		}
		fmt.Fprintf(out.stdout, "lab %s is %s", v.Name, v.State)
		if v.Changes > 0 && v.State != "down" {
			fmt.Fprintf(out.stdout, ": %d differences from its file; \"netlab plan %s\" names them, \"netlab up %s\" mends them", v.Changes, v.Name, v.Name)
		}
		fmt.Fprint(out.stdout, "\n\n")
		if err := v.writeTable(out.stdout, tableOptions{health: true, wide: out.format == "wide"}); err != nil {
			return err
		}
		if err := v.writeContainers(out.stdout); err != nil {
			return err
		}
		if err := v.People.write(out.stdout, v.Name); err != nil {
			return err
		}
	}
	return nil
}

// inspect opens the machine and does the same as the other.
func (sys system) inspect(ctx context.Context, lab *labs.Lab, out output) (labView, error) {
	h, err := sys.open(lab.Name)
	if err != nil {
		return labView{}, err
	}
	defer h.Close()
	return inspect(ctx, h, lab, out)
}

// inspect compares lab with the kernel and says how each part of it is.
func inspect(ctx context.Context, h host, lab *labs.Lab, out output) (labView, error) {
	out.clock.start("observe")
	want := wanted(h, lab)
	have, err := h.Observe(ctx, want.Hint())
	if err != nil {
		return labView{}, fmt.Errorf("observe lab %s: %w", lab.Name, err)
	}
	out.clock.stop()
	plan := provision.Diff(have, want)
	changes := map[string]int{}
	for _, s := range plan.Steps {
		changes[s.Object.Key().NS]++
	}
	v := viewOf(asReady(h, lab), func(ns string) string {
		o, ok := have.Get(provision.Namespace{Name: ns}.Key())
		switch {
		case !ok || o.(provision.Namespace).Condition == provision.Remains:
			return "missing"
		case o.(provision.Namespace).Condition == provision.Foreign:
			return "foreign"
		case changes[ns] == 1:
			return "1 difference"
		case changes[ns] > 1:
			return fmt.Sprintf("%d differences", changes[ns])
		}
		return "ok"
	})
	v.containersOf(lab, runtime.Dir(h.RunDir(lab.Name)))
	if v.People, err = peopleIn(ctx, h, soundNamespaces(have)); err != nil {
		return labView{}, err
	}
	v.Changes = len(plan.Steps)
	for _, s := range plan.Steps {
		v.Differences = append(v.Differences, s.String())
	}
	for _, c := range plan.Conflicts {
		v.Differences = append(v.Differences, "! "+c.Error())
	}
	v.State = stateOf(have, plan)
	return v, nil
}

func stateOf(have provision.State, plan provision.Plan) string {
	switch {
	case len(plan.Conflicts) > 0:
		return "in conflict"
	case len(soundNamespaces(have)) == 0:
		return "down"
	case plan.Empty():
		return "up"
	}
	return "drifted"
}
