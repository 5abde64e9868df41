package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"

	"netlab/provision/netns"
)

// tour is a thread that visits namespaces, and what it has with it.
type tour struct {
	visitor *netns.Visitor
	proc    *procSys
}

// visitAll calls fn for 0 to n-1 on a few threads that may go into namespaces,
// until one call fails or ctx is cancelled. fn must not wait for the pool.
func (h *Host) visitAll(ctx context.Context, n int, fn func(t *tour, i int) error) error {
	var mu sync.Mutex
	var first error
	next := 0
	take := func(err error) (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
		}
		if first == nil {
			first = ctx.Err()
		}
		if first != nil || next == n {
			return 0, false
		}
		next++
		return next - 1, true
	}
	var wg sync.WaitGroup
	for range min(n, netns.Threads()) {
		wg.Go(func() {
			err := h.pool.Visit(func(v *netns.Visitor) error {
				t := tour{visitor: v, proc: h.procs.take(h.crowded())}
				defer h.procs.give(t.proc)
				for i, ok := take(nil); ok; {
					i, ok = take(fn(&t, i))
				}
				return nil
			})
			if err != nil {
				take(err)
			}
		})
	}
	wg.Wait()
	return first
}

// maxHeld bounds how many namespaces heldFiles keeps open.
const maxHeld = 64

// heldFiles are namespaces to which many others have cables, held open for as
// long as it takes to ask each of these for the number by which it knows them.
type heldFiles struct {
	mu    sync.Mutex
	files map[string]int
}

// ids asks c's namespace by which numbers it knows others. Those that are not
// there are left out.
func (f *heldFiles) ids(c *conn, names []string) (map[string]int, error) {
	if len(names) == 0 {
		return nil, nil
	}
	ids := make(map[string]int, len(names))
	for _, name := range names {
		fd, done, err := f.open(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, netns.ErrNoNamespace) {
			continue
		}
		if err != nil {
			return nil, err
		}
		id, err := namespaceIDOf(c, fd)
		done()
		if err != nil {
			return nil, fmt.Errorf("ask for the id of %s: %w", name, err)
		}
		ids[name] = id
	}
	return ids, nil
}

// open returns a namespace as a descriptor that is good until done is called.
func (f *heldFiles) open(name string) (fd int, done func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fd, ok := f.files[name]; ok {
		return fd, func() {}, nil
	}
	if fd, err = netns.OpenFD(name); err != nil {
		return -1, nil, err
	}
	if len(f.files) >= maxHeld {
		return fd, func() { unix.Close(fd) }, nil
	}
	if f.files == nil {
		f.files = map[string]int{}
	}
	f.files[name] = fd
	return fd, func() {}, nil
}

func (f *heldFiles) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fd := range f.files {
		unix.Close(fd)
	}
	f.files = nil
}

// newRuleReaders returns a channel of views whose rules are then read, a few at
// the same time, and a function that waits for all of them once the channel is
// closed. Sending to it never blocks for n views.
func newRuleReaders(ctx context.Context, h *Host, w wish, n int) (views chan<- *view, wait func() error) {
	queue := make(chan *view, n)
	var wg sync.WaitGroup
	errs := make([]error, observers)
	for i := range observers {
		wg.Go(func() {
			for v := range queue {
				if errs[i] != nil || ctx.Err() != nil {
					continue
				}
				if v.rulesets, errs[i] = h.rulesets(ctx, v, w); errs[i] != nil {
					errs[i] = fmt.Errorf("read namespace %s: %w", v.name, errs[i])
				}
			}
		})
	}
	return queue, func() error {
		wg.Wait()
		return errors.Join(errs...)
	}
}
