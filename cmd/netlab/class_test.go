package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func membersOf(prefix string, width int, numbers ...int) []member {
	var list []member
	for _, n := range numbers {
		i := instance{"lab", prefix, n}
		list = append(list, member{instance: i, name: i.nameOf(width), up: true})
	}
	return list
}

func TestChooseInstances(t *testing.T) {
	up := membersOf("student", 2, 1, 2, 7, 11, 30)
	both := append(membersOf("student", 2, 1), membersOf("teacher", 2, 1)...)
	for _, tt := range []struct {
		choice choice
		up     []member
		want   string // numbers in names, or the beginning of the error
		rest   string
	}{
		{choice{count: 3}, nil, "student-01 student-02 student-03", ""},
		{choice{count: 3}, up, "student-01 student-02 student-03", "student-07 student-11 student-30"},
		{choice{all: true}, up, "student-01 student-02 student-07 student-11 student-30", ""},
		{choice{all: true}, nil, "", ""},
		{choice{some: []string{"7", "3-4", "7"}}, up, "student-03 student-04 student-07", "student-01 student-02 student-11 student-30"},
		{choice{some: []string{"student-1*", "0?"}}, up, "student-01 student-02 student-07 student-11", "student-30"},
		{choice{some: []string{"lab-student-30", "student-2"}}, up, "student-02 student-30", "student-01 student-07 student-11"},
		{choice{some: []string{"101"}}, up, "student-101", "student-01 student-02 student-07 student-11 student-30"},
		{choice{some: []string{"1,100"}}, nil, "--instance 1,100: that is no instance", ""},
		{choice{some: []string{"1", "100"}}, nil, "student-001 student-100", ""},
		{choice{some: []string{"5"}}, membersOf("student", 3, 100), "student-005", "student-100"},
		{choice{all: true}, both, "instances with several prefixes are up: student, teacher", ""},
		{choice{all: true, prefix: "teacher"}, both, "teacher-01", ""},
		{choice{count: 2}, membersOf("team", 2, 1), "the instances that are up are called lab-team-01", ""},
		{choice{some: []string{"2"}}, membersOf("team", 2, 1), "team-02", "team-01"},
		{choice{some: []string{"0"}}, up, "--instance 0: instances are numbered from 1", ""},
		{choice{some: []string{"9-7"}}, up, "--instance 9-7: that is no range", ""},
		{choice{some: []string{"[x"}}, up, "--instance [x: that is no pattern", ""},
		{choice{some: []string{"x*"}}, up, "--instance x*: no instance of lab lab that is up", ""},
		{choice{some: []string{"web"}}, up, "--instance web: that is no instance", ""},
		{choice{count: 1, prefix: strings.Repeat("x", 40)}, nil, "lab-xxxxxxxxxx", ""},
	} {
		cl, err := tt.choice.choose("lab", tt.up)
		got := labels(cl.members)
		if err != nil {
			if exitCode(err) != exitUsage {
				t.Errorf("%+v: exit code %d of %v", tt.choice, exitCode(err), err)
			}
			got, cl.rest = err.Error(), nil
		}
		if got != tt.want && (err == nil || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%+v: %s; want %s", tt.choice, got, tt.want)
		}
		if rest := labels(cl.rest); rest != tt.rest {
			t.Errorf("%+v: left alone %s; want %s", tt.choice, rest, tt.rest)
		}
	}
}

func labels(members []member) string {
	var names []string
	for _, m := range members {
		names = append(names, m.label())
	}
	return strings.Join(names, " ")
}

func TestRangesOfInstances(t *testing.T) {
	if got := ranges(membersOf("student", 2, 1, 3, 4, 5, 9, 11, 12)); got != "1,3-5,9,11-12" {
		t.Error(got)
	}
}

func TestWorstExitCode(t *testing.T) {
	for _, tt := range []struct {
		codes []int
		want  int
	}{
		{[]int{0, 0}, 0}, {[]int{0, 3}, 3}, {[]int{3, 1, 0}, 1}, {[]int{3, 2}, 2}, {[]int{2, 1}, 1},
	} {
		var v classView
		for _, c := range tt.codes {
			v.Instances = append(v.Instances, instanceView{ExitCode: c})
		}
		got := exitOK
		if err := v.err(); err != nil {
			got = exitCode(err)
		}
		if got != tt.want {
			t.Errorf("%v: %d, want %d", tt.codes, got, tt.want)
		}
	}
}

// TestSettleTogether holds a wait to what it promises: it begins after whoever
// waits has come, and serves all who came before it began.
func TestSettleTogether(t *testing.T) {
	s := &settling{}
	begun, goOn := make(chan struct{}), make(chan error)
	waits := 0
	settle := func(context.Context) error {
		waits++
		begun <- struct{}{}
		return <-goOn
	}
	first := s.join(t.Context(), settle)
	<-begun // it is under way
	var later []*settled
	for range 5 {
		later = append(later, s.join(t.Context(), settle))
	}
	failed := errors.New("not yet")
	goOn <- nil
	if err := first.wait(t.Context()); err != nil {
		t.Errorf("the first: %v", err)
	}
	<-begun
	goOn <- failed
	for _, l := range later {
		if err := l.wait(t.Context()); !errors.Is(err, failed) {
			t.Errorf("one that came later: %v, want what its own wait said", err)
		}
	}
	if waits != 2 {
		t.Errorf("%d waits, want 2", waits)
	}
}

// TestInterruptedInstances wants people to read what they did, and not what
// happened to a context.
func TestInterruptedInstances(t *testing.T) {
	m := membersOf("student", 2, 7)[0]
	for _, err := range []error{context.Canceled, fmt.Errorf("observe lab: %w", context.Canceled)} {
		v := outcome{err: err}.view(m)
		if v.State != "not tried" || v.Detail != "interrupted" || v.Error != "interrupted" {
			t.Errorf("%v: state %q, detail %q, error %q", err, v.State, v.Detail, v.Error)
		}
	}
}
