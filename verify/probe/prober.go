package probe

import (
	"context"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netns"
	"netlab/verify"
)

// Prober makes the checks of labs on this host. The zero Prober is ready to
// use and safe for concurrent use.
type Prober struct {
	// InNamespace runs fn on a thread that is in a network namespace and
	// returns its error. It is nil for the named namespaces of this host.
	InNamespace func(name string, fn func() error) error

	// Processes lists what runs in the pods of the lab. It is nil where nobody
	// knows.
	Processes func() ([]Process, error)

	// Plan returns what would make the kernel equal to the lab. It is nil where
	// nobody knows.
	Plan func(context.Context) (provision.Plan, error)

	// TunnelPort is the UDP port of the lab's tunnels, or 0: what nodes remember of
	// their packets is forgotten.
	TunnelPort uint16

	// Share is among how many probers that look at the same time the room in
	// the host's neighbour tables is divided. 0 is 1.
	Share int
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
	r.processes, r.plan, r.tunnelPort, r.share = p.Processes, p.Plan, p.TunnelPort, max(p.Share, 1)
	defer r.close()
	r.open()

	var tables, quiet, first, rest, samples, singles, counted []int
	for i := range checks {
		switch c := &checks[i]; {
		case c.More != nil && c.More.Extra != nil && (c.More.Extra.Count > 0 || c.More.Extra.Rate != nil):
			counted = append(counted, i)
		case isSingle(c):
			singles = append(singles, i)
		case !traffic(c.Kind):
			tables = append(tables, i)
		case c.More != nil && c.More.Sample != nil:
			samples = append(samples, i)
		case c.Want == labs.Timeout || c.Want == labs.Unreachable || c.Want == verify.NoAnswer:
			quiet = append(quiet, i)
		case c.Want == labs.Refused:
			first = append(first, i)
		default:
			rest = append(rest, i)
		}
	}
	r.read(tables)
	few := r.spaceNames(slices.Concat(quiet, singles, counted, first))
	before := r.neighbours(few)
	var wg sync.WaitGroup
	wg.Go(func() { r.singles(singles, r.trusting(r.done)) }) // they need nobody who listens
	r.refusals(first, &wg)
	r.listen()
	wg.Go(func() { r.silent(quiet) }) // takes its time, whatever else goes on
	forget := r.exchangeAll(rest, samples)
	wg.Wait()
	if len(r.crowd.doubtful)+len(counted) > 0 { // which need the room
		forget()
		forget = func() {}
	}
	r.settleDoubts()
	r.counted(counted)
	wg.Go(func() {
		forget()
		r.forget(few, before)
	})
	wg.Go(r.forgetTraces)
	wg.Go(r.forgetFlows)
	wg.Wait()
	return ctx.Err()
}

// traffic reports whether checks of a kind send something.
func traffic(k verify.Kind) bool {
	return k == verify.ICMP || k == verify.TCP || k == verify.UDP || k == verify.Neigh
}

// run is one call of Probe.
type run struct {
	ctx        context.Context
	checks     []verify.Check
	in         func(name string, fn func() error) error
	spaces     map[string]*space
	nonce      [8]byte
	pace       *pace
	crowd      *crowd
	tunnelPort uint16
	share      int // among how many runs the neighbour tables are divided

	reporting sync.Mutex
	report    func(i int, o verify.Observation, err error)

	processes func() ([]Process, error)
	listOnce  sync.Once
	list      []Process
	listErr   error
	plan      func(context.Context) (provision.Plan, error)
	driftOnce sync.Once
	drift     verify.Drift
	driftErr  error
	twinsOnce sync.Once
	twins     map[uint64][]string // names of namespaces by their inode

	flows   flows
	servers *servers
	readers sync.WaitGroup
	lanes   [4]echoes // pings of the blocks, those of two kinds that are to get no answer, and late ones
}

func newRun(ctx context.Context, checks []verify.Check, in func(string, func() error) error, report func(int, verify.Observation, error)) *run {
	r := &run{
		ctx: ctx, checks: checks, in: in, report: report,
		spaces: map[string]*space{}, pace: newPace(), crowd: newCrowd(), nonce: newNonce(),
	}
	r.servers = newServers(r.nonce)
	for i := range r.lanes {
		r.lanes[i].init(r.newMark(), r.crowd)
	}
	return r
}

// newMark returns what marks the pings of a sender.
func (r *run) newMark() echoMark { return echoMark{newNonce(), r.identifier()} }

// identifier is that of all pings of the run.
func (r *run) identifier() uint16 { return binary.BigEndian.Uint16(r.nonce[:]) }

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
