package main

import (
	"context"
	"time"

	"netlab/labs"
	"netlab/verify"
)

// watchChecks makes the checks of a lab again and again until ctx ends, and says
// what changes. A lab that is down, or comes up meanwhile, is one that changes.
func (sys system) watchChecks(ctx context.Context, lab *labs.Lab, out output, opts verify.Options, interval time.Duration) error {
	if out.format != "text" && out.format != "json" {
		return usageError("--watch has no -o %s\n    hint: -o json writes a line for each time that something changed", out.format)
	}
	if err := sys.mustBeUp(lab); err != nil {
		return err
	}
	tick := time.NewTicker(max(interval, leastInterval))
	defer tick.Stop()
	var before verify.Report
	for first := true; ; first = false {
		report, err := check(ctx, sys.asReady(lab), sys.prober(lab), out, opts)
		if ctx.Err() != nil {
			return nil // that is how people end it
		}
		if err != nil {
			return err
		}
		changed := verify.Changes(before, report)
		if before = report; first || len(changed) > 0 {
			write := verify.WriteChanges
			if out.format == "json" {
				write = verify.WriteChangesJSON
			}
			if err := write(out.stdout, time.Now(), report, changed); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
