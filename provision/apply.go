package provision

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
)

// Options govern [Apply].
type Options struct {
	// Parallel is how many steps may run at the same time; less than one means
	// DefaultParallel.
	Parallel int

	// Progress, if not nil, is called after every step that ran, from one
	// goroutine at a time. err is nil for a step that succeeded.
	Progress func(s Step, err error)
}

// DefaultParallel is enough to keep two cores and the kernel's lock busy on the
// way up and to overlap the waits of the way down.
const DefaultParallel = 8

// Status is what became of a step.
type Status byte

// The statuses.
const (
	Skipped Status = iota // not tried, because one before it failed or the run was stopped
	Done
	Failed
)

// Result says what became of each step of a plan.
type Result struct {
	Status []Status // by step index
}

// Count returns how many steps have status st.
func (r Result) Count(st Status) int {
	n := 0
	for _, s := range r.Status {
		if s == st {
			n++
		}
	}
	return n
}

// StepError is the failure of one step. Use errors.As to find which.
type StepError struct {
	Step Step
	Err  error
}

// Error names the operation and the object, then the cause.
func (e *StepError) Error() string {
	return fmt.Sprintf("%s %s: %v", e.Step.Op, e.Step.Object.Key(), e.Err)
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// Apply carries out p.
//
// Steps of one namespace run one after the other in the order of the plan;
// different namespaces run in parallel as far as After allows. A failed step
// stops only the steps that come after it; all others still run. The error
// joins one [StepError] per failed step, in plan order; skipped steps are no
// errors. After a failure the kernel holds part of the plan: observe and diff
// again to go on, there is nothing to roll back. When ctx is cancelled no
// further step begins. A plan with conflicts is refused before anything is
// touched. No goroutine outlives the call.
func Apply(ctx context.Context, p Plan, k Kernel, opts Options) (Result, error) {
	if len(p.Conflicts) > 0 {
		errs := make([]error, len(p.Conflicts))
		for i, c := range p.Conflicts {
			errs[i] = c
		}
		return Result{}, errors.Join(errs...)
	}
	if opts.Parallel < 1 {
		opts.Parallel = DefaultParallel
	}
	a := newApplication(p, k, opts)
	var workers sync.WaitGroup
	for range opts.Parallel {
		workers.Go(func() { a.work(ctx) })
	}
	workers.Wait()
	return Result{a.status}, errors.Join(append(a.errs, ctx.Err())...)
}

// application is one run of Apply. Each namespace is a lane: a queue of steps
// of which only the first may run. A lane whose first step waits for nothing
// stands in ready, ordered by that step's index.
type application struct {
	plan Plan
	k    Kernel
	opts Options

	mu      sync.Mutex
	wake    *sync.Cond
	ready   lanes
	waiting map[int][]*lane // step -> lanes whose first step comes after it
	left    int             // lanes not finished
	over    []bool          // steps that ran or were skipped
	status  []Status
	errs    []error

	reporting sync.Mutex // serialises Options.Progress
}

type lane struct {
	steps []int // what is left, in plan order
}

func newApplication(p Plan, k Kernel, opts Options) *application {
	a := &application{
		plan: p, k: k, opts: opts,
		waiting: map[int][]*lane{},
		over:    make([]bool, len(p.Steps)),
		status:  make([]Status, len(p.Steps)),
		errs:    make([]error, len(p.Steps)),
	}
	a.wake = sync.NewCond(&a.mu)
	byNS := map[string]*lane{}
	var order []*lane
	for i, s := range p.Steps {
		ns := s.Object.Key().NS
		if byNS[ns] == nil {
			byNS[ns] = &lane{}
			order = append(order, byNS[ns])
		}
		byNS[ns].steps = append(byNS[ns].steps, i)
	}
	a.left = len(order)
	for _, l := range order {
		a.enqueue(l)
	}
	return a
}

// enqueue puts l where it belongs: with the ready ones, or with those that
// wait for a step. The caller holds mu.
func (a *application) enqueue(l *lane) {
	if len(l.steps) == 0 {
		a.left--
		if a.left == 0 {
			a.wake.Broadcast()
		}
		return
	}
	for _, j := range a.plan.Steps[l.steps[0]].After {
		if !a.over[j] {
			a.waiting[j] = append(a.waiting[j], l)
			return
		}
	}
	heap.Push(&a.ready, l)
	a.wake.Signal()
}

// work runs lanes until none is left. It stays with a lane while it can, so
// that what it holds of a namespace is used again at once.
func (a *application) work(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		for a.ready.Len() == 0 && a.left > 0 {
			a.wake.Wait()
		}
		if a.left == 0 {
			return
		}
		a.run(ctx, heap.Pop(&a.ready).(*lane))
	}
}

// run carries out the steps of l until one has to wait. The caller holds mu;
// it is released while the kernel works.
func (a *application) run(ctx context.Context, l *lane) {
	for len(l.steps) > 0 {
		i := l.steps[0]
		for _, j := range a.plan.Steps[i].After {
			if !a.over[j] {
				a.enqueue(l)
				return
			}
		}
		l.steps = l.steps[1:]
		if a.wanted(ctx, i) {
			a.mu.Unlock()
			err := a.do(ctx, a.plan.Steps[i])
			a.mu.Lock()
			a.status[i] = Done
			if err != nil {
				a.status[i], a.errs[i] = Failed, &StepError{a.plan.Steps[i], err}
			}
		}
		a.over[i] = true
		for _, w := range a.waiting[i] {
			a.enqueue(w)
		}
		delete(a.waiting, i)
	}
	a.enqueue(l)
}

// wanted reports whether step i may run: nothing it builds on has failed or
// been skipped, and nobody has called a halt.
func (a *application) wanted(ctx context.Context, i int) bool {
	for _, j := range a.plan.Steps[i].After {
		if a.status[j] != Done {
			return false
		}
	}
	return ctx.Err() == nil
}

func (a *application) do(ctx context.Context, s Step) error {
	err := a.k.Do(ctx, s)
	if a.opts.Progress != nil {
		a.reporting.Lock()
		defer a.reporting.Unlock()
		a.opts.Progress(s, err)
	}
	return err
}

// lanes is a heap of lanes, the one with the earliest step on top.
type lanes []*lane

// Len implements [heap.Interface].
func (l lanes) Len() int { return len(l) }

// Less implements [heap.Interface].
func (l lanes) Less(i, j int) bool { return l[i].steps[0] < l[j].steps[0] }

// Swap implements [heap.Interface].
func (l lanes) Swap(i, j int) { l[i], l[j] = l[j], l[i] }

// Push implements [heap.Interface].
func (l *lanes) Push(x any) { *l = append(*l, x.(*lane)) }

// Pop implements [heap.Interface].
func (l *lanes) Pop() any {
	last := len(*l) - 1
	x := (*l)[last]
	*l = (*l)[:last]
	return x
}

// Converge makes the kernel equal to want: it observes, diffs and applies. The
// plan is returned also when applying it went wrong.
func Converge(ctx context.Context, k Kernel, want State, opts Options) (Plan, Result, error) {
	have, err := k.Observe(ctx, want.Hint())
	if err != nil {
		return Plan{}, Result{}, fmt.Errorf("observe lab %s: %w", want.Lab, err)
	}
	plan := Diff(have, want)
	res, err := Apply(ctx, plan, k, opts)
	return plan, res, err
}
