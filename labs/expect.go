package labs

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
		r.expectMore(spec, &e)
		r.lab.Verify = append(r.lab.Verify, e)
	}
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
