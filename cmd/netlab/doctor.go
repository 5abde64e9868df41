package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/kernel"
)

func doctorCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "doctor",
		Usage:     "what this host can do, what it lacks, and how to get it",
		ArgsUsage: "[LAB]",
		Description: `Nothing is guessed from versions: a small lab is brought up under a name of its
own and taken down again. With LAB the host's limits are held against what that
lab needs. Exit code 1 if something is missing that labs need.

Examples:
   netlab doctor
   netlab doctor big`,
		Flags: []cli.Flag{outputFlag("table", "json")},
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return args(c, "[LAB]")
			}
			var lab *labs.Lab
			if c.NArg() == 1 {
				var err error
				if lab, _, err = sys.load(c.Args().First()); err != nil {
					return err
				}
			}
			return doctor(c.Context, sys, lab, sys.output(c))
		},
	}
}

// finding is one thing that doctor looked at, in JSON. It is part of the
// interface.
type finding struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok, missing, or tight
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`

	// Optional says that no lab needs it, only a command or an exercise.
	Optional bool `json:"optional,omitempty"`
}

const (
	stateOK      = "ok"
	stateMissing = "missing"
	stateTight   = "tight"
)

func doctor(ctx context.Context, sys system, lab *labs.Lab, out output) error {
	findings := tryOut(ctx, sys)
	findings = append(findings, hostLimits(lab)...)
	if err := out.findings(findings); err != nil {
		return err
	}
	for _, f := range findings {
		if f.State != stateOK && !f.Optional {
			return &codeError{exitFailed, nil}
		}
	}
	return nil
}

// trialLab needs everything that labs can need.
const trialLab = `name: %s
nodes: [{name: a}, {name: b, routes: [{to: 203.0.113.0/24, via: 172.30.0.1}], rules: [{from: 203.0.113.0/24, table: 300}]}]
pods:
  - {name: p, node: a, labels: {app: p}}
  - {name: q, node: b, labels: {app: p}}
services:
  - {name: s, type: NodePort, selector: {app: p}, sessionAffinity: ClientIP, externalIPs: [203.0.113.9], ports: [{port: 80}]}
  - {name: none, ports: [{port: 80}]}
`

// abilities are what a step of each kind shows, in the order in which labs
// need them.
var abilities = []struct {
	kind         provision.Kind
	name, remedy string
}{
	{provision.KindFile, "runtime files", "/run and /etc must be writable"},
	{provision.KindSysctl, "kernel parameters", "/proc/sys must be writable"},
	{provision.KindLink, "cables between namespaces", "see the error"},
	{provision.KindPort, "bridge ports", `load the module with "modprobe bridge"`},
	{provision.KindAddr, "addresses", "see the error"},
	{provision.KindNeigh, "permanent neighbours", "the neighbour table may be full: see net.ipv4.neigh.default.gc_thresh3"},
	{provision.KindFDB, "FDB entries", "see the error"},
	{provision.KindRoute, "routes", "see the error"},
	{provision.KindRule, "routing rules", "the kernel needs CONFIG_IP_MULTIPLE_TABLES"},
	{provision.KindRuleset, "iptables and its matches", `install it with "apt-get install iptables"; load modules with "modprobe -a nf_nat xt_conntrack xt_comment xt_statistic xt_recent xt_addrtype xt_mark xt_MASQUERADE xt_REJECT"`},
}

// tryOut brings the trial lab up and down and says for each ability whether
// its steps worked.
func tryOut(ctx context.Context, sys system) []finding {
	name := fmt.Sprintf("doctor-%d", os.Getpid())
	h, err := sys.open(name)
	if err != nil {
		return []finding{{Name: "privilege", State: stateMissing, Detail: err.Error(), Remedy: "run netlab as root"}}
	}
	defer h.Close()
	lab, diagnostics := labs.Load("doctor", fmt.Appendf(nil, trialLab, name))
	if lab == nil {
		return []finding{{Name: "trial lab", State: stateMissing, Detail: diagnostics.Error(), Remedy: "this is a defect of netlab: please report it"}}
	}
	failed := map[provision.Kind]error{}
	done := map[provision.Kind]bool{}
	opts := provision.Options{Progress: func(s provision.Step, err error) {
		kind := s.Object.Key().Kind
		done[kind] = true
		if err != nil && failed[kind] == nil {
			failed[kind] = err
		}
	}}
	_, _, err = provision.Converge(ctx, h, provision.Desired(lab), opts)
	findings := tryAbilities(h)
	for _, a := range abilities {
		f := finding{Name: a.name, State: stateOK}
		switch {
		case failed[a.kind] != nil:
			f.State, f.Detail, f.Remedy = stateMissing, failed[a.kind].Error(), a.remedy
		case !done[a.kind]:
			f.State, f.Detail = stateMissing, "could not be tried, because something before it is missing"
		}
		findings = append(findings, f)
	}
	if err != nil && len(failed) == 0 {
		findings = append(findings, finding{Name: "trial lab", State: stateMissing, Detail: err.Error(), Remedy: "see the error"})
	}
	// The trial must leave nothing, also when the user has lost patience.
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	_, _, downErr := provision.Converge(clean, h, provision.State{Lab: name}, provision.Options{})
	if err := errors.Join(downErr, h.Settle(clean), h.RemoveRunDir(name)); err != nil {
		findings = append(findings, finding{Name: "clean-up", State: stateMissing, Detail: err.Error(), Remedy: fmt.Sprintf("netlab down %s", name)})
	}
	return findings
}

// tryAbilities tries one ability after the other, before they are needed
// together.
func tryAbilities(h host) []finding {
	findings := []finding{}
	for _, a := range kernel.Abilities {
		f := finding{Name: a.Name, State: stateOK, Optional: a.Optional}
		if err := h.Try(a); err != nil {
			f.State, f.Detail, f.Remedy = stateMissing, err.Error(), a.Remedy
		}
		findings = append(findings, f)
	}
	return findings
}

// preflight refuses a plan that this host cannot carry out, before anything is
// touched, in the words of doctor.
func preflight(h host, lab *labs.Lab, plan provision.Plan) error {
	if created, _, _ := plan.Count(); created == 0 {
		return nil
	}
	if err := h.Lacks(plan); err != nil {
		return fmt.Errorf("lab %s: %w", lab.Name, err)
	}
	more := 0
	for _, s := range plan.Steps {
		if _, ok := s.Object.(provision.Namespace); ok && s.Op == provision.Create {
			more++
		}
	}
	var errs []error
	for _, f := range hardLimits(lab, more) {
		if f.State == stateTight {
			errs = append(errs, fmt.Errorf("lab %s: %s: %s\n    hint: %s", lab.Name, f.Name, f.Detail, f.Remedy))
		}
	}
	return errors.Join(errs...)
}

// findings prints what doctor found.
func (o output) findings(list []finding) error {
	if o.format == "json" {
		return o.json(list)
	}
	t := newTable(o.stdout)
	t.AppendHeader(table.Row{"ABILITY OR LIMIT", "STATE", "DETAIL"})
	for _, f := range list {
		t.AppendRow(table.Row{f.Name, f.State, f.Detail})
	}
	if _, err := io.WriteString(o.stdout, render(t)); err != nil {
		return err
	}
	for _, f := range list {
		if f.Remedy != "" {
			fmt.Fprintf(o.stdout, "\n%s: %s\n", f.Name, strings.ReplaceAll(f.Remedy, "\n", "\n    "))
		}
	}
	return nil
}
