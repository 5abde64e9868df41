package verify_test

import (
	"context"
	"testing"

	"netlab/labs"
	"netlab/verify"
)

// steady answers every check alike.
type steady struct{ outcome labs.Outcome }

func (s steady) Probe(_ context.Context, checks []verify.Check, report func(int, verify.Observation, error)) error {
	for i := range checks {
		report(i, verify.Observation{Outcome: s.outcome, TTL: checks[i].TTL}, nil)
	}
	return nil
}

// TestAgainAndUnsure looks again at what failed, and then gives up on it.
func TestAgainAndUnsure(t *testing.T) {
	end := &verify.End{Name: "a", NS: "l.a"}
	check := verify.Check{Kind: verify.ICMP, From: end, Want: labs.Reachable}
	failed := verify.Judge(&check, verify.Observation{Outcome: labs.Timeout}, nil)
	r := verify.Report{Results: []verify.Result{failed, verify.Judge(&check, verify.Observation{Outcome: labs.Reachable}, nil), failed}}
	if n := r.Again(t.Context(), steady{labs.Timeout}, []int{0, 2}); n != 0 || r.Counts().Failed != 2 {
		t.Errorf("silence again: %d pass, %+v", n, r.Counts())
	}
	if n := r.Again(t.Context(), steady{labs.Reachable}, []int{2}); n != 1 || r.Counts().Failed != 1 {
		t.Errorf("an answer at last: %d pass, %+v", n, r.Counts())
	}
	r.Unsure([]int{0, 1}, "the host was busy")
	if c := r.Counts(); c.Failed != 0 || c.Errors != 1 || c.Passed != 2 {
		t.Errorf("unsure: %+v", c)
	}
}
