package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/netns"
	"netlab/provision/runtime"
)

// DefaultRunDir is where netlab keeps what must not outlive a reboot.
const DefaultRunDir = "/run/netlab"

// Options say where a [Host] keeps its files. The zero Options are right for
// the command line.
type Options struct {
	RunDir  string // "" means DefaultRunDir
	Program string // netlab, which runs the containers; "" means the program that runs
}

// Host is this machine's kernel. It implements [provision.Kernel] and is safe
// for concurrent use.
//
// A Host keeps sockets open in namespaces it worked in, and an open socket
// keeps a namespace alive. Call [Host.Close] when done, and [Host.Rest] when
// nothing is to be done for a while.
type Host struct {
	dir     runDir
	program string
	pool    *netns.Pool
	spaces  *spaces
	tables  iptables
	fresh   freshSysctls
	procs   procs
	raised  raised
	visits  chan struct{} // bounds the runs of makeAll
	seen    atomic.Int64  // namespaces that the host was seen to have

	pauses map[string]runtime.Identity // of pods, as they were seen or started last; guarded by mu

	vouched map[string]vouched // namespaces that are ours; guarded by mu

	etcLinks map[string]string // a link in /etc/netns, by where it leads to; guarded by mu

	misled []misled // what the last Observe saw; guarded by mu

	mu       sync.Mutex
	prepared map[string]bool // labs for whose namespaces there are directories
}

var _ provision.Kernel = (*Host)(nil)

// spareThreads is how many threads beside [netns.Threads] go into namespaces:
// those start programs that write and read rules.
const spareThreads = 2

// Open returns the kernel of this host. It fails if the process may not manage
// namespaces, and says what to do about it.
func Open(opts Options) (*Host, error) {
	if runtime.Misled() {
		return nil, errors.New("this program cannot run the containers of a lab: let kernel.Options.Program name netlab, or call runtime.Main first and give it netlab's supervise command")
	}
	if err := privileged(); err != nil {
		return nil, err
	}
	dir, err := newRunDir(cmp.Or(opts.RunDir, DefaultRunDir))
	if err != nil {
		return nil, err
	}
	pool := netns.NewPool(netns.Threads() + spareThreads)
	return &Host{dir: dir, program: opts.Program, pool: pool, spaces: newSpaces(pool), visits: make(chan struct{}, netns.Threads()), vouched: map[string]vouched{}, etcLinks: map[string]string{}, prepared: map[string]bool{}, pauses: map[string]runtime.Identity{}}, nil
}

// Close lets go of everything. h must not be used any more.
func (h *Host) Close() {
	h.spaces.forgetAll()
	h.procs.close()
	h.pool.Close()
}

// crowded reports whether the host has so many namespaces that looking a
// parameter up takes long.
func (h *Host) crowded() bool { return h.seen.Load() >= procSysMany }

// Rest closes the sockets that h keeps in namespaces. They are opened again
// when they are needed.
func (h *Host) Rest() { h.spaces.forgetAll() }

// Do implements [provision.Kernel].
func (h *Host) Do(ctx context.Context, s provision.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := h.do(ctx, s)
	if s.Op == provision.Delete && isGone(err) {
		return nil
	}
	if err == nil {
		h.raised.noteStep(s)
	}
	return err
}

func (h *Host) do(ctx context.Context, s provision.Step) error {
	switch o := s.Object.(type) {
	case provision.Namespace:
		return h.doNamespace(s.Op, o)
	case provision.File:
		return h.doFile(s.Op, o)
	case provision.Sysctl:
		return h.doSysctl(s.Op, o)
	case provision.Veth:
		return h.doVeth(s, o)
	case provision.Ruleset:
		return h.doRuleset(ctx, s)
	case provision.Pause:
		return h.doPause(s.Op, o)
	case provision.Supervisor:
		return h.doSupervisor(ctx, s.Op, o)
	}
	key := s.Object.Key()
	if key.NS == hostNS {
		return h.doHost(ctx, s)
	}
	sp, err := h.spaces.acquire(key.NS)
	if err != nil {
		return err
	}
	defer h.spaces.release(sp)
	switch o := s.Object.(type) {
	case provision.Bridge:
		return doBridge(sp, s, o)
	case provision.VXLAN:
		return doVXLAN(sp, s, o)
	case provision.Link:
		return doLink(sp, s.Op, o)
	case provision.Port:
		return doPort(sp, s, o)
	case provision.Addr:
		return doAddr(sp, s, o)
	case provision.Neigh:
		return doNeigh(sp, s.Op, o)
	case provision.FDB:
		return doFDB(sp, s.Op, o)
	case provision.Route:
		return doRoute(sp, s.Op, o)
	case provision.Rule:
		return doRule(sp, s.Op, o)
	}
	return fmt.Errorf("a kernel has no such object: %T", s.Object)
}

// isGone reports whether err says that what was to be deleted, or something it
// cannot be without, is not there.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
