package verify

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"netlab/labs"
)

// idle says why a sample that is not taken is skipped.
func (s *Sample) idle() string {
	return fmt.Sprintf("to tell a fault from chance %d requests would be needed: too many", s.Cost)
}

// judgeSample judges who answered how often. skip says why what was seen proves
// nothing.
func judgeSample(c *Check, o *Observation) (seen, reason, skip string) {
	if o.Outcome != labs.Reachable {
		seen, reason = wrongOutcome(c, o)
		return seen, reason, ""
	}
	s := c.More.Sample
	total := 0
	for _, h := range o.Hits {
		if seen, reason = judgeHit(c, &s.Clients[h.Client], h.Answer); reason != "" {
			return seen, reason, ""
		}
		total += h.Times
	}
	switch s.Aim {
	case Balance:
		seen, reason = judgeBalance(c, o, total)
	case Hairpin:
		seen, reason = judgeHairpin(c, o, total)
	case Affinity:
		return judgeAffinity(c, o)
	}
	return seen, reason, ""
}

// judgeHit judges one answer to one client.
func judgeHit(c *Check, client *Client, a Answer) (seen, reason string) {
	seen, reason = judgeAnswerOf(c, client.Behind, a)
	if reason != "" && client.From != c.From {
		reason = "from " + client.From.Name + ": " + reason
	}
	return seen, reason
}

func judgeBalance(c *Check, o *Observation, total int) (seen, reason string) {
	s, n := c.More.Sample, len(c.More.Behind)
	times := map[netip.AddrPort]int{}
	for _, h := range o.Hits {
		times[h.Answer.Server] += h.Times
	}
	var wrong []string
	limit := s.Alarm / float64(2*n)
	for _, srv := range c.More.Behind {
		k := times[srv.At]
		few, many := tails(total, 1/float64(n), k)
		switch {
		case k == 0 && few < limit:
			wrong = append(wrong, fmt.Sprintf("%s (%s) never answered in %d requests", srv.On.Name, srv.At, total))
		case few < limit || many < limit:
			wrong = append(wrong, fmt.Sprintf("%s (%s) answered %d of %d requests, the lab says one in %d", srv.On.Name, srv.At, k, total, n))
		}
	}
	if len(wrong) == 0 && total < triesMissing(n, s.Alarm) {
		return "too few answers", fmt.Sprintf("%d answers say nothing about %d endpoints", total, n)
	}
	return list("balance", wrong)
}

func judgeHairpin(c *Check, o *Observation, total int) (seen, reason string) {
	for _, h := range o.Hits {
		for _, srv := range c.More.Behind {
			if srv.At == h.Answer.Server && srv.On == c.From {
				return "", ""
			}
		}
	}
	return "not itself", fmt.Sprintf("in %d requests %s never reached itself", total, c.From.Name)
}

func judgeAffinity(c *Check, o *Observation) (seen, reason, skip string) {
	s := c.More.Sample
	first := map[int]Answer{}
	places := map[netip.AddrPort]bool{}
	var wrong []string
	for _, h := range o.Hits {
		before, again := first[h.Client]
		if !again {
			first[h.Client] = h.Answer
		} else if before.Server != h.Answer.Server {
			wrong = append(wrong, fmt.Sprintf("%s was sent to %s and then to %s", s.Clients[h.Client].From.Name, before.Server, h.Answer.Server))
		}
		places[h.Answer.Server] = true
	}
	switch {
	case len(wrong) > 0 && o.RTT >= s.Within/2:
		return "", "", fmt.Sprintf("asking took %v, and a client is known for %v only", o.RTT.Round(time.Millisecond), s.Within)
	case len(wrong) > 0:
		seen, reason = list("affinity", wrong)
		return seen, reason, ""
	case len(first) < len(s.Clients):
		return "too few answers", fmt.Sprintf("only %d of %d clients got answers", len(first), len(s.Clients)), ""
	case len(places) == 1 && meetAll(len(c.More.Behind), len(s.Clients), s.Alarm):
		return "one for all", fmt.Sprintf("all %d clients were sent to the same of %d endpoints", len(s.Clients), len(c.More.Behind)), ""
	}
	return "", "", ""
}

// described says what is missing where a connection is refused, as far as it is
// known.
func described(servers []Server) string {
	if len(servers) == 0 {
		return ""
	}
	first := servers[0]
	switch {
	case !slices.ContainsFunc(servers, func(s Server) bool { return s.Program != Absent }):
		return fmt.Sprintf(": no container of %s has %s port %d", first.On.Name, strings.ToUpper(string(first.Kind)), first.At.Port())
	case len(servers) == 1 && first.Container != "":
		return fmt.Sprintf(": %s is not there", first)
	}
	return ""
}
