package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
	rest = slices.DeleteFunc(rest, func(i int) bool { return e.report.Results[i].Verdict == verify.Error })
	for traces := 0; len(rest) > 0 && traces < mostTraces && time.Since(e.began) < mostTime && ctx.Err() == nil; traces++ {
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
		return r.Seen == first.Seen && classOf(&r.Check) == classOf(&first.Check)
	}
	t := newTouched()
	for _, q := range e.questions(&r.Check) {
		t.add(e.good.Ways(q))
	}
	if n.fault != nil {
		return t.meets(n.fault)
	}
	return t.spaces[n.at]
}

// look sends a packet of a check and looks for what ends it; nil if nothing is
// found.
func (e *explainer) look(ctx context.Context, i int) (*finding, error) {
	c := &e.report.Results[i].Check
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
	if n := e.foreign(&r, line); n != nil {
		return n, nil
	}
	if n := e.weak(c); n != nil {
		if line != "" {
			n.evidence = append(n.evidence, line)
		}
		return n, nil
	}
	return nil, nil
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
func (e *explainer) foreign(r *trace.Report, line string) *finding {
	for _, p := range []*trace.Path{&r.Trace.There, &r.Trace.Back} {
		if len(p.Hops) == 0 || p.End.Kind != trace.Stopped || p.End.Fault.Why == "" {
			continue
		}
		ns := p.End.NS
		n := &finding{at: ns, evidence: []string{line}}
		switch p.End.Fault.Step {
		case "netfilter":
			n.first = e.place(ns) + ": " + p.End.Fault.Why + ", the lab has no such rule"
			n.remedy = "remove the rule, or netlab reset " + e.Lab.Name + " " + e.names.Space(ns)
		case "route lookup":
			n.first = e.place(ns) + ": " + p.End.Fault.Why
			n.remedy = "ip -n " + ns + " route show table all; the lab leaves these routes to you, netlab reset " + e.Lab.Name + " takes back what was added"
		default:
			n.first = e.place(ns) + ": " + p.End.Fault.Why
			n.remedy = "netlab reset " + e.Lab.Name + " " + e.names.Space(ns)
		}
		return e.same(n)
	}
	return nil
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
	return e.same(&finding{first: e.place(r.Check.From.NS) + ": " + r.Reason, remedy: "netlab trace " + e.Lab.Name + " shows where packets go"})
}

// people explains checks that look at processes and namespaces by themselves,
// and returns the others.
func (e *explainer) people(rest []int) []int {
	return slices.DeleteFunc(rest, func(i int) bool {
		r := &e.report.Results[i]
		c := &r.Check
		n := &finding{first: e.place(c.From.NS) + ": " + r.Reason, at: c.From.NS}
		switch c.Kind {
		case verify.Process:
			n.remedy = fmt.Sprintf("netlab logs %s %s -c %s says why; netlab reset %s %s starts it anew", e.Lab.Name, c.From.Name, c.More.Name, e.Lab.Name, c.From.Name)
		case verify.Space, verify.Control, verify.Device, verify.Table, verify.State, verify.Route:
			n.remedy = "netlab up " + e.Lab.Name
		default:
			return false
		}
		e.same(n).add(i)
		return true
	})
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
