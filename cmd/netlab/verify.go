package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision/kernel"
	"netlab/verify"
)

func verifyCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "prove that the lab works: run its checks",
		ArgsUsage: "LAB",
		Description: labHelp + `

The checks follow from the lab file: who reaches whom and with which address,
what ARP, routes and the VXLAN device must look like, what services answer, and
the lab's own verify section. Exit code 3 if a check fails, 1 if one could not
be made.

Examples:
   netlab verify two-node
   netlab verify two-node --only arp,routes
   netlab verify labs/flat.yaml -o junit > report.xml
   netlab verify labs/flat.yaml --save junit=report.xml --save markdown=summary.md
   netlab verify two-node --all-instances      who of a class is done`,
		Flags: withInstances(
			outputFlag(reportFormats...),
			&cli.StringSliceFlag{Name: "save", Usage: "also write the report as `FORMAT=FILE`; may be repeated"},
			&cli.StringSliceFlag{Name: "only", Usage: "only these `GROUPS`: " + groupNames()},
			&cli.StringSliceFlag{Name: "skip", Usage: "not these `GROUPS`"},
			&cli.StringSliceFlag{Name: "from", Usage: "only checks from these `NAMES`"},
			&cli.StringSliceFlag{Name: "to", Usage: "only checks to these `NAMES`"},
			&cli.DurationFlag{Name: "wait", Usage: "look again for up to `DURATION` at what is not well"},
			&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "check again and again until interrupted, and say what changes"},
			&cli.DurationFlag{Name: "interval", Value: 2 * time.Second, Usage: "with --watch: check every `DURATION`"},
			&cli.BoolFlag{Name: "raise-limits", Usage: "raise the host's limits of the neighbour table for as long as it takes: faster in labs of hundreds of pods (root)"},
			&cli.BoolFlag{Name: "list", Usage: "print the checks without making them"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "text with every group of checks, and why some were skipped"},
			timingsFlag(),
		),
		Action: func(c *cli.Context) error {
			if manyInstances(c) {
				return verifyInstances(c, sys)
			}
			if err := args(c, "LAB"); err != nil {
				return err
			}
			out := sys.output(c)
			opts, err := verifyFlags(c)
			if err != nil {
				return err
			}
			saves, err := saveFlags(c)
			if err != nil {
				return err
			}
			lab, _, err := sys.load(c.Args().First())
			if err != nil {
				return err
			}
			if c.Bool("list") {
				return out.checks(lab, opts)
			}
			if c.Bool("watch") {
				return sys.watchChecks(c.Context, lab, out, opts, c.Duration("interval"))
			}
			return withLimits(lab, c.Bool("raise-limits"), func() error {
				return runVerify(c.Context, sys, lab, out, opts, saves)
			})
		},
	}
}

func groupNames() string {
	var names []string
	for _, g := range verify.Groups() {
		names = append(names, string(g))
	}
	return strings.Join(names, ", ")
}

// groupHabits are words that people have for groups of checks whose names are
// spelt otherwise.
var groupHabits = map[string]verify.Group{
	"svc": verify.Services, "dnat": verify.NAT, "neigh": verify.ARP, "neighbours": verify.ARP, "vtep": verify.VXLAN,
	"ping": verify.Pods, "icmp": verify.Pods, "hosts": verify.Names, "dns": verify.Names, "sysctl": verify.Sysctls,
	"iptables": verify.Rules, "internet": verify.External,
}

// verifyFlags reads the flags that choose checks.
func verifyFlags(c *cli.Context) (verify.Options, error) {
	opts := verify.Options{From: c.StringSlice("from"), To: c.StringSlice("to"), Wait: c.Duration("wait")}
	for name, list := range map[string]*[]verify.Group{"only": &opts.Only, "skip": &opts.Skip} {
		for _, g := range c.StringSlice(name) {
			if !slices.Contains(verify.Groups(), verify.Group(g)) {
				hint := didYouMean(g, strings.Split(groupNames(), ", "))
				if meant, ok := groupHabits[g]; ok {
					hint = fmt.Sprintf("did you mean %s?", meant)
				}
				return opts, usageError("--%s %q: there is no such group of checks\n    hint: %s", name, g, hint)
			}
			*list = append(*list, verify.Group(g))
		}
	}
	return opts, nil
}

// runVerify makes the checks of a lab that is up, prints the report, and turns
// the verdict into an exit code.
func runVerify(ctx context.Context, sys system, lab *labs.Lab, out output, opts verify.Options, saves []savedReport) error {
	if err := sys.mustBeUp(lab); err != nil {
		return err
	}
	lab = sys.asReady(lab)
	report, err := check(ctx, lab, sys.prober(lab), out, opts)
	if err != nil {
		return err
	}
	if err := sys.explainFailures(ctx, lab, &report, out); err != nil {
		fmt.Fprintf(out.stderr, "netlab: not everything that failed could be looked at: %v\n", err)
	}
	write := writers[out.format]
	if out.format == "text" && out.verbose {
		write = verify.WriteVerbose
	}
	if err := write(out.stdout, report); err != nil {
		return err
	}
	for _, save := range saves {
		if err := save.write(report); err != nil {
			return err
		}
	}
	if err := sys.stepSummary(out.format, func(w io.Writer) error { return verify.WriteMarkdown(w, report) }); err != nil {
		return err
	}
	return verdict(report)
}

// withLimits does f, with the host's limits raised if that was asked for.
func withLimits(lab *labs.Lab, raise bool, f func() error) error {
	if len(lab.Pods) > manyPods {
		debug.SetGCPercent(30) // a million checks are worth collecting what is not needed
	}
	if !raise {
		return f()
	}
	restore, err := kernel.RaiseNeighbourLimits(neighbourPairs(lab))
	if err != nil {
		return err
	}
	err = f()
	return errors.Join(err, restore())
}

// manyPods is from when on verify rather saves memory than time.
const manyPods = 200

// neighbourPairs is how many entries there may be if everybody knows everybody
// on the same bridge, and every pod and node what they pass on the way.
func neighbourPairs(lab *labs.Lab) int {
	on := map[string]int{}
	for _, p := range lab.Pods {
		on[p.Node]++
	}
	entries := len(lab.Nodes)*len(lab.Nodes) + 4*len(lab.Pods)
	for _, n := range on {
		entries += n * n
	}
	return entries
}

// check makes the checks of a lab that is up.
func check(ctx context.Context, lab *labs.Lab, p verify.Prober, out output, opts verify.Options) (verify.Report, error) {
	progress := out.checkProgress()
	opts.Progress = progress.show
	out.clock.start("verify")
	defer out.clock.stop()
	defer progress.done()
	full := tablesFull()
	report, err := verify.Run(ctx, lab, p, opts)
	report.Obstacle = obstacle(full)
	return report, badOption(err)
}

// badOption turns an error about options into one about the command line.
func badOption(err error) error {
	var bad *verify.OptionError
	if !errors.As(err, &bad) {
		return err
	}
	if bad.Hint == "" {
		return usageError("%s", bad.Message)
	}
	return usageError("%s\n    hint: %s", bad.Message, bad.Hint)
}

// verdict turns a report into an exit code.
func verdict(report verify.Report) error {
	switch counts := report.Counts(); {
	case counts.Failed > 0:
		return &codeError{exitDiffers, nil}
	case counts.Errors > 0:
		return &codeError{exitFailed, nil}
	}
	return nil
}

// mustBeUp refuses a lab of which nothing stands: every check would fail, and
// none would say why.
func (sys system) mustBeUp(lab *labs.Lab) error {
	h, err := sys.open(lab.Name)
	if err != nil {
		return err
	}
	defer h.Close()
	up, err := h.Labs()
	if err != nil {
		return err
	}
	if !slices.Contains(up, lab.Name) {
		return fmt.Errorf("lab %s is not up\n    hint: netlab up %s", lab.Name, callAs(lab))
	}
	return nil
}

// checks lists what verify would do.
func (o output) checks(lab *labs.Lab, opts verify.Options) error {
	type checkView struct {
		ID    string `json:"id"`
		Group string `json:"group"`
		Kind  string `json:"kind"`
		From  string `json:"from"`
		To    string `json:"to,omitempty"`
		Line  int    `json:"line,omitempty"` // of the lab file
	}
	checks, err := opts.Choose(lab)
	if err != nil {
		return badOption(err)
	}
	views := []checkView{}
	for _, c := range checks {
		v := checkView{ID: c.ID(), Group: string(c.Group), Kind: string(c.Kind), From: c.From.Name, Line: c.Place().Line}
		if c.To != nil {
			v.To = c.To.Name
		}
		views = append(views, v)
	}
	if o.format == "json" {
		return o.json(views)
	}
	for _, v := range views {
		if _, err := fmt.Fprintf(o.stdout, "%-10s %s\n", v.Group, v.ID); err != nil {
			return err
		}
	}
	return nil
}

// checkProgress shows on a terminal how many checks are made.
func (o output) checkProgress() *checkProgress {
	p := &checkProgress{began: time.Now()}
	if o.terminal && !o.quiet {
		p.out = o.stderr
	}
	return p
}

type checkProgress struct {
	out   io.Writer
	began time.Time
	drawn time.Time
}

func (p *checkProgress) show(done, total int) {
	now := time.Now()
	if p.out != nil && now.Sub(p.began) > progressAfter && now.Sub(p.drawn) > progressEvery {
		p.drawn = now
		fmt.Fprintf(p.out, "\r\x1b[K%d of %d checks", done, total)
	}
}

func (p *checkProgress) done() {
	if !p.drawn.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
