package runtime

import (
	"context"
	"errors"
	"time"

	"netlab/labs"
)

// keeper keeps one container running.
type keeper struct {
	spec   spec
	policy labs.RestartPolicy
	board  *board
	known  ContainerState // what was known of it before

	turns  chan struct{}   // holds a value for each container that is being started
	before <-chan struct{} // closed when the container listed before it was started
	begun  chan struct{}   // closed when this one was, or could not be
	check  chan struct{}   // asks to look whether all is as it should be
	ended  chan struct{}   // closed when the keeper is done
	cancel context.CancelCauseFunc
	back   backOff
}

// Why a keeper ends: with its container or without.
var (
	errStop  = errors.New("the container is to end")
	errLeave = errors.New("the container is left to another keeper")
)

func newKeeper(s spec, policy labs.RestartPolicy, b *board, known ContainerState, turns chan struct{}, before <-chan struct{}) *keeper {
	return &keeper{
		spec: s, policy: policy, board: b, known: known, turns: turns, before: before,
		begun: make(chan struct{}), check: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

// same reports whether k does what another keeper would.
func (k *keeper) same(s spec, policy labs.RestartPolicy) bool {
	if k.spec.Digest != s.Digest || k.policy != policy {
		return false
	}
	a, b := k.spec.Container.Readiness, s.Container.Readiness
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	if x.HTTP != nil && y.HTTP != nil {
		if *x.HTTP != *y.HTTP {
			return false
		}
		x.HTTP = y.HTTP
	}
	return x == y
}

func (k *keeper) start() {
	ctx, cancel := context.WithCancelCause(context.Background())
	k.cancel = cancel
	go func() {
		defer close(k.ended)
		k.run(ctx)
	}()
}

// end ends the keeper and, if the reason is errStop, its container.
func (k *keeper) end(reason error) { k.cancel(reason) }

func (k *keeper) set(fn func(*ContainerState)) {
	k.board.set(k.spec.Pod.ID, k.spec.Container.Name, fn)
}

// run starts the container, and starts it again whenever it ends and the policy
// wants it. It returns when ctx is done.
func (k *keeper) run(ctx context.Context) {
	begun := false
	begin := func() {
		if !begun {
			close(k.begun)
			begun = true
		}
	}
	defer begin()
	select {
	case <-k.before:
	case <-ctx.Done(): // it may run from before
	}
	p, last, err := k.resume(ctx)
	for {
		ran := time.Duration(0)
		switch {
		case ctx.Err() != nil:
			k.leave(ctx, p)
			return
		case err != nil:
			k.failed(err)
		case p != nil:
			k.running(p)
			begin()
			last = k.watch(ctx, p)
			if last == nil {
				k.leave(ctx, p)
				return
			}
			ran = last.Ended.Sub(p.Started)
		}
		begin()
		restart := k.policy != labs.RestartNever
		if err == nil {
			restart = k.restarts(last.Code)
		}
		delay := time.Duration(0)
		if restart {
			delay = k.back.delay(ran)
		}
		if last != nil && err == nil {
			k.note(*last, restart)
		}
		if !k.pause(ctx, restart, delay, err != nil) {
			k.leave(ctx, nil)
			return
		}
		if err == nil {
			k.set(func(c *ContainerState) { c.Restarts++ })
		}
		last = nil
		p, err = k.launch(ctx)
	}
}

// restarts reports whether the policy wants a container that ended to be
// started again.
func (k *keeper) restarts(code int) bool {
	return k.policy == labs.RestartAlways || (k.policy == labs.RestartOnFailure && code != 0)
}

// pause waits until it is time to start again, for ever if that is never. It
// returns false when ctx is done. A container that could not be started is
// tried again as soon as somebody asks for a check.
func (k *keeper) pause(ctx context.Context, restart bool, delay time.Duration, failed bool) bool {
	var late <-chan time.Time
	if restart {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		late = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-late:
			return true
		case <-k.check:
			if failed {
				return true
			}
		}
	}
}

// running writes down that the container runs. One that was taken over is as
// ready as it was.
func (k *keeper) running(p *process) {
	started := p.Started
	k.set(func(c *ContainerState) {
		c.Phase, c.Reason, c.Message = Running, "", ""
		c.Identity, c.Started = p.Identity, &started
		c.Ready = k.spec.Container.Readiness == nil || (c.Ready && !p.child)
	})
}

// failed writes down that the container could not be started.
func (k *keeper) failed(err error) {
	k.set(func(c *ContainerState) {
		c.Phase, c.Reason, c.Message, c.Ready, c.Identity = Waiting, StartError, err.Error(), false, Identity{}
		if k.policy == labs.RestartNever {
			code := startFailed
			c.Phase, c.ExitCode = Terminated, &code
		}
	})
}

// watch waits for the end of a container that runs, and probes it meanwhile. It
// returns nil when ctx is done.
func (k *keeper) watch(ctx context.Context, p *process) *Exit {
	if probe := k.spec.Container.Readiness; probe != nil {
		was, _ := k.board.get().container(k.spec.Pod.ID, k.spec.Container.Name)
		probing, stop := context.WithCancel(ctx)
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			watchReadiness(probing, probe, was.Ready, k.spec.probe, func(ready bool, problem error) {
				k.set(func(c *ContainerState) {
					c.Ready, c.Message = ready, ""
					if problem != nil {
						c.Message = "not ready: " + problem.Error()
					}
				})
			})
		}()
		defer func() { stop(); <-finished }()
	}
	for {
		select {
		case <-p.done:
			e := p.exit()
			return &e
		case <-ctx.Done():
			return nil
		case <-k.check:
			if !k.fits(p) {
				p.stop(Grace)
			}
		}
	}
}

// note writes down how a container ended.
func (k *keeper) note(e Exit, restart bool) {
	k.set(func(c *ContainerState) {
		code, ended := e.Code, e.Ended
		c.Ready, c.ExitCode, c.Ended, c.Identity = false, &code, &ended, Identity{}
		c.Message = e.Reason
		switch {
		case restart:
			c.Phase, c.Reason = Waiting, BackOff
		case code == 0:
			c.Phase, c.Reason = Terminated, Completed
		default:
			c.Phase, c.Reason = Terminated, Failed
		}
	})
}

// leave ends the container if that is what the keeper ends for.
func (k *keeper) leave(ctx context.Context, p *process) {
	if !errors.Is(context.Cause(ctx), errStop) {
		return
	}
	if p == nil {
		p, _ = k.spec.dir().adopt()
	}
	if p != nil {
		p.stop(Grace)
	}
	if root := pidsRoot(); root != "" {
		removeGroups(groupPath(root, k.spec.Lab, k.spec.Pod.NS, k.spec.Container.Name))
	}
}
