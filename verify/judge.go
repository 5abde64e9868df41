package verify

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"netlab/labs"
)

// Verdict is what became of a check.
type Verdict string

// The verdicts.
const (
	Pass  Verdict = "pass"
	Fail  Verdict = "fail"  // the lab does not do what its file says
	Error Verdict = "error" // nothing could be seen, so nothing is known
	Skip  Verdict = "skip"  // what could be seen says nothing
)

// Result is a check and what became of it.
type Result struct {
	Check   *Check // shared by all results of a report, not changed
	Verdict Verdict
	Reason  string // why it is not a Pass; "" if it is
	Seen    string // what a failure saw instead, in few words; groups failures of one cause

	Answered bool // somebody answered who should not
}

// Judge compares what a check promises with what was seen. err says that
// nothing could be seen.
func Judge(c *Check, o Observation, err error) Result {
	r := Result{Check: c, Verdict: Pass}
	switch {
	case errors.Is(err, ErrNoNamespace):
		r.Verdict, r.Reason, r.Seen = Fail, fmt.Sprintf("%s is gone: its namespace %s does not exist", c.From.Name, c.From.NS), "namespace gone"
		return r
	case err != nil:
		r.Verdict, r.Reason, r.Seen = Error, fmt.Sprintf("cannot look from %s: %v", c.From.Name, err), "cannot look"
		return r
	case o.Silent && c.Want == labs.Reachable:
		return r.skip(fmt.Sprintf("a server that is not netlab's holds %s port %d and did not answer the question", strings.ToUpper(string(c.Kind)), c.Port))
	case o.Blind:
		if c.Kind == State {
			return r.skip("how the kernel differs from the lab file is not known here")
		}
		return r.skip("what runs in pods is not known here")
	}
	switch c.Kind {
	case ICMP, TCP, UDP:
		if c.More != nil && c.More.Sample != nil {
			if c.More.Sample.Tries == 0 {
				return r.skip(c.More.Sample.idle())
			}
			var skip string
			if r.Seen, r.Reason, skip = judgeSample(c, &o); skip != "" {
				return r.skip(skip)
			}
			break
		}
		if c.More != nil && c.More.Extra != nil {
			r.Seen, r.Reason = judgeExtra(c, &o)
		} else {
			r.Seen, r.Reason = judgeTraffic(c, &o)
		}
		if r.Reason == "" && c.More != nil && c.More.Track != nil {
			r.Seen, r.Reason = judgeTrack(c, &o)
		}
	case Ask:
		r.Seen, r.Reason = judgeAsked(c, &o)
	case Expire:
		r.Seen, r.Reason = judgeTrail(c, &o)
	case Size:
		r.Seen, r.Reason = judgeSize(c, &o)
	case Route:
		r.Seen, r.Reason = judgeRoute(c, &o)
	case Neigh:
		r.Seen, r.Reason = judgeNeighbours(c, &o)
	case Device:
		r.Seen, r.Reason = judgeDevice(c, &o)
	case Table:
		r.Seen, r.Reason = judgeTable(c, &o)
	case Control:
		r.Seen, r.Reason = judgeSysctl(c, &o)
	case Space:
		r.Seen, r.Reason = judgeSpace(c, &o)
	case Doors:
		r.Seen, r.Reason = list("cables", o.Doors)
	case Process:
		r.Seen, r.Reason = judgeProcess(c, &o)
	case State:
		r.Seen, r.Reason = list(c.More.Label, o.Differs)
	default:
		r.Verdict, r.Reason = Error, fmt.Sprintf("nobody knows how to judge a check of kind %q", c.Kind)
		return r
	}
	if r.Reason != "" {
		r.Verdict = Fail
		r.Answered = o.Outcome == labs.Reachable && c.Want != labs.Reachable
	}
	return r
}

// skip returns r as skipped for a reason.
func (r Result) skip(why string) Result {
	r.Verdict, r.Reason = Skip, why
	return r
}

// judgeTraffic returns what was seen instead of what c promises, in few words
// and in all; both are empty if that is what was seen.
func judgeTraffic(c *Check, o *Observation) (seen, reason string) {
	switch {
	case c.Want == NoAnswer && o.Outcome != labs.Reachable && o.Outcome != "":
		return "", ""
	case o.Outcome != c.Want:
		return wrongOutcome(c, o)
	}
	if c.Want != labs.Reachable {
		return "", ""
	}
	switch {
	case o.Twice > 0:
		return "several answers", fmt.Sprintf("%s answers a ping more than once: somebody else has its address too", c.Addr)
	case c.TTL != 0 && o.TTL != c.TTL:
		return "wrong way", fmt.Sprintf("the answer has TTL %d, the lab says %d: it crossed %s routers, not %s",
			o.TTL, c.TTL, routers(o.TTL), routers(c.TTL))
	case (c.Kind == TCP || c.Kind == UDP) && len(o.Answers) == 0:
		return "no answer", fmt.Sprintf("%s was reached, but who answered is not known", c.address())
	}
	for _, a := range o.Answers {
		if seen, reason = judgeAnswer(c, a); reason != "" {
			return seen, reason
		}
	}
	return "", ""
}

// routers says how many routers a TTL has met.
func routers(ttl uint8) string {
	if ttl > maxHops {
		return "unknown"
	}
	return fmt.Sprint(maxHops - ttl)
}

// judgeAnswer judges who answered and which client address it saw.
func judgeAnswer(c *Check, a Answer) (seen, reason string) {
	if c.More != nil {
		return judgeAnswerOf(c, c.More.Behind, a)
	}
	return judgeAnswerOf(c, nil, a)
}

// judgeAnswerOf is judgeAnswer for a client of its own. A server that does not
// introduce itself said nothing.
func judgeAnswerOf(c *Check, behind []Server, a Answer) (seen, reason string) {
	want, on := c.Src, c.To
	switch {
	case a == (Answer{}) && c.More != nil && c.More.Extra != nil && c.More.Extra.HTTP != nil: // it said what it was asked for
		return "", ""
	case a == (Answer{}):
		if servers := c.listeners(); len(servers) > 0 && !slices.ContainsFunc(servers, Server.mayBeSilent) {
			return "a stranger", fmt.Sprintf("what answers at %s is not %s", c.address(), servers[0])
		}
		return "", ""
	case len(behind) > 0:
		i := slices.IndexFunc(behind, func(s Server) bool { return s.At == a.Server })
		if i < 0 {
			return "wrong server", fmt.Sprintf("%s answered, which is not behind %s", a.Server, c.address())
		}
		want, on = behind[i].Src, behind[i].On
	}
	switch {
	case on != nil && on.NS != "" && (a.Pod != "" && a.Pod != on.Name && on.Kind != labs.RefAddr || a.Pod == "" && a.NS != on.NS):
		return "wrong server", fmt.Sprintf("%s answered as %s, which belongs to %s", cmp.Or(a.Pod, a.NS), a.Server, on.Name)
	case want.IsValid() && a.Client != want:
		server := ""
		if on != nil && on != c.To {
			server = " " + on.Name
		}
		return "wrong source", fmt.Sprintf("the server%s saw %s, the lab says %s", server, a.Client, want)
	}
	return "", ""
}

// mayBeSilent reports whether a server need not say who it is: a command of
// the author's, one that answers other questions, or what somebody started by
// hand where nothing else runs.
func (s Server) mayBeSilent() bool { return !s.Program.BuiltIn() || s.Program == DNSServer }

// listeners returns the servers that may answer c.
func (c *Check) listeners() []Server {
	switch {
	case c.More == nil:
		return nil
	case len(c.More.Behind) > 0:
		return c.More.Behind
	}
	return c.More.Listen
}

// wrongOutcome words an outcome that is not the promised one.
func wrongOutcome(c *Check, o *Observation) (seen, reason string) {
	detail := ""
	if o.Detail != "" {
		detail = " (" + o.Detail + ")"
	}
	tries := ""
	if c.More != nil && len(o.Answers) > 0 && o.Outcome != labs.Reachable {
		tries = fmt.Sprintf(" after answers from %d of %d endpoints", len(o.Answers), len(c.More.Behind))
	}
	switch o.Outcome {
	case labs.Reachable:
		return "an answer", fmt.Sprintf("%s answered%s, the lab says %s", c.address(), detail, c.Want)
	case labs.Refused:
		if c.Want == labs.Reachable {
			detail += described(c.listeners())
		}
		return "refused", fmt.Sprintf("%s refused%s%s, the lab says %s", c.address(), tries, detail, c.Want)
	case labs.Unreachable:
		if c.Want == labs.Reachable {
			return "unreachable", fmt.Sprintf("no answer from %s%s%s", c.address(), tries, detail)
		}
		return "unreachable", fmt.Sprintf("no way to %s%s%s, the lab says %s", c.address(), tries, detail, c.Want)
	case labs.Timeout:
		if c.Want == labs.Reachable {
			return "no answer", fmt.Sprintf("no answer from %s within %v%s%s", c.address(), c.Wait, tries, detail)
		}
		return "no answer", fmt.Sprintf("silence from %s for %v%s%s, the lab says %s", c.address(), c.Wait, tries, detail, c.Want)
	}
	return "nothing", fmt.Sprintf("outcome %q from %s, the lab says %s", o.Outcome, c.address(), c.Want)
}

// address returns the address, and port if it is a certain one, that c is
// about.
func (c *Check) address() string {
	if c.Port == 0 {
		return c.Addr.String()
	}
	return netip.AddrPortFrom(c.Addr, c.Port).String()
}
