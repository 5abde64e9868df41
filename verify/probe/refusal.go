package probe

import (
	"slices"
	"sync"

	"netlab/labs"
	"netlab/verify"
)

// chosenPorts is where the ports begin of which the kernel chooses one for a
// listener on any port.
const chosenPorts = 32768

// refusals makes checks that are to be refused, while nobody of this run
// listens. Those that are not refused soon belong to late, if no listener of
// this run can ever answer them; otherwise they are waited for.
func (r *run) refusals(checks []int, late *sync.WaitGroup) {
	if len(checks) == 0 {
		return
	}
	if !r.apart(checks) {
		r.exchangeAll(checks, nil)()
		return
	}
	before := r.neighbours(r.spaceNames(checks))
	for _, b := range schedule(r.checks, checks, r.budgets(before)) {
		if r.ctx.Err() != nil {
			return
		}
		if r.pace.busy() > mostLate {
			late.Wait()
		}
		r.exchange(b, late)
		r.forget(r.spaceNames(b), before)
	}
}

// apart reports whether checks are about ports of pods on which this run will
// not listen. What else a connection comes to, rules decide.
func (r *run) apart(checks []int) bool {
	ports := map[uint16]bool{}
	for i := range r.checks {
		if more := r.checks[i].More; more != nil {
			for _, s := range more.Listen {
				ports[s.At.Port()] = true
			}
		}
	}
	return !slices.ContainsFunc(checks, func(i int) bool {
		c := &r.checks[i]
		return c.Kind != verify.TCP && c.Kind != verify.UDP || c.To == nil || c.To.Kind != labs.RefPod || !slices.Contains(c.To.Addrs, c.Addr) ||
			c.Port == 0 || c.Port >= chosenPorts || ports[c.Port]
	})
}
