package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"netlab/labs"
)

// pause is the time between two looks while waiting for a lab to get well.
const pause = 100 * time.Millisecond

// Options choose what [Run] does. The zero Options mean everything, once.
type Options struct {
	Only []Group  // nothing but these; empty: all
	Skip []Group  // not these
	From []string // only checks from these: default/web-1, web-1, node-a; empty: all
	To   []string // only checks to these

	// Wait is how long to look again at what is not well.
	Wait time.Duration

	// Progress is told how many of the checks are made; nil: nobody is.
	Progress func(done, total int)
}

var errNotMade = errors.New("the prober said nothing about it")

// Run makes the checks of a lab that is up and judges them. The error says
// that the options make no sense or that ctx ended: a check that fails or
// cannot be made is in the report.
func Run(ctx context.Context, lab *labs.Lab, p Prober, opt Options) (Report, error) {
	checks, err := opt.Choose(lab)
	if err != nil {
		return Report{}, err
	}
	start := time.Now()
	r := Report{Lab: lab.Name, File: lab.File, Started: start, Results: make([]Result, len(checks))}
	todo := make([]int, len(checks))
	for i := range todo {
		todo[i], r.Results[i].Check = i, &checks[i]
	}
	some := checks
	for {
		r.look(ctx, p, some, todo, opt.Progress)
		if err := ctx.Err(); err != nil {
			return Report{}, fmt.Errorf("verify %s: %w", lab.Name, context.Cause(ctx))
		}
		todo = slices.DeleteFunc(todo, func(i int) bool {
			return r.Results[i].Verdict == Pass || r.Results[i].Verdict == Skip
		})
		if len(todo) == 0 || time.Since(start)+pause > opt.Wait {
			break
		}
		some = r.checks(todo)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	r.Took = time.Since(start)
	return r, nil
}

// checks copies the checks of some results.
func (r *Report) checks(results []int) []Check {
	some := make([]Check, len(results))
	for k, i := range results {
		some[k] = *r.Results[i].Check
	}
	return some
}

// look makes some checks, whose results are those of todo.
func (r *Report) look(ctx context.Context, p Prober, some []Check, todo []int, progress func(done, total int)) {
	made := make([]bool, len(some))
	done := len(r.Results) - len(some)
	err := p.Probe(ctx, some, func(k int, o Observation, err error) {
		i := todo[k]
		r.Results[i] = Judge(r.Results[i].Check, o, err)
		made[k] = true
		if done++; progress != nil {
			progress(done, len(r.Results))
		}
	})
	if err == nil {
		err = errNotMade
	}
	for k := range made {
		if !made[k] {
			i := todo[k]
			r.Results[i] = Judge(r.Results[i].Check, Observation{}, err)
		}
	}
}

// Choose returns the checks of lab that the options want. The error says that
// they name something that is not there.
func (opt *Options) Choose(lab *labs.Lab) ([]Check, error) {
	groups := Groups()
	for _, g := range append(slices.Clone(opt.Only), opt.Skip...) {
		if !slices.Contains(groups, g) {
			return nil, &OptionError{fmt.Sprintf("there is no group %q of checks", g), "one of " + names(groups)}
		}
	}
	groups = slices.DeleteFunc(groups, func(g Group) bool {
		return len(opt.Only) > 0 && !slices.Contains(opt.Only, g) || slices.Contains(opt.Skip, g)
	})
	checks := checksOf(lab, groups)
	for _, name := range slices.Concat(opt.From, opt.To) {
		if !known(lab, name) {
			return nil, &OptionError{fmt.Sprintf("there is no %q in lab %s", name, lab.Name), similar(lab, name)}
		}
	}
	return slices.DeleteFunc(checks, func(c Check) bool {
		return !matches(c.From, opt.From) || !matches(c.To, opt.To)
	}), nil
}

// OptionError says that [Options] name something that is not there.
type OptionError struct {
	Message string
	Hint    string // what to write instead; "" if nobody knows
}

// Error implements error.
func (e *OptionError) Error() string { return e.Message }

// similar says what may have been meant by a name that is not there.
func similar(lab *labs.Lab, name string) string {
	var unknown *labs.RefError
	if _, err := lab.Find(name); errors.As(err, &unknown) {
		return unknown.Hint
	}
	return ""
}

func names(groups []Group) string {
	words := make([]string, len(groups))
	for i, g := range groups {
		words[i] = string(g)
	}
	return strings.Join(words, ", ")
}

// matches reports whether e is one of the names.
func matches(e *End, list []string) bool {
	if len(list) == 0 {
		return true
	}
	return e != nil && slices.ContainsFunc(list, func(name string) bool { return e.named(name) })
}

// named reports whether people call e that: by its full name, or without what
// goes without saying.
func (e *End) named(name string) bool {
	full, _, _ := strings.Cut(strings.TrimPrefix(e.Name, "svc "), ":")
	kind, rest, ok := strings.Cut(name, "/")
	if ok && kind == string(e.Kind) {
		name = rest
	}
	return name == e.Name || name == full || "default/"+name == full
}

// known reports whether a name is one of a thing of the lab.
func known(lab *labs.Lab, name string) bool {
	var ends []End
	for _, n := range lab.Nodes {
		ends = append(ends, End{Name: n.Name, Kind: labs.RefNode})
	}
	for _, p := range lab.Pods {
		ends = append(ends, End{Name: p.ID(), Kind: labs.RefPod})
	}
	for _, s := range lab.Services {
		ends = append(ends, End{Name: "svc " + s.ID(), Kind: labs.RefService})
	}
	for _, b := range lab.Bridges {
		ends = append(ends, End{Name: b.Name, Kind: labs.RefBridge})
	}
	return slices.ContainsFunc(ends, func(e End) bool { return e.named(name) })
}
