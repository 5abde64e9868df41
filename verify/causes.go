package verify

import (
	"fmt"
	"slices"

	"netlab/labs"
)

// maxCauses is how many causes of one group are told.
const maxCauses = 20

// cause is what many failures have in common: all checks of one kind from, to
// or between the same ends failed.
type cause struct {
	name    string // "from default/web-1"; "" for a failure of its own
	results []*Result
}

// place returns the line of the lab file that a cause is about.
func (c *cause) place() labs.Pos {
	first := c.results[0].Check
	if to := first.To; to != nil && c.name == string(first.Kind)+" to "+to.Name && to.Pos.Line > 0 {
		return to.Pos
	}
	return first.Place()
}

// causes splits the failures of a group that are not told elsewhere by what they
// have in common, the largest part first. It looks for ends of which nothing works and does not
// explain why.
func causes(results []Result, told func(i int) bool) []cause {
	total := map[string]int{} // checks by what they have in common
	var rest []*Result
	for i := range results {
		for _, k := range common(&results[i]) {
			total[k]++
		}
		if results[i].bad() && !told(i) {
			rest = append(rest, &results[i])
		}
	}
	var found []cause
	for len(found) < maxCauses {
		best, name := covering(rest, total)
		if best < 2 {
			break
		}
		c := cause{name: name}
		rest = slices.DeleteFunc(rest, func(r *Result) bool {
			in := slices.Contains(common(r), name)
			if in {
				c.results = append(c.results, r)
			}
			return in
		})
		found = append(found, c)
	}
	for _, r := range rest {
		found = append(found, cause{results: []*Result{r}})
	}
	return found
}

// covering returns what most of the failures have in common and nothing that
// works has.
func covering(failures []*Result, total map[string]int) (best int, name string) {
	failed, first := map[string]int{}, []string(nil)
	for _, r := range failures {
		for _, k := range common(r) {
			if failed[k]++; failed[k] == 1 {
				first = append(first, k)
			}
		}
	}
	for _, k := range first {
		if failed[k] == total[k] && failed[k] > best {
			best, name = failed[k], k
		}
	}
	return best, name
}

// common returns what a check may have in common with others, the most
// telling first.
func common(r *Result) []string {
	c := r.Check
	kind := string(c.Kind)
	keys := []string{kind + " from " + c.From.Name}
	if c.To == nil {
		return append(keys, kind)
	}
	keys = append(keys, kind+" to "+c.To.Name)
	if c.From.Node != "" && c.To.Node != "" {
		keys = append(keys,
			fmt.Sprintf("%s from %s to %s", kind, onNode(c.From), onNode(c.To)),
			kind+" from "+onNode(c.From), kind+" to "+onNode(c.To))
	}
	return append(keys, kind)
}

func onNode(e *End) string {
	if e.Name == e.Node {
		return "node " + e.Node
	}
	return "pods on " + e.Node
}
