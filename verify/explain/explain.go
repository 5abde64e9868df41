package explain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"netlab/labs"
	"netlab/provision"
	"netlab/trace"
	"netlab/verify"
)

// Subject is the lab whose failures are explained.
type Subject struct {
	Lab      *labs.Lab
	Desired  provision.State // that Lab implies, with the knowledge of what it was before
	Observed provision.State // that is there

	// Down says of pods, by namespace, which container does not run that should,
	// in the words of a check.
	Down map[string]Container
}

// Container is one that does not do what it should.
type Container struct{ Pod, Name, Reason string }

// Eyes look closer at a lab that is up.
type Eyes interface {
	// Trace sends one packet and returns what was seen of it. Where listeners are
	// given and nobody listens, a server is there for as long as that takes.
	Trace(ctx context.Context, q trace.Question, watch []string, listeners []Listener) (trace.Evidence, error)

	// Look returns what else there is in a namespace that may end a packet.
	Look(ctx context.Context, ns string) (Scene, error)
}

// Failures says why checks of a report failed, and puts that into the report.
// The error says that eyes could not look; what is known without them is in the
// report all the same.
//
// It returns the results that nothing explains: they may be worth another look.
func Failures(ctx context.Context, r *verify.Report, s Subject, eyes Eyes) (unexplained []int, err error) {
	e := newExplainer(r, s, eyes)
	var failed []int
	for i := range r.Results {
		if v := r.Results[i].Verdict; v == verify.Fail || v == verify.Error {
			failed = append(failed, i)
		}
	}
	if len(failed) == 0 {
		return nil, nil
	}
	rest := e.onPaper(e.promises(failed))
	rest = e.people(rest)
	err = e.live(ctx, rest)
	e.confirm()
	r.Explanations = e.write()
	return e.unexplained(failed), errors.Join(append(e.trouble, err)...)
}

// unexplained returns the results of which no finding says more than the check
// does.
func (e *explainer) unexplained(failed []int) []int {
	told := map[int]bool{}
	for _, n := range e.found {
		for _, i := range n.checks {
			told[i] = told[i] || !n.bare
		}
	}
	return slices.DeleteFunc(slices.Clone(failed), func(i int) bool { return told[i] })
}

// explainer is one call of Failures.
type explainer struct {
	Subject
	report *verify.Report
	eyes   Eyes
	port   uint16
	titles map[string]string // of namespaces: node node-a
	names  trace.Names

	faults    []*fault
	good, now *trace.Paper // the lab as it should be, and as it is

	found      []*finding
	seenScenes map[string]Scene
	trouble    []error // of looking around
}

// finding is a fault and the checks that fail by it.
type finding struct {
	fault    *fault // nil for one that is no difference from the lab file
	line     string // of a set of rules: the difference that matters
	first    string
	evidence []string
	remedy   string
	checks   []int
	question *trace.Question // a packet that meets it
	at       string          // namespace it is in
	taken    []netip.Addr    // addresses that somebody has whose they are not
	bare     bool            // it says no more than the check
	proto    trace.Proto     // of the packets that it concerns; "" for all
}

func newExplainer(r *verify.Report, s Subject, eyes Eyes) *explainer {
	e := &explainer{Subject: s, report: r, eyes: eyes, port: s.Lab.Network.VXLANPort, titles: map[string]string{}, seenScenes: map[string]Scene{}, names: trace.NamesOf(s.Lab)}
	if e.port == 0 {
		e.port = flannelPort
	}
	for _, b := range s.Lab.Bridges {
		e.titles[b.NS] = "bridge " + b.Name
	}
	for i := range s.Lab.Nodes {
		e.titles[s.Lab.Nodes[i].NS] = "node " + s.Lab.Nodes[i].Name
	}
	for i := range s.Lab.Pods {
		e.titles[s.Lab.Pods[i].NS] = "pod " + s.Lab.Pods[i].Name
	}
	plan := provision.Diff(s.Observed, s.Desired)
	e.faults = faultsOf(plan)
	e.good, e.now = trace.NewPaper(s.Desired, e.port), trace.NewPaper(s.Observed, e.port)
	return e
}

// flannelPort is where tunnels are looked for in labs that have none of their
// own.
const flannelPort = 8472

// mostExact is how many failures are looked at one by one. Of more, one of each
// class stands for all.
const mostExact = 2000

// onPaper finds the faults of the lab that checks fail by, as far as paper tells,
// and returns the checks of which it does not.
func (e *explainer) onPaper(failed []int) (rest []int) {
	byClass := map[class]int{}
	as := map[int][]*finding{}
	for _, i := range failed {
		c := e.report.Results[i].Check
		k := classOf(c)
		if first, ok := byClass[k]; ok && len(failed) > mostExact {
			for _, f := range as[first] {
				f.checks = append(f.checks, i)
			}
			if len(as[first]) == 0 {
				rest = append(rest, i)
			}
			continue
		}
		byClass[k] = i
		as[i] = e.blame(i)
		if len(as[i]) == 0 {
			rest = append(rest, i)
		}
	}
	return rest
}

// blame returns the faults by which a check fails, with the check added to
// them.
func (e *explainer) blame(i int) []*finding {
	r := &e.report.Results[i]
	c := r.Check
	var list []*finding
	add := func(f *fault, line string, q *trace.Question) {
		n := e.finding(f, line)
		if n.question == nil {
			n.question = q
		}
		n.add(i)
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	for _, f := range e.faults { // nobody can look from a namespace that is none
		if n, ok := f.step.Object.(provision.Namespace); ok && n.Name == c.From.NS && f.step.Op == provision.Create {
			add(f, "", nil)
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, f := range e.faults {
		switch {
		case !e.direct(c, f):
		case len(f.lines) == 0 || len(f.lines) > mostLines:
			add(f, firstLine(f), nil)
		default:
			for _, line := range f.lines {
				add(f, line, nil)
			}
		}
	}
	for _, f := range e.faults { // where somebody cannot look because of what is there
		if r.Verdict == verify.Error && len(list) == 0 && f.near(c.From.NS) {
			add(f, firstLine(f), nil)
		}
	}
	switch c.Kind {
	case verify.Route:
		e.routes(c, add)
	case verify.Ask:
		e.twice(r, add)
	}
	for _, q := range e.questions(c) {
		want := e.good.Ways(q)
		t, signature := newTouched(), trace.Signature(want)
		t.add(want)
		t.lookups[lookup{q.NS, q.Dst.Addr()}] = true // before its destination is translated
		for _, f := range e.faults {
			if !t.meets(f) {
				continue
			}
			if c.Kind == verify.Size && f.sizes() {
				add(f, "", &q)
				continue
			}
			ways := f.lab(e.Desired, e.port).Ways(q)
			if trace.Signature(ways) == signature {
				continue
			}
			line := ""
			if len(f.lines) > 0 {
				both := newTouched()
				both.add(want)
				both.add(ways)
				if line = both.rule(f); line == "" {
					continue
				}
			}
			add(f, line, &q)
		}
	}
	return list
}

// near reports whether f is in a namespace, or at the other end of a cable from
// there.
func (f *fault) near(ns string) bool {
	return matters(f.step) && (f.step.Object.Key().NS == ns || claims(f.step.Object, ns))
}

// routes finds the faults by which a lookup says something else.
func (e *explainer) routes(c *verify.Check, add func(*fault, string, *trace.Question)) {
	q := trace.Lookup{NS: c.From.NS, Dst: c.Addr}
	want, found := fmt.Sprint(e.good.Lookup(q)), false
	for _, f := range e.faults {
		if slices.ContainsFunc(f.steps, func(s provision.Step) bool { return s.Object.Key().NS == q.NS || claims(s.Object, q.NS) }) &&
			fmt.Sprint(f.lab(e.Desired, e.port).Lookup(q)) != want {
			add(f, "", nil)
			found = true
		}
	}
	for _, f := range e.faults { // what no table on paper shows
		if k := f.step.Object.Key(); !found && k.NS == q.NS && concernsRoutes[k.Kind] {
			add(f, "", nil)
		}
	}
}

// twice finds who else has the address of somebody, where somebody else answers
// for it: what hangs on a cable that the lab does not have.
func (e *explainer) twice(r *verify.Result, add func(*fault, string, *trace.Question)) {
	home := r.Check.From
	if home.Host != nil {
		home = home.Host
	}
	for _, f := range e.faults {
		link, ok := f.step.Object.(provision.Link)
		if !ok || f.step.Op != provision.Delete || link.NS != home.NS {
			continue
		}
		add(f, "", nil)
		n := e.finding(f, "")
		for _, a := range r.Check.From.Addrs {
			if strings.Contains(r.Reason, a.String()) {
				n.taken = append(n.taken, a)
			}
		}
		n.first = fmt.Sprintf("%s: %s; there is the interface %s in %s, the lab has none", e.place(r.Check.From.NS), r.Reason, link.Name, link.NS)
		return
	}
}

// concernsRoutes are the kinds of objects that may change what a lookup says.
var concernsRoutes = map[provision.Kind]bool{
	provision.KindNamespace: true, provision.KindLink: true, provision.KindAddr: true, provision.KindRoute: true, provision.KindRule: true,
}

func firstLine(f *fault) string {
	if len(f.lines) > 0 {
		return f.lines[0]
	}
	return ""
}

// finding returns the finding about a fault.
func (e *explainer) finding(f *fault, line string) *finding {
	if len(f.lines) > mostLines && line == "" {
		line = f.lines[0]
	}
	for _, n := range e.found {
		if n.fault == f && (n.line == line || len(f.lines) > mostLines) {
			return n
		}
	}
	n := &finding{fault: f, line: line, first: e.first(f, line), remedy: "netlab up " + e.Lab.Name}
	n.at, _ = e.wording(f)
	e.found = append(e.found, n)
	return n
}

func (n *finding) add(i int) {
	if at := sort.SearchInts(n.checks, i); at == len(n.checks) || n.checks[at] != i {
		n.checks = slices.Insert(n.checks, at, i)
	}
}

// write returns the findings as explanations, those first by which most checks
// fail.
func (e *explainer) write() []verify.Explanation {
	slices.SortStableFunc(e.found, func(a, b *finding) int { return len(b.checks) - len(a.checks) })
	list := make([]verify.Explanation, 0, len(e.found))
	for _, n := range e.found {
		if len(n.checks) > 0 {
			list = append(list, verify.Explanation{Fault: n.first, Evidence: n.evidence, Remedy: n.remedy, Checks: n.checks})
		}
	}
	return list
}

// mostLines is how many differences of one set of rules are told each by itself.
// More come from one deed.
const mostLines = 4

// seen returns what became of a packet over the lab as it is, in the words of
// netlab trace.
func (e *explainer) seen(q trace.Question, ways []trace.Way) string {
	r := trace.Report{Names: e.names, Expected: e.good.Ways(q), VXLANPort: e.port}
	for _, w := range ways {
		r.Trace = trace.Trace{There: w.There, Back: w.Back, Result: trace.Result{State: trace.Lost}}
		r.Silence, r.Parting = "", ""
		if r.AsExpected() {
			continue
		}
		r.Judge()
		if line := r.LastLine(); line != "" {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
