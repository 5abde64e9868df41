package verify

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"
)

// Report is what became of all checks of a run, in the order of [Checks].
type Report struct {
	Lab     string
	File    string // lab file as the author gave it
	Started time.Time
	Took    time.Duration
	Results []Result

	// Obstacle says what of the host may have lost packets while the checks were
	// made, "" if nothing did.
	Obstacle string

	// Explanations say what failures come from, the fault with the most first; nil
	// where nobody asked.
	Explanations []Explanation
}

// Renamed returns the report with one name of the lab in place of another
// wherever it is told: in namespaces, in reasons, and in explanations with their
// remedies. Nothing else may be called as the lab was.
func (r Report) Renamed(was, is string) Report {
	text := strings.NewReplacer(was, is)
	r.Results, r.Explanations = slices.Clone(r.Results), slices.Clone(r.Explanations)
	ends := map[*End]*End{} // many checks share one
	for i := range r.Results {
		from := r.Results[i].Check.From
		if ends[from] == nil {
			end := *from
			end.NS = text.Replace(end.NS)
			ends[from] = &end
		}
		check := *r.Results[i].Check
		check.From = ends[from]
		r.Results[i].Check = &check
		r.Results[i].Reason = text.Replace(r.Results[i].Reason)
	}
	for i := range r.Explanations {
		e := &r.Explanations[i]
		e.Fault, e.Remedy, e.Evidence = text.Replace(e.Fault), text.Replace(e.Remedy), slices.Clone(e.Evidence)
		for k := range e.Evidence {
			e.Evidence[k] = text.Replace(e.Evidence[k])
		}
	}
	return r
}

// Again makes some checks again, by their indexes, and returns how many of them
// pass now.
func (r *Report) Again(ctx context.Context, p Prober, todo []int) (passed int) {
	before := make(map[int]Result, len(todo))
	for _, i := range todo {
		before[i] = r.Results[i]
	}
	began := time.Now()
	r.look(ctx, p, r.checks(todo), todo, nil)
	r.Took += time.Since(began)
	for _, i := range todo {
		if r.Results[i].Verdict == Error && before[i].Verdict == Fail {
			r.Results[i] = before[i] // the first look said more
		}
		if !r.Results[i].bad() {
			passed++
		}
	}
	return passed
}

// Unsure turns failures that may come from something else than the lab into
// checks that could not be made, for a reason.
func (r *Report) Unsure(failed []int, why string) {
	for _, i := range failed {
		if res := &r.Results[i]; res.Verdict == Fail {
			res.Verdict, res.Reason = Error, res.Reason+"; but "+why
		}
	}
}

// Counts are how many checks have each verdict.
type Counts struct{ Passed, Failed, Errors, Skipped int }

// Total is how many checks there are.
func (c Counts) Total() int { return c.Passed + c.Failed + c.Errors + c.Skipped }

// Well reports whether nothing failed and everything could be looked at.
func (c Counts) Well() bool { return c.Failed == 0 && c.Errors == 0 }

// Counts counts all results.
func (r Report) Counts() Counts { return count(r.Results) }

func count(results []Result) Counts {
	var c Counts
	for i := range results {
		switch results[i].Verdict {
		case Pass:
			c.Passed++
		case Fail:
			c.Failed++
		case Skip:
			c.Skipped++
		default:
			c.Errors++
		}
	}
	return c
}

// groups yields the results of every group that has any, with the index of the
// first among all.
func (r *Report) groups() iter.Seq2[int, []Result] {
	return func(yield func(int, []Result) bool) {
		start := 0
		for _, results := range r.byGroup() {
			if !yield(start, results) {
				return
			}
			start += len(results)
		}
	}
}

// byGroup returns the results group by group, without empty groups.
func (r Report) byGroup() [][]Result {
	var parts [][]Result
	for start := 0; start < len(r.Results); {
		end := start
		for end < len(r.Results) && r.Results[end].Check.Group == r.Results[start].Check.Group {
			end++
		}
		parts = append(parts, r.Results[start:end])
		start = end
	}
	return parts
}

// First returns in one line why the first part of the lab that does not work
// does not, or "".
func (r Report) First() string {
	for _, results := range r.byGroup() {
		if !count(results).Well() {
			reason, _, _ := strings.Cut(causes(results, func(int) bool { return false })[0].results[0].Reason, "\n")
			return reason
		}
	}
	return ""
}

// bad reports whether r is no Pass and no Skip.
func (r *Result) bad() bool { return r.Verdict != Pass && r.Verdict != Skip }
