package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netlab/provision/netns"
	"netlab/trace"
)

// run is one call of Run.
type run struct {
	r      *Request
	probe  trace.Probe
	in     func(name string, fn func() error) error
	filter []unix.SockFilter
	spaces []*space
}

// Run makes the exchange and returns what was seen of it. The error says that
// something could not be looked at, not that nothing came back. A namespace
// that is not there is evidence, unless it is the one to send from.
func Run(ctx context.Context, r Request) (trace.Evidence, error) {
	c := &run{r: &r, probe: r.probe(), in: r.InNamespace}
	if c.in == nil {
		pool := netns.NewPool(2 * runtime.GOMAXPROCS(0))
		defer pool.Close()
		c.in = pool.Do
	}
	program, err := tapFilter(c.r, c.probe)
	if err != nil {
		return trace.Evidence{}, err
	}
	if c.filter, err = assemble(program); err != nil {
		return trace.Evidence{}, err
	}
	defer c.close()
	clock, err := startClock()
	if err != nil {
		return trace.Evidence{}, err
	}
	defer clock()
	names := slices.Compact(slices.Sorted(slices.Values(append([]string{r.From}, r.Watch...))))
	for _, name := range names {
		c.spaces = append(c.spaces, &space{name: name})
	}
	if err := c.each(c.spaces, c.open); err != nil {
		return trace.Evidence{}, err
	}
	return c.exchange(ctx)
}

// close closes all sockets. The kernel waits a while for each packet socket, so
// they are closed at the same time.
func (c *run) close() {
	var wg sync.WaitGroup
	for _, s := range c.spaces {
		wg.Go(s.close)
	}
	wg.Wait()
}

// each calls f for spaces, a few at a time.
func (c *run) each(spaces []*space, f func(*space) error) error {
	errs := make([]error, len(spaces))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	for i, s := range spaces {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = f(s)
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *run) open(s *space) error {
	err := c.in(s.name, func() error { return s.open(c.filter) })
	if gone(err) && s.name != c.r.From {
		s.missing, s.read.Missing = true, true
		return nil
	}
	if err != nil {
		return err
	}
	return s.prepare(c.r, c.probe)
}

// exchange sends the packet and collects the evidence.
func (c *run) exchange(ctx context.Context) (trace.Evidence, error) {
	ev := trace.Evidence{Probe: c.probe, From: c.r.From, VXLANPort: c.r.VXLANPort, Spaces: map[string]*trace.Space{}}
	var s *sender
	if err := c.in(c.r.From, func() (err error) {
		s, err = openSender(c.r, c.probe)
		return err
	}); err != nil {
		return ev, fmt.Errorf("send from %s: %w", c.r.From, err)
	}
	defer s.close()
	servers, err := c.listen()
	if err != nil {
		return ev, err
	}
	defer servers.close()
	ev.Sent = time.Now()
	ev.Result = s.run(ctx)
	if err := c.collect(ctx, &ev); err != nil {
		return ev, err
	}
	return ev, nil
}

// collect reads the sockets, and then what decided about the packet in the
// namespaces where it was seen.
func (c *run) collect(ctx context.Context, ev *trace.Evidence) error {
	if ev.Result.State == trace.OneWay {
		c.settle(ctx, ev)
	}
	if err := c.frames(ev); err != nil {
		return err
	}
	concerned := map[string]bool{c.r.From: true}
	for _, name := range trace.Places(ev) {
		concerned[name] = true
	}
	var seen []*space
	for _, s := range c.spaces {
		if s.missing || concerned[s.name] {
			seen = append(seen, s)
			ev.Spaces[s.name] = &s.read
		}
	}
	tuples := trace.Tuples(ev)
	passed := map[string][]string{} // interfaces, by namespace
	for _, f := range ev.Frames {
		if !slices.Contains(passed[f.NS], f.Iface) {
			passed[f.NS] = append(passed[f.NS], f.Iface)
		}
	}
	var mu sync.Mutex
	if err := c.each(seen, func(s *space) error {
		if s.missing {
			return nil
		}
		return c.inspect(ctx, s, passed[s.name], tuples[s.name], func(events []trace.Event) {
			mu.Lock()
			defer mu.Unlock()
			ev.Events = append(ev.Events, events...)
		})
	}); err != nil {
		return err
	}
	if c.r.Forget {
		for _, s := range c.spaces {
			if !s.missing {
				s.forget(tuples[s.name])
			}
		}
	}
	slices.SortStableFunc(ev.Events, func(a, b trace.Event) int { return cmp.Compare(a.NS, b.NS) })
	return c.lookups(ev, seen)
}

// frames reads the packets that were seen.
func (c *run) frames(ev *trace.Evidence) error {
	for _, s := range c.spaces {
		if s.missing {
			continue
		}
		if err := s.tap.frames(s.name, s.names, func(f trace.Frame) { ev.Frames = append(ev.Frames, f) }); err != nil {
			return err
		}
	}
	return nil
}

// quiet is how long nothing may be seen before a packet that nobody answers
// counts as arrived or lost.
const quiet = 20 * time.Millisecond

// settle waits until nothing new is seen.
func (c *run) settle(ctx context.Context, ev *trace.Evidence) {
	deadline := time.After(c.r.Wait)
	for {
		before := len(ev.Frames)
		if c.frames(ev) != nil {
			return
		}
		wait := time.After(quiet)
		select {
		case <-ctx.Done():
			return
		case <-deadline:
			return
		case <-wait:
		}
		if c.frames(ev) != nil || len(ev.Frames) == before {
			return
		}
	}
}

// inspect reads what decided about the packet in one namespace.
func (c *run) inspect(ctx context.Context, s *space, devices []string, tuples []trace.Tuple, report func([]trace.Event)) error {
	ipv6 := c.r.To.Addr().Is6()
	if err := s.links(); err != nil { // again: a bridge may have learned, an interface gone down
		return err
	}
	if err := s.tables(); err != nil {
		return err
	}
	if err := s.tracked(tuples); err != nil {
		return err
	}
	legacy := false
	if err := c.in(s.name, func() error {
		s.read.Sysctls = sysctls(parameters(ipv6, devices))
		legacy = hasLegacyRules(ipv6)
		return nil
	}); err != nil {
		return err
	}
	if legacy && c.r.Rules != nil {
		var err error
		if s.read.Rules, err = c.r.Rules(ctx, s.name, ipv6); err != nil {
			return fmt.Errorf("read the rules of %s: %w", s.name, err)
		}
	}
	events, err := s.heard.events(s.name, s.names, c.r.VXLANPort)
	if err != nil {
		return err
	}
	events = slices.DeleteFunc(events, func(e trace.Event) bool { return ownTable(e.Table) })
	if err := s.explain(ctx, c.r, events); err != nil {
		return err
	}
	report(events)
	return nil
}

// lookups asks the routing tables what they say about the packet.
func (c *run) lookups(ev *trace.Evidence, spaces []*space) error {
	ev.Lookups = map[trace.Lookup]trace.Answer{}
	for _, q := range trace.Lookups(ev) {
		i := slices.IndexFunc(spaces, func(s *space) bool { return s.name == q.NS && !s.missing })
		if i < 0 {
			continue
		}
		a, err := spaces[i].lookup(q)
		if err != nil {
			return err
		}
		ev.Lookups[q] = a
	}
	return nil
}
