package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision"
	"netlab/verify"
)

func upCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "up",
		Usage:     "make the kernel equal to the lab, whatever it was before",
		ArgsUsage: "LAB",
		Description: labHelp + `

Examples:
   netlab up two-node                 a lab that ships
   netlab up ./lab.yaml               a file
   netlab up ./lab.yaml --verify      and run its checks
   netlab up two-node --instances 30  thirty of it side by side, for a class`,
		Flags: withInstances(
			&cli.BoolFlag{Name: "verify", Usage: "run the lab's checks when it is up; exit code 3 if one fails"},
			&cli.DurationFlag{Name: "wait", Usage: "like --verify, and look again for up to `DURATION` until everything is ready and all checks pass"},
			&cli.BoolFlag{Name: "rollback", Usage: "if a step fails, return to the lab that was applied before"},
			lockTimeoutFlag(),
			&cli.BoolFlag{Name: "no-exec", Usage: "run no containers: the network only, of a file that is not trusted"},
			allowUsersFlag(),
			outputFlag("text", "json"), timingsFlag(), commandsFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing when all is well"},
		),
		Action: func(c *cli.Context) error {
			if manyInstances(c) {
				return upInstances(c, sys)
			}
			if err := args(c, "LAB"); err != nil {
				return err
			}
			out := sys.output(c)
			return up(c.Context, sys, c.Args().First(), upOptions{out: out, verify: c.Bool("verify") || c.Duration("wait") > 0, wait: c.Duration("wait"), noExec: c.Bool("no-exec"), allowUsers: c.Bool("allow-users"), rollback: c.Bool("rollback"), lockTimeout: c.Duration("lock-timeout")})
		},
	}
}

type upOptions struct {
	out    output
	verify bool
	wait   time.Duration // how long to look again at what is not well
	noExec bool          // run no containers

	allowUsers bool // containers may run as root and other users of the host

	rollback    bool // return to what was applied before if a step fails
	lockTimeout time.Duration
}

func lockTimeoutFlag() cli.Flag {
	return &cli.DurationFlag{Name: "lock-timeout", Value: lockTimeout, Usage: "wait `DURATION` for another netlab that changes the lab"}
}

// up is observe, diff, apply, and a look at the result.
func up(ctx context.Context, sys system, arg string, opts upOptions) error {
	lab, src, err := sys.load(arg)
	if err != nil {
		return err
	}
	if src.noExec { // what it did before does not count
		lab, _ = src.lab()
	}
	return upLab(ctx, sys, lab, src, opts)
}

func upLab(ctx context.Context, sys system, lab *labs.Lab, src source, opts upOptions) error {
	h, err := sys.openFor(lab)
	if err != nil {
		return err
	}
	defer h.Close()
	done, err := raise(ctx, h, lab, src, opts)
	if err != nil {
		return err
	}
	if done.report != nil {
		if err := sys.explainFailures(ctx, done.lab, done.report, opts.out); err != nil {
			fmt.Fprintf(opts.out.stderr, "netlab: not everything that failed could be looked at: %v\n", err)
		}
	}
	if err := opts.out.up(done.lab, done.plan, done.took, done.report); err != nil {
		return err
	}
	return done.verdict()
}

// upResult is what up has done.
type upResult struct {
	lab    *labs.Lab // with the endpoints that its containers make
	plan   provision.Plan
	took   time.Duration
	report *verify.Report // nil unless checks were made
}

func (r upResult) verdict() error {
	if r.report == nil {
		return nil
	}
	return verdict(*r.report)
}

// raise makes the kernel equal to lab, under the lab's lock.
func raise(ctx context.Context, h host, lab *labs.Lab, src source, opts upOptions) (upResult, error) {
	if !opts.allowUsers && !opts.noExec {
		if err := checkUsers(h, lab); err != nil {
			return upResult{}, err
		}
	}
	before := isThere(h.RunDir(lab.Name))
	unlock, err := h.Lock(ctx, lab.Name, opts.lockTimeout)
	if err != nil {
		return upResult{}, err
	}
	defer unlock()
	var done upResult
	err = journaled(h.RunDir(lab.Name), "up "+src.file, func() (err error) {
		if opts.rollback {
			done, err = convergeOrReturn(ctx, h, lab, src, opts)
		} else {
			done, err = converge(ctx, h, lab, src, opts)
		}
		return err
	})
	if !before && err != nil && !isThere(filepath.Join(h.RunDir(lab.Name), "lab.yaml")) {
		err = errors.Join(err, h.RemoveRunDir(lab.Name)) // nothing was done
	}
	return done, err
}

// converge makes the kernel equal to lab. The caller holds the lab's lock.
func converge(ctx context.Context, h host, lab *labs.Lab, src source, opts upOptions) (upResult, error) {
	if opts.noExec {
		lab = lab.WithoutContainers()
	}
	opts.out.clock.start("observe")
	want := wanted(h, lab)
	have, err := h.Observe(ctx, want.Hint())
	if err != nil {
		return upResult{}, fmt.Errorf("observe lab %s: %w", lab.Name, err)
	}
	opts.out.clock.start("diff")
	plan := provision.Diff(have, want)
	if len(plan.Conflicts) > 0 {
		return upResult{}, apply(ctx, h, lab.Name, plan, opts.out)
	}
	if err := preflight(h, lab, plan); err != nil {
		return upResult{}, err
	}
	if err := saveLab(h, lab, src, opts.noExec); err != nil {
		return upResult{}, err
	}
	opts.out.clock.start("apply")
	err = apply(ctx, h, lab.Name, plan, opts.out)
	if err == nil {
		err = forgetLies(h, have, plan)
	}
	opts.out.clock.stop()
	if err != nil {
		return upResult{}, err
	}
	if _, ok := want.Get(provision.Supervisor{Lab: lab.Name}.Key()); ok {
		opts.out.clock.start("ready")
		if err := settleReadiness(ctx, h, lab, want, opts.out); err != nil {
			return upResult{}, err
		}
		opts.out.clock.stop()
	}
	done := upResult{lab: asReady(h, lab), plan: plan, took: opts.out.clock.elapsed()}
	if opts.verify {
		report, err := check(ctx, done.lab, prober(h, lab), opts.out, verify.Options{Wait: opts.wait})
		if err != nil {
			return done, err
		}
		if err := explainOn(ctx, h, done.lab, &report, opts.out); err != nil {
			fmt.Fprintf(opts.out.stderr, "netlab: not everything that failed could be looked at: %v\n", err)
		}
		done.report = &report
	}
	return done, nil
}

// forgetLies makes the kernel forget what it learned of a lab that was not as its
// file says: neighbours from somebody else, and ways that routers told.
func forgetLies(h host, have provision.State, plan provision.Plan) error {
	err := h.ForgetMisled()
	ways := map[provision.Kind]bool{provision.KindRoute: true, provision.KindRule: true, provision.KindAddr: true, provision.KindLink: true}
	if slices.ContainsFunc(plan.Steps, func(s provision.Step) bool { return ways[s.Object.Key().Kind] }) {
		err = errors.Join(err, h.ForgetRoutes(have.Namespaces()))
	}
	return err
}

// convergeOrReturn does the same, and if a step fails makes the lab again what
// it was before: the lab that was applied last, or nothing.
func convergeOrReturn(ctx context.Context, h host, lab *labs.Lab, src source, opts upOptions) (upResult, error) {
	file, data, loadErr := h.LoadLab(lab.Name)
	ranNone := ranNothing(h, lab.Name)
	done, err := converge(ctx, h, lab, src, opts)
	var step *provision.StepError
	if !errors.As(err, &step) {
		return done, err
	}
	err = errors.Unwrap(err) // without the advice to go on
	before := provision.State{Lab: lab.Name}
	if loadErr == nil {
		if was, _ := labs.LoadAs(lab.Name, file, data); was != nil {
			if ranNone {
				was = was.WithoutContainers()
			}
			before = provision.Desired(was)
		}
	}
	want := before.After(provision.Desired(lab))
	_, _, backErr := provision.Converge(ctx, h, want, provision.Options{})
	switch {
	case backErr != nil:
		return done, fmt.Errorf("%w\nthe way back failed too: %w", err, backErr)
	case before.Len() == 0:
		return done, errors.Join(fmt.Errorf("%w\neverything was removed again", err), h.Settle(ctx), h.RemoveRunDir(lab.Name))
	}
	return done, errors.Join(fmt.Errorf("%w\nlab %s is what it was before", err, lab.Name), saveLab(h, lab, source{file: file, data: data}, ranNone))
}

// apply carries out a plan with progress on the terminal, and says what stands
// when it went wrong.
func apply(ctx context.Context, h host, lab string, plan provision.Plan, out output) error {
	progress := out.progress(len(plan.Steps))
	res, err := provision.Apply(ctx, plan, h, provision.Options{Progress: progress.step})
	progress.done()
	switch {
	case err == nil:
		return nil
	case len(plan.Conflicts) > 0:
		return err
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("stopped after %d of %d steps; run the command again to go on, or \"netlab down %s\" to clean up",
			res.Count(provision.Done), len(plan.Steps), lab)
	}
	return fmt.Errorf("%w\n%d of %d steps done, %d failed, %d not tried; run the command again to go on",
		err, res.Count(provision.Done), len(plan.Steps), res.Count(provision.Failed), res.Count(provision.Skipped))
}

// wanted returns what lab is to be in the kernel, with the endpoints that its
// running containers make, after what it was when it was applied last.
func wanted(h host, lab *labs.Lab) provision.State {
	want := provision.Desired(asReady(h, lab))
	return want.After(previous(h, lab, want))
}

// previous returns what the lab looked like when it was applied last, or an
// empty state. Mostly its file has not changed since, and it is the same as what
// is wanted now; which endpoints are ready is of no interest.
func previous(h host, lab *labs.Lab, want provision.State) provision.State {
	file, data, err := h.LoadLab(lab.Name)
	if err != nil {
		return provision.State{Lab: lab.Name}
	}
	ranNone := ranNothing(h, lab.Name)
	if lab.MadeOf(data) && ranNone == lab.Bare() {
		return want
	}
	was, _ := labs.LoadAs(lab.Name, file, data)
	if was == nil {
		return provision.State{Lab: lab.Name}
	}
	if ranNone {
		was = was.WithoutContainers()
	}
	return provision.Former(was)
}
