package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/provision"
	"netlab/verify"
)

// onInstances runs a command on the instances that the command line means.
// Where there are none it says so.
func (sys system) onInstances(c *cli.Context, do func(ctx context.Context, h host, cl class, out output) error) error {
	if err := args(c, "LAB"); err != nil && (c.NArg() == 0 || c.Command.Name != "reset") {
		return err
	}
	h, err := sys.open("")
	if err != nil {
		return err
	}
	defer h.Close()
	cl, err := sys.classOf(c, h)
	if err != nil {
		return err
	}
	if len(cl.members) == 0 {
		return noInstance(cl.lab)
	}
	return do(c.Context, h, cl, sys.output(c))
}

func noInstance(lab string) error {
	return fmt.Errorf("no instance of lab %s is up\n    hint: netlab up %s --instances 30", lab, lab)
}

// upInstances is netlab up of instances.
func upInstances(c *cli.Context, sys system) error {
	return sys.onInstances(c, func(ctx context.Context, h host, cl class, out output) error {
		if err := cl.fits(); err != nil {
			return err
		}
		opts := upOptions{verify: c.Bool("verify"), noExec: c.Bool("no-exec"), allowUsers: c.Bool("allow-users"), rollback: c.Bool("rollback"), lockTimeout: c.Duration("lock-timeout")}
		view := cl.run(ctx, h, out, parallel(c), func(ctx context.Context, h host, m member, out output) outcome {
			opts := opts
			opts.out = out
			done, err := raise(ctx, h, m.lab, m.src, opts)
			if err != nil {
				return outcome{err: err}
			}
			return done.outcome()
		})
		err := out.class(view)
		if out.format == "text" && !out.quiet {
			cl.advise(out, err == nil)
		}
		return err
	})
}

func (r upResult) outcome() outcome {
	o := outcome{state: "up", detail: "no changes"}
	v, err := viewUp(r)
	if err != nil {
		return outcome{err: err}
	}
	o.result = v
	if !r.plan.Empty() {
		o.detail = fmt.Sprintf("%s in %d ms", counts(r.plan, "created", "updated", "deleted"), r.took.Milliseconds())
	}
	if r.report != nil {
		checked := checkedOutcome(*r.report)
		o.detail += "; " + checked.detail
		if o.err = checked.err; o.err != nil {
			o.state = checked.state
		}
	}
	return o
}

// advise says what to try, and what became of instances beyond those that were
// wanted.
func (cl class) advise(out output, well bool) {
	if well && len(cl.members) > 0 {
		m := cl.members[0]
		fmt.Fprintf(out.stdout, "\nTry:\n  %s shell %s\n  %s status %s --all-instances --watch\n  %s reset %s --instance %d\n",
			out.program, m.name, out.program, cl.lab, out.program, cl.lab, m.Number)
	}
	if cl.want == 0 || len(cl.rest) == 0 {
		return
	}
	names := make([]string, len(cl.rest))
	for i, m := range cl.rest {
		names[i] = m.name
	}
	text := join(names)
	if len(names) > 3 {
		text = names[0] + " to " + names[len(names)-1]
	}
	fmt.Fprintf(out.stderr, "%d more are up and were left alone: %s\n    hint: \"netlab down %s --prefix %s --instance %s\" removes them\n",
		len(names), text, cl.lab, cl.rest[0].Prefix, ranges(cl.rest))
}

// ranges writes the numbers of instances as --instance takes them.
func ranges(members []member) string {
	var parts []string
	for i := 0; i < len(members); {
		k := i
		for k+1 < len(members) && members[k+1].Number == members[k].Number+1 {
			k++
		}
		part := fmt.Sprint(members[i].Number)
		if k > i {
			part += fmt.Sprintf("-%d", members[k].Number)
		}
		parts = append(parts, part)
		i = k + 1
	}
	return strings.Join(parts, ",")
}

// resetInstances is netlab reset of instances, or of the same things in each.
func resetInstances(c *cli.Context, sys system) error {
	return sys.onInstances(c, func(ctx context.Context, h host, cl class, out output) error {
		opts := resetOptions{hard: c.Bool("hard"), allowUsers: c.Bool("allow-users"), lockTimeout: c.Duration("lock-timeout")}
		names := c.Args().Slice()[1:]
		return out.class(cl.run(ctx, h, out, parallel(c), func(ctx context.Context, h host, m member, out output) outcome {
			opts := opts
			opts.out = out
			scope, err := namespacesOfRefs(m.lab, names)
			if err != nil {
				return outcome{err: err}
			}
			if opts.hard && len(scope) == 0 {
				done, err := remake(ctx, h, m.lab, m.src, opts)
				if err != nil {
					return outcome{err: err}
				}
				return done.outcome()
			}
			done, err := resetLab(ctx, h, m.lab, m.src, scope, opts)
			if err != nil {
				return outcome{err: err}
			}
			return outcome{state: "reset", detail: fmt.Sprintf("%s in %.0f ms", done.undone(), done.report.DurationMS), result: done.report}
		}))
	})
}

// downInstances is netlab down of instances. What their files say by now is of
// no interest.
func downInstances(c *cli.Context, sys system) error {
	if err := args(c, "LAB"); err != nil {
		return err
	}
	ch, err := choiceOf(c)
	if err != nil {
		return err
	}
	name, err := sys.name(c.Args().First())
	if err != nil {
		return err
	}
	h, err := sys.open("")
	if err != nil {
		return err
	}
	defer h.Close()
	cl, err := ch.named(h, name)
	if err != nil {
		return err
	}
	out := sys.output(c)
	if len(cl.members) == 0 && out.format == "text" {
		if !out.quiet {
			fmt.Fprintf(out.stdout, "nothing to do: no instance of lab %s is up\n", cl.lab)
		}
		return nil
	}
	wait := c.Duration("lock-timeout")
	// One that has removed what it had to waits for the kernel together with
	// all others: no bound is needed, but the one on what is done before.
	view := cl.run(c.Context, h, out, max(parallel(c), len(cl.members)), func(ctx context.Context, h host, m member, out output) outcome {
		done, err := takeDown(ctx, h, m.name, out, wait)
		if err != nil {
			return outcome{err: err}
		}
		o := outcome{state: "down", detail: "was not up", result: viewDown(m.name, done, out.clock.elapsed())}
		if _, _, removed := done.plan.Count(); removed+done.processes > 0 {
			o.detail = fmt.Sprintf("%d removed, %s ended", removed, number(done.processes, "process"))
		}
		return o
	})
	return out.class(view)
}

// planInstances is netlab plan of instances.
func planInstances(c *cli.Context, sys system) error {
	return sys.onInstances(c, func(ctx context.Context, h host, cl class, out output) error {
		return out.class(cl.run(ctx, h, out, parallel(c), func(ctx context.Context, h host, m member, out output) outcome {
			plan, err := planLab(ctx, h, m.lab, out)
			if err != nil {
				return outcome{err: err}
			}
			o := outcome{state: "unchanged", detail: "as its file says", result: viewPlan(m.name, plan)}
			if !plan.Empty() {
				o.state, o.detail = "drifted", counts(plan, "to create", "to update", "to delete")
				if m.up {
					o.detail += ": " + firstOf(changeTexts(plan))
				} else {
					o.state = "down"
				}
				if c.Bool("exit-code") {
					o.err = &codeError{exitDiffers, nil}
				}
			}
			return o
		}))
	})
}

func changeTexts(p provision.Plan) []string {
	var texts []string
	for _, c := range p.Conflicts {
		texts = append(texts, "! "+c.Error())
	}
	for _, s := range p.Steps {
		texts = append(texts, s.String())
	}
	return texts
}

// firstOf returns the first line of the first text and how many more there are.
func firstOf(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	text, _, _ := strings.Cut(texts[0], "\n")
	if n := len(texts) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// verifyInstances is netlab verify of instances: who is done.
func verifyInstances(c *cli.Context, sys system) error {
	opts, err := verifyFlags(c)
	if err != nil {
		return err
	}
	switch f := c.String("output"); {
	case c.IsSet("save"):
		return usageError("--save holds the report of one lab\n    hint: -o json holds all of them")
	case c.Bool("list"):
		return usageError("--list needs no instances: they are all the same")
	case f != "text" && f != "json":
		return usageError("-o %s holds the report of one lab\n    hint: -o json holds all, \"netlab verify LAB-%s-01 -o %s\" is one of them", f, defaultPrefix, f)
	}
	return sys.onInstances(c, func(ctx context.Context, h host, cl class, out output) error {
		jobs := parallel(c)
		return out.class(cl.run(ctx, h, out, jobs, func(ctx context.Context, h host, m member, out output) outcome {
			return verifyMember(ctx, h, m, out, opts, min(jobs, len(cl.members)))
		}))
	})
}

// verifyMember makes the checks of one instance while others look as well.
func verifyMember(ctx context.Context, h host, m member, out output, opts verify.Options, lookers int) outcome {
	if !m.up {
		return outcome{state: "down", detail: "is not up", err: &codeError{exitFailed, nil}}
	}
	p := prober(h, m.lab)
	p.Share = lookers
	report, err := check(ctx, asReady(h, m.lab), p, out, opts)
	if err != nil {
		return outcome{err: err}
	}
	return checkedOutcome(report)
}

// checkedOutcome says what a report comes to.
func checkedOutcome(report verify.Report) outcome {
	n := report.Counts()
	o := outcome{state: "ok", detail: fmt.Sprintf("%d checks", n.Total()), err: verdict(report)}
	if n.Skipped > 0 {
		o.detail += fmt.Sprintf(", %d skipped", n.Skipped)
	}
	if o.err != nil {
		o.state = "failed"
		o.detail = fmt.Sprintf("%d of %d checks: %s", n.Failed+n.Errors, n.Total(), report.First())
	}
	var err error
	if o.result, err = rawReport(report); err != nil {
		o.err = errors.Join(o.err, err)
	}
	return o
}
