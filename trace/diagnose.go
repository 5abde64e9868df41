package trace

import (
	"fmt"

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
	if r.Silence != "" {
		r.answerLost(desired, observed, q)
		return
	}
	path, p := r.trouble()
	if path == nil {
		return
	}
	end := &path.End
	if end.Kind != Delivered && end.Fault.Why == "" {
		end.Fault = onPaper(path, Expected(observed, q), path == &r.Trace.Back)
	}
	if p.seen != nil && p.last != nil { // led astray before it was lost
		if why := astray(p); why.Why != "" {
			*end = End{Kind: Stopped, NS: p.last.NS, Fault: why}
		}
	}
	if end.Kind == Delivered {
		return
	}
	scene := sceneOf(end, p, path)
	plan := provision.Diff(observed, desired)
	end.Fault.Cause, r.Suspect = scene.cause(plan, observed)
}

// answerLost says why the answer to a packet that arrived does not leave.
func (r *Report) answerLost(desired, observed provision.State, q Question) {
	ways := Expected(observed, q)
	r.Silence = r.silence(ways)
	for _, w := range ways {
		if w.There.End.NS != r.Trace.There.End.NS || len(w.Back.Hops) != 1 || w.Back.End.Kind != Stopped {
			continue
		}
		scene := sceneOf(&w.Back.End, parting{}, &w.Back)
		c, suspect := scene.cause(provision.Diff(observed, desired), observed)
		if r.Suspect = suspect; c != "" {
			r.Silence += ": " + c
		}
		return
	}
}

// trouble returns the direction in which the packet got lost or took another
// way, and where it left the expected one.
func (r *Report) trouble() (*Path, parting) {
	t := &r.Trace
	there, back := r.partings()
	switch {
	case t.There.End.Kind == Left && t.Back.End.Kind == Stopped:
		return &t.Back, back
	case t.There.End.Kind != Delivered:
		return &t.There, there
	case len(t.Back.Hops) == 0:
		return nil, there
	case t.Back.End.Kind != Delivered:
		return &t.Back, back
	case t.Result.State == Lost && r.untranslated():
		first := t.There.Hops[0].Header.destination()
		at := t.Back.last().NS
		for i := range t.There.Hops {
			for _, f := range t.There.Hops[i].Facts {
				if _, ok := f.(Translated); ok {
					at = t.There.Hops[i].NS
				}
			}
		}
		t.Back.End = End{Kind: Stopped, NS: at, Fault: Fault{Step: "translation", Why: fmt.Sprintf(
			"the answer reaches %s as %s, which is not %s: it was not translated back here", r.Names.Space(t.Back.last().NS), endText(t.Back.last().Header.source()), endText(first))}}
		return &t.Back, parting{way: back.way}
	case there.seen != nil && there.same > 0:
		return &t.There, there
	case back.seen != nil && back.same > 0:
		return &t.Back, back
	}
	return nil, there
}

// untranslated reports whether the answer came from somebody else than the
// packet was sent to.
func (r *Report) untranslated() bool {
	for _, f := range r.Trace.There.Hops[0].Facts {
		if _, ok := f.(Translated); ok {
			return false // by the sender itself, who translates back when nobody sees it any more
		}
	}
	last := &r.Trace.Back.last().Header
	return !last.isError() && last.source() != r.Trace.There.Hops[0].Header.destination()
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
		if p := part(seen, want); p.same > longest && want.End.Kind == Stopped && want.End.NS == seen.End.NS {
			longest, best = p.same, want.End.Fault
		}
	}
	return best
}

// chosen returns the interface that the routing table chose at a hop.
func chosen(h *Hop) string {
	for _, f := range h.Facts {
		if f, ok := f.(Routed); ok {
			return f.Answer.Dev
		}
	}
	return ""
}

// astray says which decision led a packet off its way.
func astray(p parting) Fault {
	for _, f := range p.last.Facts {
		if f, ok := f.(Routed); ok && f.Answer.Err == "" && !f.Answer.Local {
			if p.want != nil && p.seen.NS == p.want.NS && chosen(p.twin) != f.Answer.Dev {
				return Fault{Step: "route lookup", Why: fmt.Sprintf("route lookup for %s chose %s", f.Dst, f.Answer.Route.text())}
			}
		}
	}
	if p.want != nil && p.rewritten() {
		return Fault{Step: "netfilter", Why: fmt.Sprintf("its destination is %s, not %s: it was not translated as expected", endText(p.seen.Header.destination()), endText(p.want.Header.destination()))}
	}
	return Fault{}
}

// rewritten reports whether the packet goes to somebody else than expected. The
// port of who asked is the kernel's choice, and another one from the start.
func (p parting) rewritten() bool {
	seen, want := &p.seen.Header, &p.want.Header
	if seen.Inner != nil || want.Inner != nil || seen.isError() != want.isError() {
		return false
	}
	return seen.Dst != want.Dst || seen.DstPort != want.DstPort && p.last.Header.DstPort == p.twin.Header.DstPort
}
