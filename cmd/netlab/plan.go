package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/runtime"
)

func planCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "print what up would change, touching nothing",
		ArgsUsage: "LAB",
		Description: labHelp + `

A plan has one line a change: + create, ~ change in place, - delete.

Examples:
   netlab plan two-node
   netlab plan ./lab.yaml --exit-code      3 if there is something to change
   netlab plan two-node --all-instances    of a class`,
		Flags: withInstances(
			&cli.BoolFlag{Name: "exit-code", Usage: "exit with 3 if there is something to change"},
			outputFlag("text", "json"), timingsFlag(), commandsFlag(),
		),
		Action: func(c *cli.Context) error {
			if manyInstances(c) {
				return planInstances(c, sys)
			}
			if err := args(c, "LAB"); err != nil {
				return err
			}
			out := sys.output(c)
			lab, _, err := sys.load(c.Args().First())
			if err != nil {
				return err
			}
			h, err := sys.openFor(lab)
			if err != nil {
				return err
			}
			defer h.Close()
			plan, err := planLab(c.Context, h, lab, out)
			if err != nil {
				return err
			}
			if err := out.plan(lab, plan); err != nil {
				return err
			}
			if c.Bool("exit-code") && !plan.Empty() {
				return &codeError{exitDiffers, nil}
			}
			return nil
		},
	}
}

// planLab compares lab with the kernel.
func planLab(ctx context.Context, h host, lab *labs.Lab, out output) (provision.Plan, error) {
	defer out.clock.stop()
	for deadline := time.Now().Add(readyWithin); ; {
		out.clock.start("observe")
		want := wanted(h, lab)
		have, err := h.Observe(ctx, want.Hint())
		if err != nil {
			return provision.Plan{}, fmt.Errorf("observe lab %s: %w", lab.Name, err)
		}
		out.clock.start("diff")
		plan := provision.Diff(have, want)
		recent := time.Since(runtime.LastChange(runtime.Dir(h.RunDir(lab.Name)))) < readyWithin
		if !recent || !underway(plan) || time.Now().After(deadline) {
			return plan, nil
		}
		select {
		case <-time.After(planAgain):
		case <-ctx.Done():
			return plan, ctx.Err()
		}
	}
}

// planAgain is after what time a plan that may be underway is made again.
const planAgain = 50 * time.Millisecond

// underway reports whether a plan holds nothing but what the supervisor does by
// itself when pods become ready or cease to be: it may be about to.
func underway(plan provision.Plan) bool {
	for _, s := range plan.Steps {
		if s.Op != provision.Update || !followsReadiness(s.Object) {
			return false
		}
	}
	return len(plan.Steps) > 0
}
