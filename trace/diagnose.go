package trace

import (
	"cmp"
	"fmt"
	"slices"

	"netlab/provision"
)

// Lost reports whether the packet or the answer did not get through, or took
// another way than expected.
func (r *Report) Lost() bool {
	t := &r.Trace
	if t.There.End.Kind != Delivered || r.Parting != "" {
		return true
	}
	return len(t.Back.Hops) > 0 && t.Back.End.Kind != Delivered
}

// Diagnose says why the packet did not get through: what stopped it, and what
// of the lab is not as its file says. observed is the lab as it is; on paper
// it stops the packet at the same place as the kernel did.
func (r *Report) Diagnose(desired, observed provision.State, q Question) {
	path, p := &r.Trace.There, parting{}
	there, back := r.partings()
	p = there
	if path.End.Kind == Delivered {
		if len(r.Trace.Back.Hops) == 0 {
			return
		}
		path, p = &r.Trace.Back, back
	}
	if path.End.Kind == Delivered && r.Parting == "" {
		return
	}
	if path.End.Kind != Delivered && path.End.Fault.Why == "" {
		path.End.Fault = onPaper(path, Expected(observed, q), path == &r.Trace.Back)
	}
	at := path.End.NS
	if p.seen != nil && p.last != nil { // led astray before it was lost
		at = p.last.NS
		if why := astray(p); why.Why != "" {
			path.End.NS, path.End.Fault = at, why
		}
	}
	around := []string{at}
	for _, h := range []*Hop{p.last, p.want, p.seen} {
		if h != nil && !slices.Contains(around, h.NS) {
			around = append(around, h.NS)
		}
	}
	path.End.Fault.Cause = cause(provision.Diff(observed, desired), observed, around, path.End.Fault.Step)
}

// onPaper returns what stops a packet on paper where the real one was lost.
func onPaper(seen *Path, ways []Way, back bool) Fault {
	var best Fault
	longest := -1
	for _, w := range ways {
		want := &w.There
		if back {
			want = &w.Back
		}
		if p := part(seen, want); p.same > longest && want.End.Kind == Stopped {
			longest, best = p.same, want.End.Fault
		}
	}
	return best
}

// astray says which decision led a packet off its way.
func astray(p parting) Fault {
	for _, f := range p.last.Facts {
		if f, ok := f.(Routed); ok && f.Answer.Err == "" && !f.Answer.Local {
			if p.want != nil && p.seen.NS == p.want.NS && p.seen.Iface != p.want.Iface {
				return Fault{Step: "route lookup", Why: fmt.Sprintf("route lookup for %s chose %s", f.Dst, f.Answer.Route.text())}
			}
		}
	}
	if p.want != nil && p.seen.Header.destination() != p.want.Header.destination() && p.seen.Header.Inner == nil {
		return Fault{Step: "netfilter", Why: fmt.Sprintf("its destination is %s, not %s: it was not translated as expected", endText(p.seen.Header.destination()), endText(p.want.Header.destination()))}
	}
	return Fault{}
}

// related are the kinds of objects that may be to blame for what a packet met.
var related = map[string][]provision.Kind{
	"route lookup": {provision.KindRoute, provision.KindRule, provision.KindAddr, provision.KindLink},
	"neighbour":    {provision.KindNeigh, provision.KindLink, provision.KindAddr, provision.KindPort, provision.KindLinkSysctl},
	"fdb":          {provision.KindFDB},
	"vxlan":        {provision.KindLink},
	"tunnel":       {provision.KindRoute, provision.KindLink, provision.KindAddr},
	"netfilter":    {provision.KindRuleset, provision.KindSysctl},
	"forwarding":   {provision.KindSysctl, provision.KindLinkSysctl},
	"rp_filter":    {provision.KindSysctl, provision.KindLinkSysctl},
	"interface":    {provision.KindLink},
	"cable":        {provision.KindLink, provision.KindNamespace},
	"mac":          {provision.KindLink, provision.KindNeigh},
	"bridge":       {provision.KindPort, provision.KindLink, provision.KindFDB},
	"namespace":    {provision.KindNamespace},
	"send":         {provision.KindRoute, provision.KindAddr, provision.KindLink},
}

// cause returns what of the lab is not as it should be and may be to blame,
// "" if nothing is.
func cause(plan provision.Plan, observed provision.State, around []string, step string) string {
	type suspect struct {
		step  provision.Step
		guilt int
	}
	var list []suspect
	for _, s := range plan.Steps {
		key := s.Object.Key()
		at := len(around)
		for _, k := range append(s.Object.Claims(), key) {
			if i := slices.Index(around, k.NS); i >= 0 {
				at = min(at, i)
			}
		}
		if at == len(around) || key.Kind == provision.KindFile || key.Kind == provision.KindPause || key.Kind == provision.KindSupervisor {
			continue
		}
		guilt := 10 * (len(around) - at)
		if i := slices.Index(related[step], key.Kind); i >= 0 {
			guilt += 100 - 10*i
		}
		if s.Op == provision.Delete {
			guilt -= 5 // what is missing explains more than what is there too
		}
		list = append(list, suspect{s, guilt})
	}
	if len(list) == 0 {
		return ""
	}
	slices.SortStableFunc(list, func(a, b suspect) int { return cmp.Compare(b.guilt, a.guilt) })
	return blame(list[0].step, observed)
}
