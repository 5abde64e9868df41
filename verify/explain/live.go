package explain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"netlab/labs"
	"netlab/provision"
	"netlab/trace"
	"netlab/verify"
)

// What real packets may cost.
const (
	mostTraces = 8
	mostTime   = 8 * time.Second
)

// live sends packets of checks that nothing on paper explains, and looks where
// they end.
func (e *explainer) live(ctx context.Context, rest []int) error {
	var errs []error
	var unmade []int
	rest = slices.DeleteFunc(rest, func(i int) bool {
		made := e.report.Results[i].Verdict != verify.Error
		if !made {
			unmade = append(unmade, i)
		}
		return !made
	})
	for _, n := range e.found {
		if len(n.taken) > 0 {
			rest = e.share(rest, n)
		}
	}
	began := time.Now()
	for traces := 0; len(rest) > 0 && traces < mostTraces && (traces == 0 || time.Since(began) < mostTime) && ctx.Err() == nil; traces++ {
		i := rest[0]
		n, err := e.look(ctx, i)
		if err != nil {
			errs = append(errs, err)
		}
		if n == nil {
			n = e.itself(i)
		}
		n.add(i)
		rest = e.share(rest[1:], n)
		for _, k := range unmade { // for want of what is there, such as a port to listen on
			if n.fault == nil && n.at != "" && strings.Contains(e.report.Results[k].Reason, " in "+n.at+":") {
				n.add(k)
			}
		}
	}
	return errors.Join(errs...)
}

// share adds to a finding the checks that fail by it too, and returns the
// others.
func (e *explainer) share(rest []int, n *finding) []int {
	first := &e.report.Results[n.checks[0]]
	return slices.DeleteFunc(rest, func(k int) bool {
		r := &e.report.Results[k]
		if !e.alike(n, first, r) {
			return false
		}
		n.add(k)
		return true
	})
}

// alike reports whether a failure comes from a finding that explains another
// one: its packets meet what was found.
func (e *explainer) alike(n *finding, first, r *verify.Result) bool {
	if n.fault == nil && n.at == "" {
		a, b := r.Check, first.Check
		return r.Seen == first.Seen && (a.To != nil && a.To == b.To || a.From == b.From && a.To == nil && b.To == nil)
	}
	t := newTouched()
	for _, q := range e.questions(r.Check) {
		t.add(e.good.Ways(q))
	}
	if len(n.taken) > 0 {
		return slices.ContainsFunc(n.taken, func(a netip.Addr) bool { return t.addrs[a] })
	}
	if n.fault != nil {
		return t.meets(n.fault)
	}
	return t.spaces[n.at] && (n.proto == "" || n.proto == protoOfKind(r.Check) || n.tellsOf(r.Check))
}

// tellsOf reports whether n concerns the ICMP that tells of a refusal which a
// check waits for.
func (n *finding) tellsOf(c *verify.Check) bool {
	return c.Want != labs.Reachable && (n.proto == trace.ProtoICMP || n.proto == trace.ProtoICMP6)
}

// protoOfKind returns the protocol of the packets of a check.
func protoOfKind(c *verify.Check) trace.Proto {
	switch {
	case c.Kind == verify.TCP:
		return trace.ProtoTCP
	case c.Kind == verify.UDP:
		return trace.ProtoUDP
	case c.Addr.Is6():
		return trace.ProtoICMP6
	}
	return trace.ProtoICMP
}

// look sends a packet of a check and looks for what ends it; nil if nothing is
// found.
func (e *explainer) look(ctx context.Context, i int) (*finding, error) {
	c := e.report.Results[i].Check
	questions := e.questions(c)
	if e.eyes == nil || len(questions) == 0 {
		return nil, nil
	}
	q := questions[0]
	r, err := e.trace(ctx, q, c)
	if err != nil {
		return e.weak(c), err
	}
	line := r.LastLine()
	if r.Suspect != (provision.Key{}) {
		for _, f := range e.faults {
			if f.holds(r.Suspect) {
				n := e.finding(f, firstLine(f))
				n.question, n.evidence = &q, []string{line}
				return n, nil
			}
		}
	}
	if f := e.stranger(&r); f != nil {
		n := e.finding(f, "")
		n.evidence = append(n.evidence, line)
		return n, nil
	}
	if n := e.misled(&r, line); n != nil {
		return n, nil
	}
	if n := e.foreign(ctx, c, &r, line); n != nil {
		return n, nil
	}
	if n := e.stopped(ctx, c, &r, line); n != nil {
		return n, nil
	}
	if n := e.weak(c); n != nil {
		if line != "" {
			n.evidence = append(n.evidence, line)
		}
		return n, nil
	}
	return e.scenes(ctx, i, &r, line), nil
}

// trace sends a packet and reads what was seen of it.
func (e *explainer) trace(ctx context.Context, q trace.Question, c *verify.Check) (trace.Report, error) {
	ways := e.good.Ways(q)
	r := trace.Report{Lab: e.Lab.Name, Names: e.names, Expected: ways, VXLANPort: e.port}
	ev, err := e.eyes.Trace(ctx, q, trace.Watch(e.Desired, ways), e.listeners(c, q, ways))
	if err != nil {
		return r, fmt.Errorf("trace from %s: %w", q.NS, err)
	}
	r.Trace = trace.Seen(&ev)
	r.Judge()
	if !r.AsExpected() {
		r.Diagnose(e.Desired, e.Observed, q)
	}
	return r, nil
}

// listeners returns the servers that have to be there for a packet to be
// answered, where nothing of the lab runs that does it.
func (e *explainer) listeners(c *verify.Check, q trace.Question, ways []trace.Way) []Listener {
	if q.Dst.Port() == 0 {
		return nil
	}
	var list []Listener
	for _, w := range ways {
		at := w.Target()
		if w.There.End.Kind != trace.Delivered || c.Port != 0 && c.More != nil && !slices.ContainsFunc(c.More.Listen, func(s verify.Server) bool { return s.At == at && s.Program == verify.Nobody }) {
			continue
		}
		if l := (Listener{w.There.End.NS, at, q.Proto}); !slices.Contains(list, l) {
			list = append(list, l)
		}
	}
	return list
}

// foreign says what ended a packet that is not of the lab; nil if that is not
// known.
func (e *explainer) foreign(ctx context.Context, c *verify.Check, r *trace.Report, line string) *finding {
	if n := e.metRule(r, line); n != nil {
		return n
	}
	if n := e.moved(r, line); n != nil {
		return n
	}
	if r.AsExpected() { // where it ends it should end
		return nil
	}
	for _, p := range []*trace.Path{&r.Trace.There, &r.Trace.Back} {
		if len(p.Hops) == 0 || p.End.Kind != trace.Stopped || p.End.Fault.Why == "" || vague[p.End.Fault.Step] {
			continue
		}
		byRoute := p.End.Fault.Step == "route lookup"
		if byRoute && e.Lab.Network.Mode != labs.ModeNone { // the routes are as they should be, or a fault
			continue
		}
		n := &finding{at: p.End.NS, first: e.place(p.End.NS) + ": " + p.End.Fault.Why, evidence: []string{line}}
		n.remedy = e.reset(p.End.NS)
		if list := e.concerning(p.End.NS, e.scene(ctx, p.End.NS), c); len(list) > 0 {
			return e.set(n, c, list[0]) // such as what a rule of the lab's drops because of it
		}
		if byRoute {
			n.first += ", and the lab file leaves that route to you"
			n.remedy = "ip -n " + p.End.NS + " route show table all shows the routes; " + n.remedy + " takes back what was added"
		}
		return e.same(n)
	}
	return nil
}

// misled says where a namespace believes that somebody else has an address; nil
// if none does.
func (e *explainer) misled(r *trace.Report, line string) *finding {
	type neighbour struct {
		ns string
		ip netip.Addr
	}
	should := map[neighbour][]labs.MAC{}
	resolved := func(p *trace.Path, each func(ns string, f trace.Resolved)) {
		for i := range p.Hops {
			for _, f := range p.Hops[i].Facts {
				if f, ok := f.(trace.Resolved); ok && f.MAC != (labs.MAC{}) {
					each(p.Hops[i].NS, f)
				}
			}
		}
	}
	for i := range r.Expected {
		for _, p := range []*trace.Path{&r.Expected[i].There, &r.Expected[i].Back} {
			resolved(p, func(ns string, f trace.Resolved) {
				should[neighbour{ns, f.IP}] = append(should[neighbour{ns, f.IP}], f.MAC)
			})
		}
	}
	var n *finding
	for _, p := range []*trace.Path{&r.Trace.There, &r.Trace.Back} {
		resolved(p, func(ns string, f trace.Resolved) {
			want := should[neighbour{ns, f.IP}]
			if n != nil || len(want) == 0 || slices.Contains(want, f.MAC) {
				return
			}
			n = &finding{at: ns, evidence: []string{line}, remedy: "netlab up " + e.Lab.Name}
			n.first = fmt.Sprintf("%s: the neighbour %s on %s has the MAC %s, the lab says %s", e.place(ns), f.IP, f.Dev, f.MAC, want[0])
		})
	}
	if n == nil {
		return nil
	}
	return e.same(n)
}

// vague are ends of packets that say where, but not why.
var vague = map[string]bool{"cable": true, "vxlan": true, "tunnel": true, "neighbour": true, "mac": true, "send": true}

func (e *explainer) reset(ns string) string {
	return "netlab reset " + e.Lab.Name + " " + e.names.Space(ns)
}

// same returns the finding that says the same as n, which is n if there is none
// yet.
func (e *explainer) same(n *finding) *finding {
	for _, o := range e.found {
		if o.first == n.first {
			return o
		}
	}
	e.found = append(e.found, n)
	return n
}

// stranger returns the fault that gave somebody an address which a packet has
// and should not have.
func (e *explainer) stranger(r *trace.Report) *fault {
	should, has := newTouched(), newTouched()
	should.add(r.Expected)
	has.path(&r.Trace.There)
	has.path(&r.Trace.Back)
	for _, f := range e.faults {
		for _, s := range f.steps {
			if a, ok := s.Object.(provision.Addr); ok && s.Op == provision.Delete && has.addrs[a.Prefix.Addr()] && !should.addrs[a.Prefix.Addr()] {
				return f
			}
		}
	}
	return nil
}

// weak returns the fault that packets of a check meet and of which paper does
// not tell what it does; nil if there is none.
func (e *explainer) weak(c *verify.Check) *finding {
	t := newTouched()
	for _, q := range e.questions(c) {
		t.add(e.good.Ways(q))
	}
	for _, f := range e.faults {
		line := ""
		if len(f.lines) > 0 {
			if line = t.rule(f); line == "" {
				continue
			}
		}
		if t.meets(f) {
			return e.finding(f, line)
		}
	}
	return nil
}

// itself returns a finding that says of a failure what the check says.
func (e *explainer) itself(i int) *finding {
	r := &e.report.Results[i]
	if e.report.Obstacle != "" {
		return e.same(&finding{
			first: "host: " + e.report.Obstacle, evidence: []string{r.Check.ID() + ": " + r.Reason}, bare: true,
			remedy: "run fewer or smaller labs at once, or raise the limit as root: netlab doctor " + e.Lab.Name + " says to what",
		})
	}
	return e.same(&finding{bare: true, first: e.place(r.Check.From.NS) + ": " + r.Reason, remedy: "netlab trace " + e.Lab.Name + " shows where packets go"})
}

// people explains checks that look at processes and namespaces by themselves,
// and those of traffic to what does not run, and returns the others.
func (e *explainer) people(rest []int) []int {
	down := map[string]*finding{} // by namespace
	var late []int
	for ns, c := range e.Down {
		down[ns] = e.notRunning(ns, c)
	}
	rest = slices.DeleteFunc(rest, func(i int) bool {
		r := &e.report.Results[i]
		c := r.Check
		if r.Verdict != verify.Fail {
			return false
		}
		n := &finding{first: e.place(c.From.NS) + ": " + r.Reason, at: c.From.NS}
		switch c.Kind {
		case verify.Process:
			if n = down[c.From.NS]; n == nil {
				n = e.notRunning(c.From.NS, Container{c.From.Name, c.More.Name, r.Reason})
				down[c.From.NS] = n
			}
		case verify.State:
			late = append(late, i) // there is no such difference any more: the supervisor was at it
			return true
		case verify.Route: // of which no table is to blame
			n.first += "; no route says so, the kernel learned it (a router's redirect)"
			n.remedy, n.taken = e.reset(c.From.NS)+" makes it forget", []netip.Addr{c.Addr}
		case verify.Space, verify.Control, verify.Device, verify.Table:
			n.remedy = "netlab up " + e.Lab.Name
		default:
			return false
		}
		e.same(n).add(i)
		return true
	})
	for _, i := range late {
		if len(down) == 0 {
			e.itself(i).add(i)
			continue
		}
		e.found[slices.IndexFunc(e.found, func(n *finding) bool { return down[n.at] == n })].add(i)
	}
	if len(down) == 0 {
		return rest
	}
	return slices.DeleteFunc(rest, func(i int) bool {
		if n := down[e.failing(i, down)]; n != nil {
			e.same(n).add(i)
			return true
		}
		return false
	})
}

// notRunning returns the finding about a container.
func (e *explainer) notRunning(ns string, c Container) *finding {
	return e.same(&finding{
		at: ns, first: e.place(ns) + ": " + c.Reason + ", the lab says it runs",
		remedy: fmt.Sprintf("netlab logs %s %s -c %s says why; netlab reset %s %s starts it anew", e.Lab.Name, c.Pod, c.Name, e.Lab.Name, c.Pod),
	})
}

// failing returns the namespace of down in which a check needs something to
// run, "" if it needs nothing there.
func (e *explainer) failing(i int, down map[string]*finding) string {
	r := &e.report.Results[i]
	c := r.Check
	if c.Kind != verify.TCP && c.Kind != verify.UDP || r.Verdict != verify.Fail {
		return ""
	}
	if c.More != nil {
		for _, s := range slices.Concat(c.More.Behind, c.More.Listen) {
			if down[s.On.NS] != nil {
				return s.On.NS
			}
		}
	}
	if c.To != nil {
		return c.To.NS
	}
	return ""
}

// confirm says of what was found on paper where packets end.
func (e *explainer) confirm() {
	for _, n := range e.found {
		if n.question == nil || len(n.evidence) > 0 {
			continue
		}
		if line := e.seen(*n.question, e.now.Ways(*n.question)); line != "" {
			n.evidence = append(n.evidence, line)
		}
	}
}
