package verify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"netlab/verify"
)

// fake is a prober for a lab in which every promise is kept, except that see
// may change what is seen.
type fake struct {
	see  func(round int, c verify.Check, o *verify.Observation) error
	miss func(c verify.Check) bool // not reported
	err  error

	rounds, made int
}

func (f *fake) Probe(_ context.Context, checks []verify.Check, report func(int, verify.Observation, error)) error {
	f.rounds++
	for i, c := range checks {
		if f.miss != nil && f.miss(c) {
			continue
		}
		f.made++
		o := kept(c)
		var err error
		if f.see != nil {
			err = f.see(f.rounds, c, &o)
		}
		report(i, o, err)
	}
	return f.err
}

func TestRun(t *testing.T) {
	lab := shipped(t, "two-node")
	total := len(verify.Checks(lab))
	broken := func(_ int, c verify.Check, o *verify.Observation) error {
		if c.Kind == verify.Control {
			o.Value = "7"
		}
		return nil
	}
	for _, tt := range []struct {
		name   string
		prober fake
		opt    verify.Options
		want   verify.Counts
	}{
		{"well", fake{}, verify.Options{}, verify.Counts{Passed: total}},
		{"broken", fake{see: broken}, verify.Options{}, verify.Counts{Passed: total - 4, Failed: 4}},
		{"only", fake{see: broken}, verify.Options{Only: []verify.Group{verify.Sysctls}}, verify.Counts{Passed: 5, Failed: 4}},
		{"skip", fake{see: broken}, verify.Options{Skip: []verify.Group{verify.Sysctls}}, verify.Counts{Passed: total - 9}},
		{"from and to", fake{}, verify.Options{From: []string{"client"}, To: []string{"pod/web"}, Only: []verify.Group{verify.Pods}}, verify.Counts{Passed: 2}},
		{"not reported", fake{miss: func(c verify.Check) bool { return c.Kind == verify.ICMP }},
			verify.Options{Only: []verify.Group{verify.Pods}}, verify.Counts{Passed: 2, Errors: 2}},
		{"no prober", fake{miss: func(verify.Check) bool { return true }, err: errors.New("no root")}, verify.Options{}, verify.Counts{Errors: total}},
		{"gets well", fake{see: func(round int, c verify.Check, o *verify.Observation) error {
			if round < 3 {
				return broken(round, c, o)
			}
			return nil
		}}, verify.Options{Wait: time.Minute}, verify.Counts{Passed: total}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done := 0
			tt.opt.Progress = func(n, _ int) { done = n }
			r, err := verify.Run(t.Context(), lab, &tt.prober, tt.opt)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Counts(); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if tt.prober.miss == nil && done != len(r.Results) {
				t.Errorf("progress ended at %d of %d", done, len(r.Results))
			}
		})
	}
}

// TestRunLooksAgainOnlyAtWhatIsNotWell counts the checks of the second round.
func TestRunLooksAgainOnlyAtWhatIsNotWell(t *testing.T) {
	lab := shipped(t, "two-node")
	f := &fake{see: func(round int, c verify.Check, o *verify.Observation) error {
		if round == 1 && c.Kind == verify.Control {
			o.Present = false
		}
		return nil
	}}
	if _, err := verify.Run(t.Context(), lab, f, verify.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if want := len(verify.Checks(lab)) + 4; f.made != want {
		t.Errorf("%d checks were made, want %d", f.made, want)
	}
}

func TestRunRefusesNonsense(t *testing.T) {
	for _, tt := range []struct {
		opt  verify.Options
		word string
	}{
		{verify.Options{Only: []verify.Group{"podz"}}, `no group "podz"`},
		{verify.Options{From: []string{"clint"}}, `no "clint"`},
	} {
		if _, err := verify.Run(t.Context(), shipped(t, "two-node"), &fake{}, tt.opt); err == nil || !strings.Contains(err.Error(), tt.word) {
			t.Errorf("error %v, want one with %s", err, tt.word)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := verify.Run(ctx, shipped(t, "two-node"), &fake{}, verify.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the end of the context", err)
	}
}
