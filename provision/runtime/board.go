package runtime

import (
	"maps"
	"slices"
	"sync"
)

// board is the state of a lab's containers while its supervisor runs. It is
// safe for concurrent use.
type board struct {
	mu      sync.Mutex
	state   State
	changed chan struct{} // holds a value after a change
	ready   map[string]bool
	flipped chan struct{} // holds a value after a change of some pod's readiness
}

func newBoard(s State) *board {
	return &board{state: s, changed: make(chan struct{}, 1), flipped: make(chan struct{}, 1)}
}

// edit changes the state.
func (b *board) edit(fn func(*State)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fn(&b.state)
	ready := map[string]bool{}
	for _, p := range b.state.Pods {
		ready[p.ID] = p.Ready()
	}
	notify(b.changed)
	if !maps.Equal(ready, b.ready) {
		b.ready = ready
		notify(b.flipped)
	}
}

// set changes the state of one container. One that is no longer known is left
// alone.
func (b *board) set(pod, name string, fn func(*ContainerState)) {
	b.edit(func(s *State) {
		p := s.Pod(pod)
		if p == nil {
			return
		}
		for i := range p.Containers {
			if p.Containers[i].Name == name {
				fn(&p.Containers[i])
			}
		}
	})
}

// get returns a copy of the state.
func (b *board) get() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state
	s.Pods = slices.Clone(s.Pods)
	for i := range s.Pods {
		s.Pods[i].Containers = slices.Clone(s.Pods[i].Containers)
	}
	return s
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
