package netns

import (
	"errors"
	"os"
	"runtime"
	"sync"
)

// Pool is a few threads that go into namespaces and come back, for callers that
// do so often: about ten times cheaper than a thread a call. The zero Pool is
// not usable; make one with [NewPool]. It is safe for concurrent use.
type Pool struct {
	tasks chan task

	mu     sync.Mutex
	spare  int // threads that may still be started
	closed bool
	active sync.WaitGroup // calls under way
	wg     sync.WaitGroup // threads
}

type task struct {
	fn   func() error
	done chan error
}

var errClosed = errors.New("netns: pool is closed")

// NewPool returns a pool of at most threads threads, none of which is started
// before it is needed.
func NewPool(threads int) *Pool {
	return &Pool{tasks: make(chan task), spare: max(threads, 1)}
}

// Do is the package's [Do] on a thread of the pool.
func (p *Pool) Do(name string, fn func() error) error {
	ns, err := Open(name)
	if err != nil {
		return err
	}
	defer ns.Close()
	return p.Enter(ns, fn)
}

// Enter runs fn in the namespace that is open as ns.
func (p *Pool) Enter(ns *os.File, fn func() error) error {
	return p.run(func() error {
		if err := enter(ns); err != nil {
			return err
		}
		return fn()
	})
}

// Create makes a namespace, runs init inside and then gives it its name, in
// this order: nobody ever sees the name on a namespace that init has not
// prepared. The error is [fs.ErrExist] if the name is taken.
func (p *Pool) Create(name string, init func() error) error {
	path, err := Path(name)
	if err != nil {
		return err
	}
	return p.run(func() error {
		if err := unshare(); err != nil {
			return err
		}
		if err := init(); err != nil {
			return err
		}
		return bind(path)
	})
}

// Close ends the threads. It waits for calls that are under way; later ones
// fail.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	p.mu.Unlock()
	p.active.Wait()
	close(p.tasks)
	p.wg.Wait()
}

func (p *Pool) run(fn func() error) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return errClosed
	}
	p.active.Add(1)
	p.mu.Unlock()
	defer p.active.Done()

	t := task{fn, make(chan error, 1)}
	select {
	case p.tasks <- t: // a thread is idle
	default:
		p.start()
		p.tasks <- t
	}
	return <-t.done
}

func (p *Pool) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spare > 0 {
		p.spare--
		p.wg.Go(p.work)
	}
}

// work carries out tasks on a thread of its own. A thread that cannot be shown
// to be back home ends and another takes its place.
func (p *Pool) work() {
	runtime.LockOSThread()
	if isMainThread() {
		defer runtime.UnlockOSThread()
		var other sync.WaitGroup
		other.Go(p.work)
		other.Wait()
		return
	}
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		for t := range p.tasks {
			t.done <- err
		}
		return
	}
	defer home.Close()
	for t := range p.tasks {
		if !p.carryOut(t, home) {
			p.wg.Go(p.work)
			return
		}
	}
}

func (p *Pool) carryOut(t task, home *os.File) (atHome bool) {
	err := errGoexit
	returned := false
	defer func() {
		if !returned { // the goroutine is on its way out and takes the thread along
			p.wg.Go(p.work)
		}
		t.done <- err
	}()
	err = t.fn()
	returned = true
	return enter(home) == nil
}
