package probe

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"netlab/labs"
	"netlab/verify"
)

// sampling is a sample under way.
type sampling struct {
	task  task
	leave func() // nobody need wait for it any more

	mu     sync.Mutex
	o      verify.Observation
	err    error
	bound  map[bindings]bool
	failed bool
}

// bindings is where a client asked from. A second question from the same port
// may belong to the same flow and so say nothing new.
type bindings struct {
	client int
	at     netip.AddrPort
}

// atOnce is how many questions of one sample are open at a time.
const atOnce = 8

// sample takes samples, all at once, and returns when all are taken or take
// long; these go on and belong to late.
func (r *run) sample(checks []int, late *sync.WaitGroup) {
	var fresh sync.WaitGroup
	for _, t := range r.tasks(checks) {
		s := &sampling{task: t, bound: map[bindings]bool{}}
		s.o.Outcome = labs.Reachable
		fresh.Add(1)
		s.leave = sync.OnceFunc(fresh.Done)
		late.Go(func() {
			defer s.leave()
			start := time.Now()
			r.take(s)
			s.o.RTT = time.Since(start)
			r.done(t, s.o, s.err)
		})
	}
	fresh.Wait()
}

// take takes one sample. Affinity comes into being with the first question of a
// client: two at a time could lead to two endpoints. So each asks once before
// any asks again.
func (r *run) take(s *sampling) {
	switch sm := s.task.check.More.Sample; sm.Aim {
	case verify.Hairpin:
		r.askUntilMet(s)
	case verify.Affinity:
		r.askInTurns(s, len(sm.Clients), false)
		r.askInTurns(s, sm.Tries, true)
	default:
		r.askInTurns(s, sm.Tries, true)
	}
}

// askInTurns lets the clients ask in turns, some at a time.
func (r *run) askInTurns(s *sampling, tries int, count bool) {
	clients := len(s.task.check.More.Sample.Clients)
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range tries {
		slots <- struct{}{}
		if s.over() || r.ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			r.askOnce(s, i%clients, count)
			<-slots
		})
	}
	wg.Wait()
}

// askUntilMet asks until the client has met itself.
func (r *run) askUntilMet(s *sampling) {
	c := s.task.check
	for range c.More.Sample.Tries {
		if a := r.askOnce(s, 0, true); s.over() || r.ctx.Err() != nil ||
			slices.ContainsFunc(c.More.Behind, func(srv verify.Server) bool { return srv.On == c.From && srv.At == a.Server }) {
			return
		}
	}
}

// over reports whether something went wrong that ends the sample.
func (s *sampling) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// askOnce lets one client ask and notes who answered. An answer from a port
// that was used before is not counted; the question is asked again.
func (r *run) askOnce(s *sampling, client int, count bool) verify.Answer {
	c := s.task.check
	for {
		d, err := r.newDialing(s.task, c.More.Sample.Clients[client].From.NS)
		if err == nil {
			var made atomic.Bool
			end := r.pace.begin(func() {
				if !made.Load() {
					s.leave()
				}
			})
			r.try(d)
			made.Store(true)
			end()
			err = d.err
		}
		s.mu.Lock()
		if err != nil || d.o.Outcome != labs.Reachable {
			if !s.failed {
				s.failed, s.err = true, err
				if err == nil {
					s.o.Outcome, s.o.Detail, s.o.Answers = d.o.Outcome, d.o.Detail, nil
				}
			}
			s.mu.Unlock()
			return verify.Answer{}
		}
		from := bindings{client, d.local}
		again := s.bound[from] && c.Kind == verify.UDP
		s.bound[from] = true
		if count && !again {
			s.note(client, d.o.Answers[0])
		}
		s.mu.Unlock()
		if !again {
			return d.o.Answers[0]
		}
	}
}

// note counts an answer. The caller holds s.mu.
func (s *sampling) note(client int, a verify.Answer) {
	for i := range s.o.Hits {
		if h := &s.o.Hits[i]; h.Client == client && h.Answer == a {
			h.Times++
			return
		}
	}
	s.o.Hits = append(s.o.Hits, verify.Hit{Client: client, Answer: a, Times: 1})
}
