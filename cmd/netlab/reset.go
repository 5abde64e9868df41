package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision"
)

func resetCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "reset",
		Usage:     "make a lab as if it had just come up, whatever was done to it",
		ArgsUsage: "LAB [POD|NODE|BRIDGE...]",
		Description: labHelp + `

What up does, and also: processes that people started end, containers start
anew, rules, tables and chains of people go, also where up keeps them, and the
kernel forgets connections, neighbours, MACs and affinity. With names only these
pods, nodes and bridges are reset.

Examples:
   netlab reset two-node
   netlab reset two-node node-a client
   netlab reset two-node --hard           down and up
   netlab reset two-node --instance 7     of a class
   netlab reset two-node --all-instances`,
		Flags: withInstances(
			&cli.BoolFlag{Name: "hard", Usage: "remove it and make it again"},
			allowUsersFlag(), lockTimeoutFlag(), outputFlag("text", "json"), timingsFlag(), commandsFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing when all is well"},
		),
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return args(c, "LAB")
			}
			if manyInstances(c) {
				return resetInstances(c, sys)
			}
			return reset(c.Context, sys, c.Args().Slice(), resetOptions{
				out: sys.output(c), hard: c.Bool("hard"), allowUsers: c.Bool("allow-users"), lockTimeout: c.Duration("lock-timeout"),
			})
		},
	}
}

type resetOptions struct {
	out         output
	hard        bool
	allowUsers  bool // as in upOptions
	lockTimeout time.Duration
}

// resetReport is what reset found and did, in JSON. It is part of the
// interface.
type resetReport struct {
	planView              // what people had changed
	ForeignRules []string `json:"foreignRules"` // rules, chains and tables of people that were removed
	Processes    int      `json:"processesEnded"`
	DurationMS   float64  `json:"durationMs"`
}

func reset(ctx context.Context, sys system, words []string, opts resetOptions) error {
	lab, src, err := sys.load(words[0])
	if err != nil {
		return err
	}
	scope, err := namespacesOfRefs(lab, words[1:])
	if err != nil {
		return err
	}
	h, err := sys.openFor(lab)
	if err != nil {
		return err
	}
	defer h.Close()
	if opts.hard && len(scope) == 0 {
		done, err := remake(ctx, h, lab, src, opts)
		if err != nil {
			return err
		}
		return opts.out.up(done.lab, done.plan, done.took, nil)
	}
	done, err := resetLab(ctx, h, lab, src, scope, opts)
	if err != nil {
		return err
	}
	return opts.out.reset(lab.Name, done.found, done.report)
}

// remake takes a lab down and brings it up again.
func remake(ctx context.Context, h host, lab *labs.Lab, src source, opts resetOptions) (upResult, error) {
	again := upOptions{out: opts.out, lockTimeout: opts.lockTimeout, noExec: ranNothing(h, lab.Name), allowUsers: true}
	if !opts.allowUsers && !again.noExec { // before all is forgotten
		if err := checkUsers(h, lab); err != nil {
			return upResult{}, err
		}
	}
	if _, err := takeDown(ctx, h, lab.Name, opts.out, opts.lockTimeout); err != nil {
		return upResult{}, err
	}
	return raise(ctx, h, lab, src, again)
}

// resetResult is what reset found and did.
type resetResult struct {
	found  provision.Plan // what people had changed
	report resetReport
}

// resetLab resets what is in scope, or all of the lab, under the lab's lock.
func resetLab(ctx context.Context, h host, lab *labs.Lab, src source, scope []string, opts resetOptions) (resetResult, error) {
	if !opts.allowUsers && !ranNothing(h, lab.Name) {
		if err := checkUsers(h, lab); err != nil {
			return resetResult{}, err
		}
	}
	unlock, err := h.Lock(ctx, lab.Name, opts.lockTimeout)
	if err != nil {
		return resetResult{}, err
	}
	defer unlock()
	var done resetResult
	err = journaled(h.RunDir(lab.Name), "reset "+src.file, func() (err error) {
		done, err = resetter{h, lab, src, scope, opts}.run(ctx)
		return err
	})
	return done, err
}

// namespacesOfRefs returns the namespaces of what people name.
func namespacesOfRefs(lab *labs.Lab, names []string) ([]string, error) {
	var list []string
	for _, name := range names {
		ns, err := namespaceOf(lab, name)
		if err != nil {
			return nil, &codeError{exitUsage, err}
		}
		list = append(list, ns)
	}
	return list, nil
}

// resetter resets a lab whose lock it holds. An empty scope is all of the lab.
type resetter struct {
	h     host
	lab   *labs.Lab
	src   source
	scope []string
	opts  resetOptions
}

func (r resetter) run(ctx context.Context) (resetResult, error) {
	out := r.opts.out
	noExec := ranNothing(r.h, r.lab.Name)
	if noExec { // it came up so
		r.lab = r.lab.WithoutContainers()
	}
	out.clock.start("observe")
	want := wanted(r.h, r.lab)
	have, err := r.h.Observe(ctx, want.Hint())
	if err != nil {
		return resetResult{}, fmt.Errorf("observe lab %s: %w", r.lab.Name, err)
	}
	spaces := soundNamespaces(have)
	if len(r.scope) > 0 {
		spaces = slices.DeleteFunc(spaces, func(ns string) bool { return !slices.Contains(r.scope, ns) })
	}
	want = want.Strict(spaces)
	found := r.plan(have, want) // what people did, before anything is cleaned
	if len(found.Conflicts) > 0 {
		return resetResult{found: found}, apply(ctx, r.h, r.lab.Name, found, out)
	}
	if err := saveLab(r.h, r.lab, r.src, noExec); err != nil {
		return resetResult{}, err
	}
	report := resetReport{planView: viewPlan(r.lab.Name, found), ForeignRules: []string{}}
	out.clock.start("clean")
	restart, err := r.endContainers(ctx, have)
	if err != nil {
		return resetResult{}, err
	}
	if err := r.clean(ctx, have, spaces, &report); err != nil {
		return resetResult{}, err
	}
	out.clock.start("apply")
	if have, err = r.h.Observe(ctx, want.Hint()); err != nil {
		return resetResult{}, fmt.Errorf("observe lab %s: %w", r.lab.Name, err)
	}
	if err := apply(ctx, r.h, r.lab.Name, r.plan(have, want), out); err != nil {
		return resetResult{}, err
	}
	if err := restart(); err != nil {
		return resetResult{}, err
	}
	out.clock.start("forget")
	for _, ns := range spaces {
		err := r.h.Forget(ns)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was no part of the lab, and is gone
		}
		if err != nil {
			return resetResult{}, fmt.Errorf("forget what was learned in %s: %w", ns, err)
		}
	}
	if _, ok := want.Get(provision.Supervisor{Lab: r.lab.Name}.Key()); ok {
		out.clock.start("ready")
		if err := settleReadiness(ctx, r.h, r.lab, want, out); err != nil {
			return resetResult{}, err
		}
	}
	out.clock.stop()
	report.DurationMS = float64(out.clock.elapsed().Microseconds()) / 1000
	return resetResult{found, report}, nil
}

// plan is what is to do, in the scope only.
func (r resetter) plan(have, want provision.State) provision.Plan {
	if len(r.scope) > 0 {
		want = want.Within(have, r.scope)
	}
	return provision.Diff(have, want)
}

// clean ends processes and removes what people added and up would keep.
func (r resetter) clean(ctx context.Context, have provision.State, spaces []string, report *resetReport) error {
	strays, err := r.h.Strays(ctx, spaces)
	if err != nil {
		return err
	}
	if _, err := r.h.EndProcesses(ctx, spaces); err != nil {
		return err
	}
	report.Processes = len(strays)
	for _, ns := range spaces {
		rules, err := r.h.RemoveForeignRules(ctx, ns)
		if err != nil {
			return err
		}
		for _, rule := range rules {
			report.ForeignRules = append(report.ForeignRules, ns+": "+rule)
		}
	}
	if !r.opts.hard {
		return nil
	}
	for _, step := range provision.Diff(have, provision.NewState(r.lab.Name)).Steps {
		if slices.ContainsFunc(step.Object.Claims(), func(k provision.Key) bool { return slices.Contains(spaces, k.NS) }) {
			if err := r.h.Do(ctx, step); err != nil {
				return err
			}
		}
	}
	return r.h.Settle(ctx)
}

// endContainers ends the containers that are to start anew: all, or those of
// the pods in the scope, which their supervisor is told to do without until
// restart is called.
func (r resetter) endContainers(ctx context.Context, have provision.State) (restart func() error, err error) {
	nothing := func() error { return nil }
	o, ok := have.Get(provision.Supervisor{Lab: r.lab.Name}.Key())
	if !ok {
		return nothing, nil
	}
	if len(r.scope) == 0 {
		_, err := r.h.EndSupervisor(ctx, r.lab.Name)
		return nothing, err
	}
	sup := o.(provision.Supervisor)
	work, err := provision.ParseWorkload(sup.Spec)
	if err != nil {
		return nil, err
	}
	work.Pods = slices.DeleteFunc(work.Pods, func(p provision.PodWorkload) bool { return slices.Contains(r.scope, p.NS) })
	full := sup
	full.Process, full.Stray = provision.Running, ""
	less := full
	less.Spec = work.String()
	if less.Spec == full.Spec {
		return nothing, nil
	}
	restart = func() error { return r.h.Do(ctx, provision.Step{Op: provision.Update, Object: full, Old: less}) }
	return restart, r.h.Do(ctx, provision.Step{Op: provision.Update, Object: less, Old: sup})
}

// reset says what people had changed and that it is gone.
func (o output) reset(name string, found provision.Plan, r resetReport) error {
	if o.format == "json" {
		return o.json(r)
	}
	if o.quiet {
		return nil
	}
	if !found.Empty() {
		o.shorten(found)
	}
	for _, rule := range r.ForeignRules {
		fmt.Fprint(o.stdout, o.paint("- rule "+rule+"\n"))
	}
	_, err := fmt.Fprintf(o.stdout, "lab %s is reset in %.0f ms: %s\n", name, r.DurationMS, resetResult{found, r}.undone())
	return err
}

// undone says how much was changed.
func (r resetResult) undone() string {
	text := "nothing had been changed"
	if n := len(r.found.Steps) + len(r.report.ForeignRules); n > 0 {
		text = number(n, "change") + " undone"
	}
	if r.report.Processes > 0 {
		text += ", " + number(r.report.Processes, "process") + " ended"
	}
	return text
}
