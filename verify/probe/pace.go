package probe

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of connections under way.
const (
	maxFresh = 256                   // that were begun just now
	fresh    = 20 * time.Millisecond // how long just now is
	maxOpen  = 12000                 // at all, if the process may open so many files
)

// pace bounds how many connections are begun at a time. One that gets no
// answer soon makes room for others: a thousand that never get one are waited
// for together.
type pace struct {
	fresh chan struct{}
	open  chan struct{}
}

func newPace() *pace {
	files := unix.Rlimit{Cur: 1024}
	unix.Getrlimit(unix.RLIMIT_NOFILE, &files) // the default is a safe guess
	open := min(maxOpen, max(64, int(min(files.Cur, 1<<20))/2))
	return &pace{fresh: make(chan struct{}, maxFresh), open: make(chan struct{}, open)}
}

// begin waits until another connection may be begun and returns what to call
// when it is over.
func (p *pace) begin() (end func()) {
	p.open <- struct{}{}
	p.fresh <- struct{}{}
	release := sync.OnceFunc(func() { <-p.fresh })
	timer := time.AfterFunc(fresh, release)
	return func() {
		timer.Stop()
		release()
		<-p.open
	}
}
