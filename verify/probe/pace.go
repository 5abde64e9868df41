package probe

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of connections under way.
const (
	maxFresh = 32                     // that were begun just now
	stalled  = 20 * time.Millisecond  // without any connection being made: those under way are not fresh
	stale    = 100 * time.Millisecond // after that none is fresh, or on a slow machine
	staler   = 8                      // after so many times what they take on average
	maxOpen  = 12000                  // at all, if the process may open so many files
)

// pace bounds how many connections are begun at a time. One that gets no
// answer soon makes room for others: a thousand that never get one are waited
// for together.
type pace struct {
	fresh chan struct{}
	open  chan struct{}
	under atomic.Int64 // how many are in open, whose length orders nothing
	last  atomic.Int64 // when a connection ended last
	usual atomic.Int64 // nanoseconds that fresh ones take, on average
}

func newPace() *pace {
	files := unix.Rlimit{Cur: 1024}
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &files) // the default is a safe guess
	open := min(maxOpen, max(64, int(min(files.Cur, 1<<20))/2))
	return &pace{fresh: make(chan struct{}, maxFresh), open: make(chan struct{}, open)}
}

// begin waits until another connection may be begun and returns what to call
// when it is over. slow is called then, or before that when the connection is
// not fresh any more: there is no use in waiting for it.
func (p *pace) begin(slow func()) (end func()) {
	p.open <- struct{}{}
	p.under.Add(1)
	p.fresh <- struct{}{}
	start := time.Now()
	release := sync.OnceFunc(func() {
		<-p.fresh
		slow()
	})
	var timer atomic.Pointer[time.Timer]
	look := func() {
		now := time.Now()
		if now.UnixNano()-p.last.Load() >= int64(stalled) || now.Sub(start) >= p.stale() {
			release()
			return
		}
		timer.Load().Reset(stalled)
	}
	timer.Store(time.AfterFunc(time.Hour, look))
	timer.Load().Reset(stalled)
	return func() {
		timer.Load().Stop()
		now := time.Now()
		p.last.Store(now.UnixNano())
		if took := now.Sub(start); took < p.stale() {
			usual := p.usual.Load()
			p.usual.Store(usual + (int64(took)-usual)/16) // whoever is overtaken is not missed
		}
		p.under.Add(-1)
		<-p.open
		release()
	}
}

// stale returns after which time a connection is not fresh any more.
func (p *pace) stale() time.Duration {
	return max(stale, min(staler*time.Duration(p.usual.Load()), time.Second))
}

// busy returns how many connections are under way. What those have left behind that
// are over is there to be read.
func (p *pace) busy() int { return int(p.under.Load()) }
