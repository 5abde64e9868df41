package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"
)

// instanceView is what became of one instance, in JSON. It is part of the
// interface.
type instanceView struct {
	Name     string `json:"name"`
	Prefix   string `json:"prefix"`
	Number   int    `json:"number"`
	State    string `json:"state"` // one word
	Detail   string `json:"detail,omitempty"`
	Result   any    `json:"result,omitempty"` // what the command prints with -o json of this instance alone
	Error    string `json:"error,omitempty"`
	ExitCode int    `json:"exitCode"` // that the command would have had for this instance alone

	err error
}

// classView is what became of all of them.
type classView struct {
	Lab        string         `json:"lab"`
	Instances  []instanceView `json:"instances"`
	DurationMS float64        `json:"durationMs"`
}

// outcome is what a command did to one instance.
type outcome struct {
	state  string // one word for the table
	detail string // one line
	result any    // for JSON
	err    error  // it decides the exit code; its text, if it has any, is shown
}

// work does something to one instance of which it knows the lab. What it says
// beside goes to out.stderr.
type work func(ctx context.Context, h host, m member, out output) outcome

// parallel returns how many instances are worked on at a time. Most of the work
// is waiting for processes.
func parallel(c *cli.Context) int {
	if n := c.Int("parallel"); n > 0 {
		return n
	}
	return 4 * runtime.NumCPU()
}

// run does the work on all instances, several at a time, under one line of
// progress. Those that were not begun when ctx ended are said to be so.
func (cl class) run(ctx context.Context, h host, out output, jobs int, do work) classView {
	view := classView{Lab: cl.lab, Instances: make([]instanceView, len(cl.members))}
	shared := sharedHost{host: h, settling: &settling{}}
	progress := out.progress(len(cl.members))
	progress.what = "instances"
	out.clock.start("instances")
	var mu sync.Mutex // of out.stderr
	var wg sync.WaitGroup
	slots := make(chan struct{}, max(jobs, 1))
	for i, m := range cl.members {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			var said bytes.Buffer
			o := begin(ctx, shared.of(m), m, out.of(&said), do)
			view.Instances[i] = o.view(m)
			progress.one()
			mu.Lock()
			defer mu.Unlock()
			for line := range strings.Lines(said.String()) {
				fmt.Fprintf(out.stderr, "%s: %s", m.name, line)
			}
		})
	}
	wg.Wait()
	progress.done()
	view.DurationMS = float64(out.clock.elapsed().Microseconds()) / 1000
	out.clock.stop()
	return view
}

// begin does the work on one instance, or says why not.
func begin(ctx context.Context, h host, m member, out output, do work) outcome {
	switch {
	case ctx.Err() != nil:
		return outcome{state: "not tried", err: ctx.Err()}
	case m.err != nil:
		return outcome{err: m.err}
	}
	return do(ctx, h, m, out)
}

// of returns how one of many instances speaks: it shows no progress of its own,
// and its clock is its own.
func (o output) of(stderr io.Writer) output {
	o.stdout, o.stderr, o.terminal, o.clock = io.Discard, stderr, false, &clock{}
	return o
}

func (o outcome) view(m member) instanceView {
	v := instanceView{Name: m.name, Prefix: m.Prefix, Number: m.Number, State: o.state, Detail: o.detail, Result: o.result, err: o.err}
	if o.err == nil {
		return v
	}
	v.ExitCode = exitCode(o.err)
	if errors.Is(o.err, context.Canceled) {
		v.State, o.err = "not tried", errInterrupted
	}
	if v.Error = o.err.Error(); v.Error != "" && v.Detail == "" {
		v.Detail, _, _ = strings.Cut(v.Error, "\n")
	}
	if v.State == "" {
		v.State = "failed"
	}
	return v
}

// sharedHost is the machine that many instances are worked on with. Who closes
// it only goes.
type sharedHost struct {
	host
	settling *settling
}

func (sharedHost) Close() {}

// Settle implements [host].
func (h sharedHost) Settle(ctx context.Context) error {
	return h.settling.join(ctx, h.host.Settle).wait(ctx)
}

// memberHost is the same for one instance: with the copy of the lab file it
// keeps which instance it is.
type memberHost struct {
	sharedHost
	instance instance
}

func (h sharedHost) of(m member) host { return memberHost{h, m.instance} }

// SaveLab implements [host].
func (h memberHost) SaveLab(lab, file string, data []byte) error {
	if err := saveInstance(h.RunDir(lab), h.instance); err != nil {
		return err
	}
	return h.sharedHost.SaveLab(lab, file, data)
}

// settling waits for the kernel for several at a time: one wait that begins
// after all of them have deleted what they had to serves all of them.
type settling struct {
	mu    sync.Mutex
	next  *settled // of those who came since the wait that is under way began
	under bool     // way
}

type settled struct {
	done chan struct{}
	err  error
}

// join returns the next wait that begins. The context is the one of any who
// wait, without its end.
func (s *settling) join(ctx context.Context, settle func(context.Context) error) *settled {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &settled{done: make(chan struct{})}
	}
	mine := s.next
	if !s.under {
		s.under = true
		go s.work(context.WithoutCancel(ctx), settle)
	}
	return mine
}

func (s *settled) wait(ctx context.Context) error {
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *settling) work(ctx context.Context, settle func(context.Context) error) {
	for {
		s.mu.Lock()
		now := s.next
		s.next, s.under = nil, now != nil
		s.mu.Unlock()
		if now == nil {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, settleTimeout)
		now.err = settle(ctx)
		cancel()
		close(now.done)
	}
}

// class prints what became of instances and returns the error that decides the
// exit code. did is the word for those that are well, such as "reset".
func (o output) class(v classView) error {
	err := v.err()
	if o.format == "json" {
		return errors.Join(o.json(v), err)
	}
	if o.quiet && err == nil {
		return nil
	}
	if _, err := io.WriteString(o.stdout, v.table(o)); err != nil {
		return err
	}
	fmt.Fprintf(o.stdout, "\n%s in %s\n", v.summary(), time.Duration(v.DurationMS*float64(time.Millisecond)).Round(10*time.Millisecond))
	for _, i := range v.Instances {
		if strings.Contains(strings.TrimSpace(i.Error), "\n") {
			fmt.Fprintf(o.stderr, "\n%s: %s\n", i.Name, i.Error)
		}
	}
	return err
}

// table has one row for each instance; with -q only those that are not well.
func (v classView) table(o output) string {
	t := newTable(o.stdout)
	t.AppendHeader(table.Row{"INSTANCE", "STATE", "DETAIL"})
	for _, i := range v.Instances {
		if !o.quiet || i.err != nil {
			t.AppendRow(table.Row{i.Name, o.tint(i.State), i.Detail})
		}
	}
	return render(t)
}

// tint colours the state of an instance.
func (o output) tint(state string) string {
	if !o.color {
		return state
	}
	switch state {
	case "up", "ok", "reset", "down", "unchanged":
		return "\x1b[32m" + state + "\x1b[0m"
	case "failed", "in conflict":
		return "\x1b[31m" + state + "\x1b[0m"
	}
	return "\x1b[33m" + state + "\x1b[0m"
}

// summary counts the states, in the order in which they appear.
func (v classView) summary() string {
	var states []string
	n := map[string]int{}
	for _, i := range v.Instances {
		if n[i.State]++; n[i.State] == 1 {
			states = append(states, i.State)
		}
	}
	for k, s := range states {
		states[k] = fmt.Sprintf("%d %s", n[s], s)
	}
	switch n := len(v.Instances); {
	case v.Lab == "":
		return fmt.Sprintf("%s: %s", number(n, "lab"), join(states))
	case n == 1 && v.Instances[0].Name == v.Lab:
		return fmt.Sprintf("lab %s: %s", v.Lab, v.Instances[0].State)
	}
	return fmt.Sprintf("lab %s, %s: %s", v.Lab, number(len(v.Instances), "instance"), join(states))
}

// err is nil if all instances are well. Otherwise it has the exit code of what
// is worst: something could not be done, the command line or a lab file is
// wrong, a lab is not as its file says.
func (v classView) err() error {
	worst := 0
	rank := map[int]int{exitFailed: 3, exitUsage: 2, exitDiffers: 1}
	for _, i := range v.Instances {
		if rank[i.ExitCode] > rank[worst] {
			worst = i.ExitCode
		}
	}
	if worst == 0 {
		return nil
	}
	return &codeError{worst, nil}
}
