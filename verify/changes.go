package verify

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Changes returns the results of now that are not what they were before, by the
// names of their checks. Of a check that there was no result of before, only a
// failure is a change.
func Changes(before, now Report) []Result {
	was := map[string]*Result{}
	for i := range before.Results {
		was[before.Results[i].Check.ID()] = &before.Results[i]
	}
	var changed []Result
	for i := range now.Results {
		r := &now.Results[i]
		old, known := was[r.Check.ID()]
		switch {
		case !known && r.bad():
		case known && (old.bad() != r.bad() || old.Verdict != r.Verdict && r.bad()):
		default:
			continue
		}
		changed = append(changed, *r)
	}
	return changed
}

// WriteChanges writes what changed, a line for each check, what they have in
// common together, and the totals.
func WriteChanges(w io.Writer, at time.Time, r Report, changed []Result) error {
	out := bufio.NewWriter(w)
	clock := at.Format(time.TimeOnly)
	var well, bad []Result
	for _, c := range changed {
		if c.bad() {
			bad = append(bad, c)
		} else {
			well = append(well, c)
		}
	}
	for i, res := range bad {
		if i == maxCauses {
			fmt.Fprintf(out, "%s  and %d more fail\n", clock, len(bad)-i)
			break
		}
		fmt.Fprintf(out, "%s  FAIL  %s: %s\n", clock, r.call(res.Check), strings.ReplaceAll(res.Reason, "\n", "; "))
	}
	for i, res := range well {
		if i == maxCauses {
			fmt.Fprintf(out, "%s  and %d more are ok\n", clock, len(well)-i)
			break
		}
		fmt.Fprintf(out, "%s  ok    %s\n", clock, r.call(res.Check))
	}
	n := r.Counts()
	fmt.Fprintf(out, "%s  lab %s: %d %s, %s\n", clock, r.Lab, n.Total(), plural(n.Total(), "check"), n)
	return out.Flush()
}

// WriteChangesJSON writes what changed as one line of JSON: time and the counts
// as of [WriteJSON], and changed, a list of results.
func WriteChangesJSON(w io.Writer, at time.Time, r Report, changed []Result) error {
	n := r.Counts()
	line := struct {
		Lab     string       `json:"lab"`
		Time    time.Time    `json:"time"`
		Total   int          `json:"total"`
		Passed  int          `json:"passed"`
		Failed  int          `json:"failed"`
		Errors  int          `json:"errors"`
		Skipped int          `json:"skipped"`
		Changed []jsonResult `json:"changed"`
	}{r.Lab, at.UTC(), n.Total(), n.Passed, n.Failed, n.Errors, n.Skipped, []jsonResult{}}
	for i := range changed {
		line.Changed = append(line.Changed, resultJSON(&changed[i]))
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(line)
}
