package explain

import (
	"fmt"
	"slices"
	"strings"

	"netlab/labs"
	"netlab/trace"
	"netlab/verify"
)

// promises explains the checks of the lab's verify section that fail although
// everything is as the rest of the file says, because that says the opposite,
// and returns the others. What happens in the kernel is not at fault there, and
// no up mends it.
func (e *explainer) promises(failed []int) (rest []int) {
	return slices.DeleteFunc(slices.Clone(failed), func(i int) bool {
		r := &e.report.Results[i]
		why := e.contradiction(r)
		if why == "" {
			return false
		}
		n := &finding{first: r.Check.More.Path + ": " + why, remedy: "correct this promise in the lab file, or what the file says about the network"}
		e.same(n).add(i)
		return true
	})
}

// contradiction says how the lab file without its verify section says the
// opposite of a promise that stands there; "" if it does not, or leaves to
// people what becomes of the packet.
func (e *explainer) contradiction(r *verify.Result) string {
	c := r.Check
	traffic := c.Kind == verify.ICMP || c.Kind == verify.TCP || c.Kind == verify.UDP
	if c.Group != verify.Lab || !traffic || r.Verdict != verify.Fail || c.More == nil || e.Lab.Network.Mode == labs.ModeNone {
		return ""
	}
	if why := e.noSuchPort(c); why != "" && c.Want == labs.Reachable {
		return why
	}
	questions := e.questions(c)
	if len(questions) == 0 {
		return ""
	}
	ways := e.good.Ways(questions[0])
	through := func(w trace.Way) bool {
		return w.There.End.Kind == trace.Delivered && w.Back.End.Kind == trace.Delivered
	}
	switch {
	case len(ways) == 0:
	case c.Want == labs.Reachable:
		end := ways[0].There.End
		for _, w := range ways {
			if w.There.End.Kind != trace.Stopped || w.There.End.Fault.Why == "" {
				return ""
			}
		}
		return fmt.Sprintf("the network of the lab file does not reach %s from %s: at %s, %s", target(c), c.From.Name, e.place(end.NS), end.Fault.Why)
	case c.Want != labs.Refused && r.Answered && !slices.ContainsFunc(ways, func(w trace.Way) bool { return !through(w) }):
		return fmt.Sprintf("the network of the lab file reaches %s from %s, and this says %s", target(c), c.From.Name, c.Want)
	}
	return ""
}

// noSuchPort says that a check goes to a service at a port that it does not
// have.
func (e *explainer) noSuchPort(c *verify.Check) string {
	if c.To == nil || c.To.Kind != labs.RefService || c.Port == 0 {
		return ""
	}
	for i := range e.Lab.Services {
		s := &e.Lab.Services[i]
		if !slices.Contains(s.ClusterIPs, c.Addr) {
			continue
		}
		var has []string
		for _, p := range s.Ports {
			if p.Port == c.Port && strings.EqualFold(string(p.Protocol), string(c.Kind)) {
				return ""
			}
			has = append(has, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
		}
		return fmt.Sprintf("service %s has no port %d/%s; it has %s", s.ID(), c.Port, strings.ToUpper(string(c.Kind)), strings.Join(has, ", "))
	}
	return ""
}

// target names where a check goes.
func target(c *verify.Check) string {
	name := c.Addr.String()
	if c.To != nil && c.To.Name != name {
		name = c.To.Name + " (" + name + ")"
	}
	if c.Port != 0 {
		name += fmt.Sprintf(" port %d", c.Port)
	}
	return name
}
