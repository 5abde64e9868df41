package runtime

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"netlab/labs"
)

func TestBackOff(t *testing.T) {
	var b backOff
	var got []time.Duration
	for range 10 {
		got = append(got, b.delay(time.Second))
	}
	const s = time.Second
	want := []time.Duration{0, s / 2, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if d := b.delay(calm); d != 0 {
		t.Errorf("after a calm period it waits %v", d)
	}
	if d := b.delay(0); d != firstDelay {
		t.Errorf("and then %v", d)
	}
}

func TestRestartPolicies(t *testing.T) {
	for _, tt := range []struct {
		policy labs.RestartPolicy
		code   int
		want   bool
	}{
		{labs.RestartAlways, 0, true}, {labs.RestartAlways, 1, true},
		{labs.RestartOnFailure, 0, false}, {labs.RestartOnFailure, 1, true}, {labs.RestartOnFailure, killedCode, true},
		{labs.RestartNever, 0, false}, {labs.RestartNever, 1, false},
	} {
		if got := (&keeper{policy: tt.policy}).restarts(tt.code); got != tt.want {
			t.Errorf("%s, exit code %d: restarts is %v", tt.policy, tt.code, got)
		}
	}
}

func TestKeeperStaysTheSame(t *testing.T) {
	probe := labs.Probe{HTTP: &labs.HTTPProbe{Port: 80, Path: "/"}, Period: time.Second}
	again := labs.Probe{HTTP: &labs.HTTPProbe{Port: 80, Path: "/"}, Period: time.Second}
	other := labs.Probe{HTTP: &labs.HTTPProbe{Port: 81, Path: "/"}, Period: time.Second}
	with := func(p *labs.Probe, digest string) spec {
		return spec{Digest: digest, Container: labs.Container{Readiness: p}}
	}
	k := &keeper{spec: with(&probe, "a"), policy: labs.RestartAlways}
	for _, tt := range []struct {
		name   string
		spec   spec
		policy labs.RestartPolicy
		want   bool
	}{
		{"as it is", with(&again, "a"), labs.RestartAlways, true},
		{"another digest", with(&again, "b"), labs.RestartAlways, false},
		{"another policy", with(&again, "a"), labs.RestartNever, false},
		{"another probe", with(&other, "a"), labs.RestartAlways, false},
		{"no probe", with(nil, "a"), labs.RestartAlways, false},
	} {
		if got := k.same(tt.spec, tt.policy); got != tt.want {
			t.Errorf("%s: same is %v", tt.name, got)
		}
	}
}

// TestReadiness plays answers of a probe and checks what becomes of them.
func TestReadiness(t *testing.T) {
	no := errors.New("no")
	p := &labs.Probe{Period: time.Millisecond, Timeout: time.Second, SuccessThreshold: 2, FailureThreshold: 3}
	for _, tt := range []struct {
		name    string
		was     bool
		answers []error
		want    []bool
	}{
		{"ready after two", false, []error{nil, nil, nil}, []bool{true}},
		{"two in a row", false, []error{nil, no, nil, nil}, []bool{false, true}},
		{"not ready after three", false, []error{nil, nil, no, no, no}, []bool{true, false}},
		{"two failures are forgiven", false, []error{nil, nil, no, no, nil, no, no}, []bool{true}},
		{"ready before", true, []error{nil, no, no, no, nil, nil}, []bool{false, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answers := tt.answers
			var got []bool
			watchReadiness(ctx, p, tt.was, func(context.Context) error {
				if len(answers) == 0 {
					cancel()
					return no
				}
				a := answers[0]
				answers = answers[1:]
				return a
			}, func(ready bool, _ error) { got = append(got, ready) })
			if !slices.Equal(got, tt.want) {
				t.Errorf("reported %v, want %v", got, tt.want)
			}
		})
	}
}
