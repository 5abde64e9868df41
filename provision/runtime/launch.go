package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// resume takes over what runs, finds out how it ended while nobody looked, or
// starts it for the first time.
func (k *keeper) resume(ctx context.Context) (*process, *Exit, error) {
	p, err := k.spec.dir().adopt()
	if err == nil || !errors.Is(err, fs.ErrNotExist) || k.known.Digest != k.spec.Digest {
		if err == nil && !k.fits(p) {
			p.stop(Grace)
			p = nil
		}
		if p == nil {
			p, err = k.launch(ctx)
		}
		return p, nil, err
	}
	switch {
	case k.known.Phase == Terminated && k.known.ExitCode != nil:
		if e, err := k.spec.dir().lastExit(); err == nil {
			return nil, &e, nil
		}
		return nil, &Exit{Code: *k.known.ExitCode, Ended: time.Now()}, nil
	case k.known.Phase == Running:
		gone := process{record: record{Identity: k.known.Identity}, dir: k.spec.dir()}
		e := gone.exit()
		return nil, &e, nil
	}
	p, err = k.launch(ctx)
	return p, nil, err
}

// fits reports whether p is the container as it should be.
func (k *keeper) fits(p *process) bool {
	return p.Digest == k.spec.Digest && p.inPod(k.spec.Pod.NS)
}

// heldRetry is how often a container is looked at that is just being started by
// a supervisor that has died.
const heldRetry = 20 * time.Millisecond

// launch starts the container. One that runs and does not fit ends first; one
// that fits is taken over.
func (k *keeper) launch(ctx context.Context) (*process, error) {
	d := k.spec.dir()
	deadline := time.Now().Add(startTimeout)
	for ctx.Err() == nil {
		lock, err := d.claim()
		if err == nil {
			p, err := k.begin(ctx, lock)
			lock.Close() // the container has it now
			if err != nil && p != nil {
				p.stop(0)
			}
			if err != nil {
				return nil, err
			}
			return p, nil
		}
		if !errors.Is(err, errHeld) {
			return nil, err
		}
		p, err := d.adopt()
		switch {
		case err == nil && k.fits(p):
			return p, nil
		case err == nil:
			p.stop(Grace)
			continue
		case time.Now().After(deadline):
			return nil, fmt.Errorf("%s is locked, but not by a container", d.file("lock"))
		}
		timer := time.NewTimer(heldRetry)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil, ctx.Err()
}

// begin starts the container when it is its turn: only so many start at a time.
func (k *keeper) begin(ctx context.Context, lock *os.File) (*process, error) {
	select {
	case k.turns <- struct{}{}:
		defer func() { <-k.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return k.spec.start(lock)
}
