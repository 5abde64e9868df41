package probe

import (
	"net/netip"
	"sync"
	"time"

	"netlab/labs"
	"netlab/verify"
)

// giveUp is how long the kernel takes to give up looking for a neighbour and
// say so, with some reserve.
const giveUp = 4500 * time.Millisecond

// silent makes checks that are to get no answer, all at once.
func (r *run) silent(checks []int) {
	var timeouts, unreachable []task
	lost := map[netip.Addr]bool{} // addresses that are searched for on purpose
	for _, t := range r.tasks(checks) {
		if t.check.Want == labs.Timeout {
			timeouts = append(timeouts, t)
		} else {
			unreachable = append(unreachable, t)
			lost[t.check.Addr] = true
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { r.hold(&r.lanes[1], unreachable, r.done) })
	r.timeouts(timeouts, lost)
	wg.Wait()
}

// timeouts makes checks that are to meet silence. Where somebody still looks
// for a neighbour when their time is over they are made again, with time enough
// for the kernel to give up and say so.
func (r *run) timeouts(tasks []task, lost map[netip.Addr]bool) {
	var open []task
	var mu sync.Mutex
	r.hold(&r.lanes[2], tasks, func(t task, o verify.Observation, err error) {
		if err == nil && o.Outcome == labs.Timeout && r.searching(t.check, lost) {
			patient := *t.check
			patient.Wait = giveUp
			mu.Lock()
			defer mu.Unlock()
			open = append(open, task{t.index, &patient})
			return
		}
		r.done(t, o, err)
	})
	r.hold(&r.lanes[2], open, r.done)
}

// hold makes checks all at once, however many entries they make: few do.
func (r *run) hold(e *echoes, tasks []task, done reporter) {
	pings, dials, _ := split(tasks)
	var wg sync.WaitGroup
	wg.Go(func() { r.dial(dials, done) })
	r.ping(e, pings, false, func() {}, done)
	wg.Wait()
}
