package runtime

import (
	"context"
	"time"
)

// pace waits until what took a time has taken a small part of all time.
func pace(ctx context.Context, took time.Duration) {
	rest := time.NewTimer(max(minRest, restShare*took))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	}
}

// Of what is done again and again: at least so much rest, and so many times as
// much as work.
const (
	minRest   = 2 * time.Millisecond
	restShare = 10
)
