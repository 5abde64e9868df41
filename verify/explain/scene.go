package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"netlab/labs"
	"netlab/provision"
	"netlab/trace"
	"netlab/verify"
)

// Listener is a server that is there for as long as a trace takes.
type Listener struct {
	NS    string
	At    netip.AddrPort
	Proto trace.Proto
}

// Scene is what there is in a namespace beside the objects of a lab.
type Scene struct {
	Foreign  []string // rules that are not the lab's, of netfilter and IPsec, as netlab status shows them
	Sockets  []Socket // that wait for connections and packets
	Stopped  []string // processes that are stopped: "12 sleep 1d"
	Settings []Setting
}

// Socket is one that listens.
type Socket struct {
	Proto trace.Proto
	At    netip.AddrPort
}

// Setting is a parameter that is not what it is in a new namespace, and by which
// packets may be lost.
type Setting struct {
	Of                 Parameter
	Name, Value, Fresh string
}

// scene looks at a namespace, once.
func (e *explainer) scene(ctx context.Context, ns string) Scene {
	if s, ok := e.seenScenes[ns]; ok {
		return s
	}
	s, err := e.eyes.Look(ctx, ns)
	if err != nil {
		e.trouble = append(e.trouble, fmt.Errorf("look around in %s: %w", ns, err))
	}
	e.seenScenes[ns] = s
	return s
}

// scenes looks around where a packet came by, nearest to its end first, for what
// may have ended it; nil if nothing is found.
func (e *explainer) scenes(ctx context.Context, i int, r *trace.Report, line string) *finding {
	c := e.report.Results[i].Check
	n := &finding{}
	if line != "" {
		n.evidence = []string{line}
	}
	for _, ns := range e.spacesOf(r) {
		s := e.scene(ctx, ns)
		n.at = ns
		switch {
		case len(e.concerning(ns, s, c)) > 0:
			return e.set(n, c, e.concerning(ns, s, c)[0])
		case len(s.Foreign) > 0:
			n.first = fmt.Sprintf("%s: packets may be lost in rules that are not the lab's: %s", e.place(ns), some(s.Foreign))
			n.remedy = e.reset(ns) + " removes them"
		default:
			continue
		}
		return e.same(n)
	}
	return e.unheard(ctx, i, r, n)
}

// stopped says that a process where a packet arrived is stopped; nil if none is.
func (e *explainer) stopped(ctx context.Context, c *verify.Check, r *trace.Report, line string) *finding {
	ns := r.Trace.There.End.NS
	if ns == "" || c.Kind != verify.TCP && c.Kind != verify.UDP {
		return nil
	}
	s := e.scene(ctx, ns)
	if len(s.Stopped) == 0 {
		return nil
	}
	n := &finding{at: ns, proto: protoOfKind(c)}
	if line != "" {
		n.evidence = []string{line}
	}
	n.first = fmt.Sprintf("%s: process %s is stopped, the lab says it runs", e.place(ns), s.Stopped[0])
	n.remedy = "kill -CONT " + strings.Fields(s.Stopped[0])[0] + ", or " + e.reset(ns)
	return e.same(n)
}

// unheard says that nothing listens where a connection was refused, and what
// does; nil if that is not so.
func (e *explainer) unheard(ctx context.Context, i int, r *trace.Report, n *finding) *finding {
	end := r.Trace.There.End
	c := e.report.Results[i].Check
	if r.Trace.Result.State != trace.Refused || end.Kind != trace.Delivered || c.Want != labs.Reachable || len(r.Trace.There.Hops) == 0 {
		return nil
	}
	at := r.Trace.There.Hops[len(r.Trace.There.Hops)-1].Header
	var others []string
	for _, s := range e.scene(ctx, end.NS).Sockets {
		if s.Proto == protoOfKind(c) {
			others = append(others, s.At.String())
		}
	}
	what := "nothing does"
	if len(others) > 0 {
		what = "what listens is " + strings.Join(others, ", ")
	}
	n.at, n.proto = end.NS, protoOfKind(c)
	n.first = fmt.Sprintf("%s: nobody listens on %s port %d, the lab says somebody does; %s", e.place(end.NS), strings.ToUpper(string(n.proto)), at.DstPort, what)
	n.remedy = fmt.Sprintf("netlab logs %s %s shows what its containers say", e.Lab.Name, e.names.Space(end.NS))
	return e.same(n)
}

// spacesOf lists the namespaces that a packet should have passed, those first
// where it was seen last.
func (e *explainer) spacesOf(r *trace.Report) []string {
	var list []string
	add := func(p *trace.Path) {
		for _, ns := range slices.Backward(p.Namespaces()) {
			if !slices.Contains(list, ns) {
				list = append(list, ns)
			}
		}
	}
	if end := r.Trace.There.End; end.Kind != trace.Delivered {
		add(&r.Trace.There)
	} else {
		add(&r.Trace.Back)
		add(&r.Trace.There)
	}
	for i := range r.Expected {
		add(&r.Expected[i].Back)
		add(&r.Expected[i].There)
	}
	return list
}

// set says that n is a setting, or returns the finding that says so of one that
// netlab up mends.
func (e *explainer) set(n *finding, c *verify.Check, x Setting) *finding {
	for _, f := range e.faults {
		if o, ok := f.step.Object.(provision.Sysctl); ok && o.NS == n.at && o.Name == x.Name {
			known := e.finding(f, "")
			known.evidence = append(known.evidence, n.evidence...)
			return known
		}
	}
	fresh := x.Fresh
	if fresh == "" {
		fresh = "nothing there"
	}
	n.first = fmt.Sprintf("%s: %s is %s, the lab says nothing of it and a new namespace has %s", e.place(n.at), x.Name, x.Value, fresh)
	n.remedy = fmt.Sprintf("ip netns exec %s sysctl -w %s='%s'", n.at, x.Name, x.Fresh)
	if x.Of.loses != everything {
		n.proto = protoOfKind(c)
	}
	return e.same(n)
}

// concerning returns the settings of a namespace that packets of a check may be
// lost by, and that the lab does not make.
func (e *explainer) concerning(ns string, s Scene, c *verify.Check) []Setting {
	lab := map[string]bool{}
	for o := range e.Desired.All() {
		if o, ok := o.(provision.Sysctl); ok && o.NS == ns {
			lab[o.Name] = true
		}
	}
	var list []Setting
	for _, x := range s.Settings {
		if !lab[x.Name] && x.Of.concerns(c) {
			list = append(list, x)
		}
	}
	return list
}

// some writes the first of some lines.
func some(lines []string) string {
	if len(lines) == 1 {
		return lines[0]
	}
	return fmt.Sprintf("%s (and %d more)", lines[0], len(lines)-1)
}
