package probe

import (
	"context"
	"runtime"
	"sync"

	"netlab/labs"
	"netlab/provision/netns"
	"netlab/verify"
)

// Prober makes the checks of labs on this host. The zero Prober is ready to
// use and safe for concurrent use.
type Prober struct {
	// InNamespace runs fn on a thread that is in a network namespace and
	// returns its error. It is nil for the named namespaces of this host.
	InNamespace func(name string, fn func() error) error
}

var _ verify.Prober = Prober{}

// New returns a prober for the labs of this host.
func New() Prober { return Prober{} }

// Probe implements [verify.Prober].
func (p Prober) Probe(ctx context.Context, checks []verify.Check, report func(i int, o verify.Observation, err error)) error {
	in := p.InNamespace
	if in == nil {
		pool := netns.NewPool(2 * runtime.GOMAXPROCS(0))
		defer pool.Close()
		in = pool.Do
	}
	r := newRun(ctx, checks, in, report)
	defer r.close()
	r.open()

	var tables, quiet, first, rest []int
	for i := range checks {
		switch c := &checks[i]; {
		case !traffic(c.Kind):
			tables = append(tables, i)
		case c.Want == labs.Timeout || c.Want == labs.Unreachable:
			quiet = append(quiet, i)
		case c.Want == labs.Refused:
			first = append(first, i)
		default:
			rest = append(rest, i)
		}
	}
	r.read(tables)
	// Nobody may listen yet where a refusal is promised.
	r.exchangeAll(first)
	r.listen()
	var wg sync.WaitGroup
	wg.Go(func() { r.silent(quiet) }) // takes its time, whatever else goes on
	r.exchangeAll(rest)
	wg.Wait()
	return ctx.Err()
}

// traffic reports whether checks of a kind send something.
func traffic(k verify.Kind) bool {
	return k == verify.ICMP || k == verify.TCP || k == verify.UDP || k == verify.Neigh
}

// run is one call of Probe.
type run struct {
	ctx    context.Context
	checks []verify.Check
	in     func(name string, fn func() error) error
	spaces map[string]*space
	nonce  [8]byte
	pace   *pace

	reporting sync.Mutex
	report    func(i int, o verify.Observation, err error)

	servers *servers
	readers sync.WaitGroup
	lanes   [3]echoes // pings of the blocks, and those of two kinds that are to get no answer
}

func newRun(ctx context.Context, checks []verify.Check, in func(string, func() error) error, report func(int, verify.Observation, error)) *run {
	r := &run{
		ctx: ctx, checks: checks, in: in, report: report,
		spaces: map[string]*space{}, pace: newPace(), nonce: newNonce(),
	}
	r.servers = newServers(r.nonce)
	for i := range r.lanes {
		r.lanes[i].init(newNonce())
	}
	return r
}

// task is a check to make.
type task struct {
	index int
	check *verify.Check
}

// reporter is told what became of a check.
type reporter func(t task, o verify.Observation, err error)

func (r *run) tasks(checks []int) []task {
	list := make([]task, len(checks))
	for k, i := range checks {
		list[k] = task{i, &r.checks[i]}
	}
	return list
}

// done reports what became of a check.
func (r *run) done(t task, o verify.Observation, err error) {
	r.reporting.Lock()
	defer r.reporting.Unlock()
	r.report(t.index, o, err)
}

// close ends everything that the run started and waits for it.
func (r *run) close() {
	r.servers.close()
	for _, s := range r.spaces {
		s.close()
	}
	r.readers.Wait()
}

// exchangeAll makes checks that send something, block by block.
func (r *run) exchangeAll(checks []int) {
	if len(checks) == 0 {
		return
	}
	before := r.neighbours(r.spaceNames(checks))
	for _, b := range schedule(r.checks, checks, r.budgets(before)) {
		if r.ctx.Err() != nil {
			return
		}
		r.exchange(b)
		r.forget(r.spaceNames(b), before)
	}
}

// exchange makes the checks of one block. Connections begin when every ping
// was tried once, so that both do not compete for the same queues.
func (r *run) exchange(block []int) {
	pings, dials, stirs := split(r.tasks(block))
	var wg sync.WaitGroup
	r.ping(&r.lanes[0], pings, func() { wg.Go(func() { r.dial(dials, r.done) }) }, r.done)
	r.stir(stirs)
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
