package verify

// Explanation is one fault, and the checks that fail by it. Package explain
// finds them.
type Explanation struct {
	// Fault is the first thing to read: where the fault is, as ip netns calls it, which object it
	// is about, what is wrong with it, and what the lab says.
	Fault string

	// Evidence is what was seen that says so, a line each.
	Evidence []string

	// Remedy is what to do: a command, or a sentence.
	Remedy string

	// Checks are the results that fail by it, as indexes into the results of the
	// report, in ascending order.
	Checks []int
}

// faults returns the first lines of the explanations of each result that has
// any.
func (r *Report) faults() map[int][]string {
	list := map[int][]string{}
	for i := range r.Explanations {
		e := &r.Explanations[i]
		for _, k := range e.Checks {
			list[k] = append(list[k], e.Fault)
		}
	}
	return list
}

// reasons returns the results as a report without explanations gives them, each
// with the faults that it fails by after its own reason.
func (r *Report) reasons() Report {
	if len(r.Explanations) == 0 {
		return *r
	}
	out := *r
	out.Results = make([]Result, len(r.Results))
	copy(out.Results, r.Results)
	for i, faults := range r.faults() {
		for _, f := range faults {
			out.Results[i].Reason += "\nbecause " + f
		}
	}
	return out
}
