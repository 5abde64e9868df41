package probe

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// window is how many pings are sent without waiting for answers: more than
// that and the queues between namespaces overflow.
const window = 512

// lull is how long no ping of a window is answered before the next is sent, or
// longer where the window took longer to send: so slow a machine may pause.
// Answers that come later count all the same.
const lull = 10 * time.Millisecond

// attemptBits is how many bits of a token number the attempts of one ping.
const attemptBits = 3

// echo is a ping that is repeated until it is answered.
type echo struct {
	task   task
	number uint32 // in the run
	from   *space
	to     netip.Addr
	wait   time.Duration

	// Guarded by echoes.mu.
	start    time.Time // of the first attempt
	sent     time.Time // of the last one
	attempts int
	done     bool
	batch    int   // number of the window it was last sent in
	heard    uint8 // attempts that were answered, one bit each
	o        verify.Observation
	trouble  error // why an attempt could not be sent
}

// echoes are the pings under way. Readers of all namespaces deliver to it.
type echoes struct {
	mu     sync.Mutex
	mark   echoMark
	list   []*echo
	first  uint32 // number of list[0]: late answers to earlier pings fall below
	batch  int
	left   int // of the window that was sent last
	crowd  *crowd
	signal chan struct{}
}

func (e *echoes) init(m echoMark, c *crowd) {
	e.mark, e.crowd, e.signal = m, c, make(chan struct{}, 1)
}

// receive takes in an answer or an error.
func (e *echoes) receive(m message) {
	if !bytes.Equal(m.nonce, e.mark.nonce[:]) {
		return
	}
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	i, attempt := m.token>>attemptBits-e.first, m.token&(1<<attemptBits-1)
	if i >= uint32(len(e.list)) {
		return
	}
	p := e.list[i]
	if m.wrong == "" && m.from == p.to {
		if p.heard&(1<<attempt) != 0 {
			p.o.Twice++
		}
		p.heard |= 1 << attempt
	}
	if p.done {
		return
	}
	switch {
	case m.wrong != "":
		p.o.Outcome, p.o.Detail = m.means, fmt.Sprintf("icmp: %s from %s", m.wrong, m.from)
	case m.from != p.to:
		p.o.Outcome, p.o.Detail = labs.Unreachable, fmt.Sprintf("%s answered in its place", m.from)
	default:
		p.o.Outcome, p.o.TTL, p.o.RTT, p.o.Detail = labs.Reachable, m.ttl, now.Sub(p.sent), ""
	}
	e.finish(p)
}

// finish marks p as done. The caller holds e.mu.
func (e *echoes) finish(p *echo) {
	if p.done {
		return
	}
	p.done = true
	if p.batch == e.batch {
		if e.left--; e.left == 0 {
			select {
			case e.signal <- struct{}{}:
			default:
			}
		}
	}
}

// ping makes ICMP checks. It calls settled when each was tried once. If brief
// it returns those that were not answered soon, and does not report them.
func (r *run) ping(e *echoes, tasks []task, brief bool, settled func(), done reporter) (late []task) {
	for brief && len(tasks) > mostUnderWay {
		late = append(late, r.pingSome(e, tasks[:mostUnderWay], true, func() {}, done)...)
		tasks = tasks[mostUnderWay:]
	}
	return append(late, r.pingSome(e, tasks, brief, settled, done)...)
}

// mostUnderWay is how many pings are under way at most where none is waited for
// long: what is known of one takes half a kilobyte.
const mostUnderWay = 64 * window

// pingSome is ping for as many as there is memory for.
func (r *run) pingSome(e *echoes, tasks []task, brief bool, settled func(), done reporter) (late []task) {
	list := make([]*echo, len(tasks))
	for k, t := range tasks {
		list[k] = &echo{task: t, from: r.spaces[t.check.From.NS], to: t.check.Addr, wait: t.check.Wait}
	}
	r.sendAll(e, list, brief, settled)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range list {
		if brief && !p.done {
			late = append(late, p.task)
			continue
		}
		done(p.task, p.o, p.err())
	}
	return late
}

// err returns why p could not be made, if it could not.
func (p *echo) err() error {
	if p.o.Outcome == labs.Timeout && p.trouble != nil {
		return p.trouble
	}
	return nil
}

// sendAll sends pings, again and again those that are not answered, until each
// is done or its time is over, or, if brief, some time after the first attempt.
// Only one call for e runs at a time.
func (r *run) sendAll(e *echoes, list []*echo, brief bool, settled func()) {
	if len(list) == 0 {
		settled()
		return
	}
	e.mu.Lock()
	e.first += uint32(len(e.list))
	e.list = list
	for i, p := range list {
		p.number = e.first + uint32(i)
	}
	e.mu.Unlock()
	gap := 50 * time.Millisecond
	settled = sync.OnceFunc(settled)
	for open := list; len(open) > 0 && r.ctx.Err() == nil; gap = min(2*gap, 700*time.Millisecond) {
		round := time.Now()
		for len(open) > 0 {
			some := open[:min(window, len(open))]
			open = open[len(some):]
			began := time.Now()
			e.send(some)
			e.drain(r.ctx.Done(), max(lull, time.Since(began)))
		}
		settled()
		if open = e.unanswered(list); len(open) == 0 {
			break
		}
		e.arm(open)
		until := min(gap, time.Until(round.Add(gap)))
		e.await(r.ctx.Done(), min(until, longest(open)))
		open = e.unanswered(list)
		if brief {
			break
		}
	}
}

// send sends one attempt of each ping.
func (e *echoes) send(some []*echo) {
	e.arm(some)
	// The kernel carries a packet all the way within the call that sends it.
	var wg sync.WaitGroup
	for _, share := range shares(some, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for _, p := range share {
				e.sendOne(p)
			}
		})
	}
	wg.Wait()
}

// shares divides pings among n senders, each of which gets a piece of the list:
// those of one pod stand together. While the first of a pod asks for the gateway,
// which the bridge carries to each of its ports, those of another sender would
// wait for the answer, and then all ask for their pods in one go: with a hundred
// ports that is more than the queue of a processor holds.
func shares(some []*echo, n int) [][]*echo {
	list := make([][]*echo, 0, n)
	for k := range n {
		if share := some[k*len(some)/n : (k+1)*len(some)/n]; len(share) > 0 {
			list = append(list, share)
		}
	}
	return list
}

// arm makes e signal when all of some are done.
func (e *echoes) arm(some []*echo) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.signal:
	default:
	}
	e.batch++
	e.left = 0
	for _, p := range some {
		if !p.done {
			p.batch = e.batch
			e.left++
		}
	}
	if e.left == 0 {
		e.signal <- struct{}{}
	}
}

// drain waits for the armed pings for as long as answers come: a slow machine
// must not get the next window on top of this one.
func (e *echoes) drain(stop <-chan struct{}, lull time.Duration) {
	for before := e.missing(); before > 0; {
		e.await(stop, lull)
		now := e.missing()
		if now == before {
			return
		}
		before = now
	}
}

// missing returns how many of the armed pings are not done.
func (e *echoes) missing() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.left
}

// await returns when all of the armed pings are done, or after d.
func (e *echoes) await(stop <-chan struct{}, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-e.signal:
	case <-timer.C:
	case <-stop:
	}
}

// unanswered ends the pings whose time is over and returns the others.
func (e *echoes) unanswered(list []*echo) []*echo {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	var open []*echo
	for _, p := range list {
		if p.done {
			continue
		}
		if now.Sub(p.start) >= p.wait && p.attempts > 1 {
			p.o.Outcome = labs.Timeout
			e.finish(p)
			continue
		}
		open = append(open, p)
	}
	return open
}

// longest returns the time until the last of some pings is over.
func longest(some []*echo) time.Duration {
	var d time.Duration
	for _, p := range some {
		d = max(d, p.wait-time.Since(p.start))
	}
	return max(d, time.Millisecond)
}

// sendOne sends one attempt and takes in what the kernel says at once.
func (e *echoes) sendOne(p *echo) {
	e.mu.Lock()
	if p.attempts >= 1<<attemptBits {
		e.mu.Unlock()
		return
	}
	token := p.number<<attemptBits | uint32(p.attempts)
	p.sent = time.Now()
	if p.attempts == 0 {
		p.start = p.sent
	}
	p.attempts++
	e.mu.Unlock()
	err := p.send(newEcho(p.to.Is6(), token, e.mark))
	if err == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.crowd.note(err)
	outcome, detail, trouble := meaning(err)
	switch {
	case trouble != nil:
		p.trouble = fmt.Errorf("ping %s from %s: %w", p.to, p.from.name, trouble)
		if !temporary(err) {
			p.o.Outcome = labs.Timeout
			e.finish(p)
		}
	case outcome == labs.Timeout:
		p.o.Detail = detail
	case !p.done:
		p.o.Outcome, p.o.Detail = outcome, detail
		e.finish(p)
	}
}

func (p *echo) send(packet []byte) error {
	if p.from.err != nil {
		return p.from.err
	}
	s := p.from.raw4
	if p.to.Is6() {
		s = p.from.raw6
	}
	if s == nil {
		return unix.EAFNOSUPPORT
	}
	return s.send(packet, p.to)
}
