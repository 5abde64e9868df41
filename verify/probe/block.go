package probe

import (
	"slices"
	"sync"

	"netlab/verify"
)

// mostLate is how many connections that take long are left to themselves
// while others begin.
const mostLate = 512

// exchangeAll makes checks that send something, block by block, and takes
// samples when each check was tried. What is not answered soon is not waited
// for: connections go on by themselves, pings are made again when all blocks
// are through, with all the time they may take. Neighbours that the last block
// made are forgotten by the function that it returns.
func (r *run) exchangeAll(checks, samples []int) (forget func()) {
	all := slices.Concat(checks, samples)
	if len(all) == 0 {
		return func() {}
	}
	before := r.neighbours(r.spaceNames(all))
	var slow sync.WaitGroup
	var late []int
	calm := len(samples) == 0 // nothing is learned once a block is forgotten
	blocks := schedule(r.checks, checks, r.budgets(before))
	for i, b := range blocks {
		if r.ctx.Err() != nil {
			break
		}
		if r.pace.busy() > mostLate {
			slow.Wait()
		}
		late = append(late, r.exchange(b, &slow)...)
		calm = calm && len(late) == 0 && r.pace.busy() == 0
		forget = func() { r.forget(r.spaceNames(b), before) }
		if calm && i == len(blocks)-1 {
			return forget
		}
		forget()
	}
	var again sync.WaitGroup
	again.Go(func() {
		for _, b := range schedule(r.checks, late, r.budgets(before)) {
			if r.ctx.Err() == nil {
				r.insist(b)
			}
		}
	})
	for _, b := range schedule(r.checks, samples, r.budgets(before)) {
		if r.ctx.Err() == nil {
			r.sample(b, &slow)
		}
	}
	again.Wait()
	slow.Wait()
	return func() { r.forget(r.spaceNames(all), before) }
}

// exchange makes the checks of one block and returns those that were not
// answered soon. Connections begin when every ping was tried once, so that both
// do not compete for the same queues; those that take long belong to slow.
func (r *run) exchange(block []int, slow *sync.WaitGroup) (late []int) {
	pings, dials, stirs := split(r.tasks(block))
	var wg sync.WaitGroup
	done := r.trusting(r.done)
	defer r.watch(block)
	tasks := r.ping(&r.lanes[0], pings, true, func() { wg.Go(func() { r.begin(dials, done, slow) }) }, done)
	tasks = append(tasks, r.stir(&r.lanes[0], stirs, true, done)...)
	wg.Wait()
	for _, t := range tasks {
		late = append(late, t.index)
	}
	return late
}

// insist makes pings again that were not answered soon.
func (r *run) insist(block []int) {
	pings, _, stirs := split(r.tasks(block))
	var wg sync.WaitGroup
	wg.Go(func() { r.stir(&r.lanes[3], stirs, false, r.trusting(r.done)) })
	r.ping(&r.lanes[0], pings, false, func() {}, r.trusting(r.done))
	wg.Wait()
}

// split sorts checks by how they are made.
func split(tasks []task) (pings, dials, stirs []task) {
	for _, t := range tasks {
		switch t.check.Kind {
		case verify.ICMP:
			pings = append(pings, t)
		case verify.Neigh:
			stirs = append(stirs, t)
		default:
			dials = append(dials, t)
		}
	}
	return pings, dials, stirs
}
