package provision

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
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
// touched. Links that were set up carry packets when it returns, where k is a
// [LinkAwaiter]. No goroutine outlives the call.
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
	err := ctx.Err()
	if links, ok := k.(LinkAwaiter); ok && err == nil {
		err = links.AwaitLinks(ctx)
	}
	return Result{a.status}, errors.Join(append(a.errs, err)...)
}

// application is one run of Apply. Each namespace is a lane: a queue of steps
// that run in their order, some of them in one go where the kernel can do that.
// A lane whose first step waits for nothing stands in ready.
type application struct {
	plan  Plan
	k     Kernel
	batch Batcher // k, if it is one
	opts  Options

	mu      sync.Mutex
	wake    *sync.Cond
	ready   lanes
	waiting map[int][]*lane // step -> lanes whose first step comes after it
	left    int             // lanes not finished
	over    []bool          // steps that ran or were skipped
	awaited []int           // how many steps of other lanes wait for a step
	status  []Status
	errs    []error

	reporting sync.Mutex // serialises Options.Progress
}

type lane struct {
	steps   []int // what is left, in plan order
	awaited int   // how often steps of other lanes wait for one of this
}

// laneKey tells lanes apart. The rules of a namespace have one of their own: they
// need nothing else in it, and writing them takes as long as all the rest.
type laneKey struct {
	ns    string
	rules bool
}

func newApplication(p Plan, k Kernel, opts Options) *application {
	a := &application{
		plan: p, k: k, opts: opts,
		waiting: map[int][]*lane{},
		over:    make([]bool, len(p.Steps)),
		awaited: make([]int, len(p.Steps)),
		status:  make([]Status, len(p.Steps)),
		errs:    make([]error, len(p.Steps)),
	}
	a.wake = sync.NewCond(&a.mu)
	a.batch, _ = k.(Batcher)
	lanes := map[laneKey]*lane{}
	var order []*lane
	of := make([]*lane, len(p.Steps))
	for i, s := range p.Steps {
		k := s.Object.Key()
		key := laneKey{k.NS, k.Kind == KindRuleset}
		l := lanes[key]
		if l == nil {
			l = &lane{}
			lanes[key] = l
			order = append(order, l)
		}
		l.steps = append(l.steps, i)
		of[i] = l
		if k.Kind == KindSupervisor {
			continue // it waits for everything
		}
		for _, j := range s.After {
			if of[j] != l {
				of[j].awaited++
				a.awaited[j]++
			}
		}
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
		n := a.runnable(ctx, l)
		if n == 0 {
			a.enqueue(l)
			return
		}
		steps := l.steps[:n]
		if !a.wanted(ctx, steps[0]) {
			a.finish(l, Skipped, nil)
			continue
		}
		a.mu.Unlock()
		done, err := a.do(ctx, steps)
		a.mu.Lock()
		for range done {
			a.finish(l, Done, nil)
		}
		if err != nil {
			a.finish(l, Failed, err)
		}
	}
	a.enqueue(l)
}

// maxBatch bounds how many steps are carried out in one go, so that nobody waits
// long for the first of them.
const maxBatch = 64

// runnable returns how many of l's first steps may be carried out one after the
// other: those that wait for nothing but each other, or the first alone if it is
// not wanted. The caller holds mu.
func (a *application) runnable(ctx context.Context, l *lane) int {
	for n, i := range l.steps {
		for _, j := range a.plan.Steps[i].After {
			if _, before := slices.BinarySearch(l.steps[:n], j); !before && !a.over[j] {
				return n
			}
		}
		if n > 0 && (a.batch == nil || n == maxBatch || !a.wanted(ctx, i)) {
			return n
		}
	}
	return len(l.steps)
}

// finish says what became of l's first step. The caller holds mu.
func (a *application) finish(l *lane, st Status, err error) {
	i := l.steps[0]
	l.steps = l.steps[1:]
	l.awaited -= a.awaited[i]
	a.status[i] = st
	if err != nil {
		a.errs[i] = &StepError{a.plan.Steps[i], err}
	}
	a.over[i] = true
	for _, w := range a.waiting[i] {
		a.enqueue(w)
	}
	delete(a.waiting, i)
}

// wanted reports whether step i may run: nothing it builds on has failed or
// been skipped, and nobody has called a halt. What is over counts; the rest is
// about to be done before it.
func (a *application) wanted(ctx context.Context, i int) bool {
	for _, j := range a.plan.Steps[i].After {
		if a.over[j] && a.status[j] != Done {
			return false
		}
	}
	return ctx.Err() == nil
}

// do carries out steps as far as it gets and returns how many are done. err is
// the failure of the next one.
func (a *application) do(ctx context.Context, steps []int) (done int, err error) {
	if a.batch == nil {
		if err = a.k.Do(ctx, a.plan.Steps[steps[0]]); err == nil {
			done = 1
		}
	} else {
		batch := make([]Step, len(steps))
		for k, i := range steps {
			batch[k] = a.plan.Steps[i]
		}
		done, err = a.batch.DoAll(ctx, batch)
		if done == 0 && err == nil {
			err = ctx.Err()
		}
	}
	if a.opts.Progress != nil {
		a.reporting.Lock()
		defer a.reporting.Unlock()
		for _, i := range steps[:done] {
			a.opts.Progress(a.plan.Steps[i], nil)
		}
		if err != nil {
			a.opts.Progress(a.plan.Steps[steps[done]], err)
		}
	}
	return done, err
}

// lanes is a heap of lanes: those that others wait for most on top, and of
// equals the one with the earliest step.
type lanes []*lane

// Len implements [heap.Interface].
func (l lanes) Len() int { return len(l) }

// Less implements [heap.Interface].
func (l lanes) Less(i, j int) bool {
	if l[i].awaited != l[j].awaited {
		return l[i].awaited > l[j].awaited
	}
	return l[i].steps[0] < l[j].steps[0]
}

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
