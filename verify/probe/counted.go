package probe

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// How a check that asks many times does so.
const (
	pingEvery    = 5 * time.Millisecond
	askersAtOnce = 4
)

// counted makes the checks that ask many times or measure, when nothing else is
// under way any more: loss and speed are to be those of the lab. What measures
// throughput is made one by one.
func (r *run) counted(checks []int) {
	var wg sync.WaitGroup
	var rates []task
	for _, t := range r.tasks(checks) {
		if t.check.More.Extra.Rate != nil {
			rates = append(rates, t)
			continue
		}
		wg.Go(func() {
			o, err := r.count(t)
			r.done(t, o, err)
		})
	}
	wg.Wait()
	for _, t := range rates {
		if r.ctx.Err() != nil {
			return
		}
		o, err := r.measure(t)
		r.done(t, o, err)
	}
}

func (r *run) count(t task) (verify.Observation, error) {
	if t.check.Kind == verify.ICMP {
		return r.countPings(t.check)
	}
	return r.countTalks(t)
}

// tally sums up what became of many questions. It is safe for concurrent use.
type tally struct {
	mu   sync.Mutex
	want labs.Outcome
	o    verify.Observation
	err  error
}

func newTally(c *verify.Check) *tally {
	return &tally{want: c.Want, o: verify.Observation{Outcome: c.Want}}
}

// sent counts a question.
func (t *tally) sent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.o.Sent++
}

// note adds what became of one question.
func (t *tally) note(one verify.Observation, err error, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.err = err
		return
	}
	if one.Outcome == labs.Reachable {
		t.o.Slowest, t.o.TTL = max(t.o.Slowest, took), one.TTL
		t.o.Status, t.o.Body, t.o.Track, t.o.Tracked = one.Status, one.Body, one.Track, one.Tracked
		for _, a := range one.Answers {
			if !slices.Contains(t.o.Answers, a) {
				t.o.Answers = append(t.o.Answers, a)
			}
		}
	}
	if one.Outcome != t.want {
		t.o.Lost++
		if t.o.Outcome == t.want {
			t.o.Outcome, t.o.Detail, t.o.Silent = one.Outcome, one.Detail, one.Silent
		}
	}
}

func (t *tally) result() (verify.Observation, error) { return t.o, t.err }

// countPings sends pings at a steady pace, each once, and waits for each answer
// as long.
func (r *run) countPings(c *verify.Check) (verify.Observation, error) {
	p, err := r.newPinger(c)
	if err != nil {
		return verify.Observation{}, err
	}
	defer p.close()
	t := newTally(c)
	open := map[uint32]time.Time{} // when it was sent
	pace := time.NewTicker(pingEvery)
	defer pace.Stop()
	for {
		if t.o.Sent < c.More.Extra.Count {
			p.token++
			t.sent()
			open[p.token] = time.Now()
			if err := p.s.send(newEchoOf(p.to.Is6(), p.token, p.mark, 0), p.to); err != nil {
				delete(open, p.token)
				one, trouble := observe(message{}, err, p.to)
				t.note(one, trouble, 0)
			}
		} else if len(open) == 0 {
			return t.result()
		}
		select {
		case m := <-p.heard:
			if at, known := open[m.token]; known {
				delete(open, m.token)
				one, trouble := observe(m, nil, p.to)
				t.note(one, trouble, time.Since(at))
			}
			if t.o.Sent < c.More.Extra.Count {
				<-pace.C
			}
		case <-pace.C:
			for token, at := range open {
				if time.Since(at) > c.Wait {
					delete(open, token)
					t.note(verify.Observation{Outcome: labs.Timeout}, nil, 0)
				}
			}
		case <-r.ctx.Done():
			return t.o, r.ctx.Err()
		}
	}
}

// countTalks connects or asks many times, some at a time.
func (r *run) countTalks(one task) (verify.Observation, error) {
	t := newTally(one.check)
	slots := make(chan struct{}, askersAtOnce)
	var wg sync.WaitGroup
	for range one.check.More.Extra.Count {
		if r.ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			t.sent()
			d, err := r.newDialing(one, one.check.From.NS)
			if err == nil {
				d.once = true
				r.try(d)
				err = d.err
			}
			if err != nil {
				t.note(verify.Observation{}, err, 0)
				return
			}
			t.note(d.o, nil, d.o.RTT)
		})
	}
	wg.Wait()
	return t.result()
}

// How throughput is measured: how long until a connection has come up to speed,
// and how long it is looked at then.
const (
	warmUp    = 200 * time.Millisecond
	measuring = time.Second
)

// measure sends as much as a TCP connection takes to a server of the run and
// notes how much of that is acknowledged in a second.
func (r *run) measure(t task) (verify.Observation, error) {
	d, err := r.newDialing(t, t.check.From.NS)
	if err != nil {
		return verify.Observation{}, err
	}
	d.pump = true
	r.try(d)
	if d.err == nil && d.o.Outcome == labs.Reachable && slices.Contains(d.o.Answers, verify.Answer{}) {
		return d.o, fmt.Errorf("what listens at %s is not netlab's: throughput can be measured only where netlab listens", d.to)
	}
	return d.o, d.err
}

// pumpInto writes to a connection until it has been measured.
func (r *run) pumpInto(d *dialing, file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := file.SetDeadline(start.Add(warmUp + measuring + d.task.check.Wait)); err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	var before uint64
	var since time.Time
	for r.ctx.Err() == nil {
		if _, err := file.Write(block); errors.Is(err, os.ErrDeadlineExceeded) {
			d.o.Rate = 0 // nothing gets through
			return nil
		} else if err != nil {
			return err
		}
		now := time.Now()
		switch {
		case since.IsZero() && now.Sub(start) >= warmUp:
			if before, err = acknowledged(conn); err != nil {
				return err
			}
			since = now
		case !since.IsZero() && now.Sub(since) >= measuring:
			after, err := acknowledged(conn)
			d.o.Rate = float64(after-before) * 8 / now.Sub(since).Seconds()
			return err
		}
	}
	return r.ctx.Err()
}

// acknowledged returns how many bytes the other end has.
func acknowledged(conn interface {
	Control(f func(fd uintptr)) error
}) (n uint64, err error) {
	cerr := conn.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.Bytes_acked
		}
	})
	return n, errors.Join(cerr, err)
}
