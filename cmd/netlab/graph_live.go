package main

import (
	"context"
	"fmt"
	"strings"

	"netlab/graph"
	"netlab/labs"
	"netlab/provision"
	"netlab/verify"
)

// seeLab looks how a lab is: what differs from its file, and, if checks are to
// be made, which of them fail.
func seeLab(ctx context.Context, sys system, lab *labs.Lab, out output, checks bool) (*graph.Live, error) {
	h, err := sys.open(lab.Name)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	out.clock.start("observe")
	want := wanted(h, lab)
	have, err := h.Observe(ctx, want.Hint())
	if err != nil {
		return nil, fmt.Errorf("observe lab %s: %w", lab.Name, err)
	}
	out.clock.stop()
	plan := provision.Diff(have, want)
	live := &graph.Live{
		State: stateOf(have, plan), Spaces: map[string]graph.Finding{},
		Devices: map[graph.Device]graph.Finding{}, Services: map[string]graph.Finding{},
	}
	for o := range want.All() {
		if n, ok := o.(provision.Namespace); ok {
			is, there := have.Get(n.Key())
			live.Spaces[n.Name] = graph.Finding{Missing: !there || is.(provision.Namespace).Condition != provision.Sound}
		}
	}
	seeDifferences(live, plan)
	if !checks {
		return live, nil
	}
	report, err := check(ctx, lab, sys.prober(lab), out, verify.Options{})
	if err != nil {
		return nil, err
	}
	if err := sys.explainFailures(ctx, lab, &report, out); err != nil {
		fmt.Fprintf(out.stderr, "netlab: not everything that failed could be looked at: %v\n", err)
	}
	seeChecks(live, report)
	for _, e := range report.Explanations {
		live.Causes = append(live.Causes, graph.Cause{Fault: e.Fault, Evidence: e.Evidence, Remedy: e.Remedy, Checks: len(e.Checks)})
	}
	return live, nil
}

// seeDifferences notes what a plan would change.
func seeDifferences(live *graph.Live, plan provision.Plan) {
	for _, s := range plan.Steps {
		k, text := s.Object.Key(), firstLine(s.String())
		f := live.Spaces[k.NS]
		f.Differences = append(f.Differences, text)
		live.Spaces[k.NS] = f
		for _, dev := range devicesOf(s.Object) {
			d := live.Devices[dev]
			d.Differences = append(d.Differences, text)
			d.Missing = d.Missing || s.Op == provision.Create && k.Kind == provision.KindLink
			live.Devices[dev] = d
		}
	}
}

// devicesOf names the interfaces that an object is about.
func devicesOf(o provision.Object) []graph.Device {
	k := o.Key()
	switch o := o.(type) {
	case provision.Veth:
		return []graph.Device{{NS: o.A.NS, Name: o.A.Name}, {NS: o.B.NS, Name: o.B.Name}}
	case provision.Addr:
		return []graph.Device{{NS: o.NS, Name: o.Dev}}
	case provision.FDB:
		return []graph.Device{{NS: o.NS, Name: o.Dev}}
	case provision.Neigh:
		return []graph.Device{{NS: o.NS, Name: o.Dev}}
	}
	if k.Kind == provision.KindLink || k.Kind == provision.KindPort {
		return []graph.Device{{NS: k.NS, Name: k.Name}}
	}
	return nil
}

func firstLine(s string) string {
	first, _, _ := strings.Cut(s, "\n")
	return first
}

// seeChecks notes what became of checks, at both ends of each.
func seeChecks(live *graph.Live, report verify.Report) {
	n := report.Counts()
	live.Checks = fmt.Sprintf("%d checks ok", n.Total())
	if bad := n.Failed + n.Errors; bad > 0 {
		live.Checks = fmt.Sprintf("%d of %d checks fail", bad, n.Total())
	}
	for i := range report.Results {
		r := &report.Results[i]
		if r.Verdict == verify.Skip {
			continue
		}
		bad := r.Verdict != verify.Pass
		var ends []string
		for _, e := range []*verify.End{r.Check.From, r.Check.To} {
			if e == nil {
				continue
			}
			found, key := live.Spaces, e.NS
			if e.Kind == labs.RefService {
				found, key = live.Services, serviceOf(e.Name)
			}
			if key == "" || len(ends) > 0 && ends[0] == key {
				continue
			}
			f := found[key]
			f.Checks++
			if bad {
				f.Failed++
			}
			found[key] = f
			ends = append(ends, key)
		}
		if bad {
			live.Failures = append(live.Failures, graph.Failure{Check: r.Check.ID(), Reason: r.Reason, Ends: ends})
		}
	}
}

// serviceOf returns NAMESPACE/NAME of a service that a check calls
// svc NAMESPACE/NAME:PORT.
func serviceOf(name string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(name, "svc "), ":")
	return id
}
