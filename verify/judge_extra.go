package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"netlab/labs"
)

// judgeExtra judges an expectation that asks for more than an outcome.
func judgeExtra(c *Check, o *Observation) (seen, reason string) {
	x := c.More.Extra
	if x.Count > 0 && c.Want == labs.Reachable {
		if seen, reason = judgeLoss(c, o); reason != "" {
			return seen, reason
		}
		if o.Lost == o.Sent {
			return "", "" // as the lab says, and there is nothing more to see
		}
		whole := *o
		whole.Outcome = labs.Reachable
		o = &whole
	}
	if seen, reason = judgeTraffic(c, o); reason != "" || c.Want != labs.Reachable {
		return seen, reason
	}
	switch {
	case x.Within > 0 && max(o.Slowest, o.RTT) > x.Within:
		return "too slow", fmt.Sprintf("the answer of %s took %v, the lab says %v at most", c.address(), rounded(max(o.Slowest, o.RTT)), x.Within)
	case x.HTTP != nil:
		if seen, reason = judgeHTTP(c, o); reason != "" {
			return seen, reason
		}
	case x.Rate != nil && !x.Rate.Contains(o.Rate):
		return "throughput", fmt.Sprintf("a connection to %s carries %s, the lab says %s", c.address(), bits(o.Rate), rateText(*x.Rate))
	}
	if len(x.Sources) == 0 {
		return "", ""
	}
	for _, a := range o.Answers {
		switch {
		case !a.Client.IsValid():
			return "no source", fmt.Sprintf("the server at %s does not say whom it saw: only netlab's own servers do", c.address())
		case !slices.Contains(x.Sources, a.Client):
			return "wrong source", fmt.Sprintf("the server saw %s, the lab says %s", a.Client, anyOf(x.Sources))
		}
	}
	return "", ""
}

// judgeLoss compares how many questions stayed without an answer.
func judgeLoss(c *Check, o *Observation) (seen, reason string) {
	loss := c.More.Extra.Loss
	if o.Sent == 0 {
		return "nothing", fmt.Sprintf("nothing was sent to %s", c.address())
	}
	share := float64(o.Lost) / float64(o.Sent)
	if loss.Contains(share) {
		return "", ""
	}
	allowed := fmt.Sprintf("%s at most", percent(loss.Most))
	switch {
	case loss.Most == 0:
		allowed = "none"
	case loss.Least > 0:
		allowed = percent(loss.Least) + " to " + percent(loss.Most)
	}
	why := ""
	if o.Detail != "" && o.Outcome != labs.Reachable {
		why = " (" + o.Detail + ")"
	}
	return "loss", fmt.Sprintf("%d of %d questions to %s got no answer, %s%s, the lab says %s", o.Lost, o.Sent, c.address(), percent(share), why, allowed)
}

func judgeHTTP(c *Check, o *Observation) (seen, reason string) {
	want := c.More.Extra.HTTP
	at := c.address() + want.Path
	switch {
	case o.Status == 0:
		return "no HTTP", fmt.Sprintf("what answers at %s does not speak HTTP", c.address())
	case o.Status != want.Status:
		return "wrong status", fmt.Sprintf("%s has status %d, the lab says %d", at, o.Status, want.Status)
	case !strings.Contains(o.Body, want.Body):
		return "wrong body", fmt.Sprintf("the body of %s does not contain %q: it is %q", at, want.Body, short(o.Body))
	}
	return "", ""
}

// maxShown is how much of a body a message shows.
const maxShown = 120

func short(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + "..."
	}
	return s
}

func rounded(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

func percent(share float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", share*100), "0"), ".") + "%"
}

// bits writes a throughput as tc does.
func bits(rate float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "gbit"}, {1e6, "mbit"}, {1e3, "kbit"}} {
		if rate >= unit.size {
			return fmt.Sprintf("%.3g%s", rate/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%.3gbit", rate)
}

func rateText(r labs.Range) string {
	if r.Most >= 1e15 {
		return bits(r.Least) + " at least"
	}
	return bits(r.Least) + " to " + bits(r.Most)
}
