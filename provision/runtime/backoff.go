package runtime

import "time"

// backOff says how long to wait before a container is started again: not at
// all the first time, and then ever longer, until it has run well for a while.
type backOff struct{ next time.Duration }

const (
	firstDelay = 500 * time.Millisecond // after the second crash
	maxDelay   = time.Minute
	calm       = time.Minute // after running this long a crash counts as the first
)

// delay returns how long to wait after the container ran for a time.
func (b *backOff) delay(ran time.Duration) time.Duration {
	if ran >= calm {
		b.next = 0
	}
	d := b.next
	b.next = min(max(2*d, firstDelay), maxDelay)
	return d
}
