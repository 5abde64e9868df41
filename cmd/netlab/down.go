package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision"
)

func downCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "down",
		Usage:     "remove all of a lab and wait until the kernel has let go",
		ArgsUsage: "LAB",
		Description: `LAB is the name of the lab or its file; the file may have mistakes by now.
Whatever runs in the lab's namespaces is ended.

Examples:
   netlab down two-node
   netlab down two-node --instance 3,7-9   of a class
   netlab down --all --yes`,
		Flags: withInstances(
			&cli.BoolFlag{Name: "all", Usage: "all labs on this host"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask before --all"},
			lockTimeoutFlag(), outputFlag("text", "json"), timingsFlag(), commandsFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing when all is well"},
		),
		Action: func(c *cli.Context) error {
			if manyInstances(c) && !c.Bool("all") {
				return downInstances(c, sys)
			}
			out := sys.output(c)
			if c.Bool("all") {
				if err := args(c); err != nil {
					return err
				}
				return downAll(c.Context, sys, out, c.Bool("yes"), c.Duration("lock-timeout"))
			}
			if err := args(c, "LAB"); err != nil {
				return err
			}
			name, err := sys.name(c.Args().First())
			if err != nil {
				return err
			}
			return down(c.Context, sys, name, out, c.Duration("lock-timeout"))
		},
	}
}

// down removes a lab and says so.
func down(ctx context.Context, sys system, name string, out output, wait time.Duration) error {
	h, err := sys.open(name)
	if err != nil {
		return err
	}
	defer h.Close()
	done, err := takeDown(ctx, h, name, out, wait)
	if err != nil {
		return err
	}
	if done.plan.Empty() && done.processes == 0 && out.format == "text" && !out.quiet {
		if there, err := h.Labs(); err == nil {
			if near := nearest(name, there); near != "" && near != name {
				fmt.Fprintf(out.stderr, "lab %s is up; did you mean that one?\n", near)
			}
		}
	}
	return out.down(name, done.plan, done.processes)
}

// downResult is what down has done. Both are nothing where there was no lab.
type downResult struct {
	plan      provision.Plan
	processes int // that were ended
}

// takeDown plans towards nothing, under the lab's lock.
func takeDown(ctx context.Context, h host, name string, out output, wait time.Duration) (downResult, error) {
	var done downResult
	if !labs.ValidName(name) {
		return done, usageError("%q is not the name of a lab", name)
	}
	there, err := h.Labs()
	if err != nil {
		return done, err
	}
	if !contains(there, name) {
		return done, nil
	}
	unlock, err := h.Lock(ctx, name, wait)
	if err != nil {
		return done, err
	}
	defer unlock()
	out.clock.start("observe")
	have, err := h.Observe(ctx, provision.State{Lab: name}.Briefly())
	if err != nil {
		return done, fmt.Errorf("observe lab %s: %w", name, err)
	}
	out.clock.start("processes")
	supervised, err := h.EndSupervisor(ctx, name)
	if err != nil {
		return done, err
	}
	ended, err := h.EndProcesses(ctx, soundNamespaces(have))
	if err != nil {
		return done, err
	}
	done.processes = ended + supervised
	out.clock.start("remove")
	done.plan = provision.Diff(have, provision.State{Lab: name})
	if err := apply(ctx, h, name, done.plan, out); err != nil {
		return done, err
	}
	out.clock.start("release")
	settle, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := h.Settle(settle); err != nil {
		return done, fmt.Errorf("lab %s is removed, but the kernel has not released it yet: %w", name, err)
	}
	if err := h.RemoveRunDir(name); err != nil {
		return done, err
	}
	out.clock.stop()
	return done, nil
}

// soundNamespaces lists the namespaces of a state that are there and ours.
func soundNamespaces(s provision.State) []string {
	var names []string
	for o := range s.All() {
		if n, ok := o.(provision.Namespace); ok && n.Condition == provision.Sound {
			names = append(names, n.Name)
		}
	}
	return names
}

// settleTimeout bounds the wait for the kernel. It is generous: the kernel
// needs about a second for a thousand pods.
const settleTimeout = 60 * time.Second

func downAll(ctx context.Context, sys system, out output, yes bool, wait time.Duration) error {
	names, err := sys.runningLabs()
	if err != nil {
		return err
	}
	if len(names) > 0 && !yes && !sys.confirm(fmt.Sprintf("remove %d lab(s): %s?", len(names), join(names))) {
		return usageError("nothing removed\n    hint: answer y, or give --yes where nobody can be asked")
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, down(ctx, sys, name, out, wait))
	}
	if len(names) == 0 {
		return out.down("", provision.Plan{}, 0)
	}
	return errors.Join(errs...)
}
