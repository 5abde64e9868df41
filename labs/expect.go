package labs

import (
	"fmt"
	"strings"
)

// resolveVerify resolves what the author expects of the lab.
func (r *resolver) resolveVerify() {
	r.lab.index = newIndex(r.lab)
	for i := range r.spec.Verify.Items {
		spec := &r.spec.Verify.Items[i]
		e := Expectation{Pos: spec.Pos, Path: spec.Path}
		if !spec.From.Written() {
			r.missing(spec.Place, "from")
		}
		if !spec.To.Written() {
			r.missing(spec.Place, "to")
		}
		if spec.From.OK() {
			from, err := r.lab.findPlace(spec.From.Value, !r.guessed())
			if err != nil {
				r.reference(spec.From.Place, err)
			}
			e.From = from
		}
		if spec.To.OK() {
			to, err := r.lab.target(spec.To.Value, !r.guessed())
			if err != nil {
				r.reference(spec.To.Place, err)
			}
			e.To = to
		}
		e.Expect = Outcome(r.oneOf(spec.Expect, string(Reachable),
			string(Reachable), string(Refused), string(Timeout), string(Unreachable)))
		r.serves(spec, &e)
		r.expectMore(spec, &e)
		r.lab.Verify = append(r.lab.Verify, e)
	}
}

// serves warns of an answer that is expected from a port which the service does
// not have: kube-proxy has no rule for it.
func (r *resolver) serves(spec *VerifySpec, e *Expectation) {
	if e.Expect != Reachable || e.To.Ref.Kind != RefService || e.To.Port == 0 || r.doubt.services {
		return
	}
	sv := r.lab.Service(e.To.Ref.Namespace, e.To.Ref.Name)
	if sv.Headless {
		return // its name leads to the pods themselves, which may serve anything
	}
	var have []string
	for _, p := range sv.Ports {
		if p.Port == 0 || p.Port == e.To.Port && p.Protocol == e.To.Protocol {
			return // 0 could not be read
		}
		have = append(have, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
	}
	hint := ""
	if len(have) > 0 && len(have) <= maxListed {
		hint = "it has " + strings.Join(have, ", ")
	}
	r.warnf(spec.To.Place, hint, "%s has no port %d/%s: nothing answers there", e.To.Ref, e.To.Port, e.To.Protocol)
}

// reference reports a reference to nothing, unless what it names may be among
// what could not be read.
func (r *resolver) reference(at Place, err *RefError) {
	d := r.doubt
	if d.nodes || d.bridges || d.pods || d.services {
		return
	}
	r.guesses++
	r.errorf(at, err.Hint, "%s", err.Message)
}
