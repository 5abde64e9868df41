package verify

import (
	"bufio"
	"encoding/json"
	"io"
	"net/netip"
	"time"

	"netlab/labs"
)

// jsonReport is the document that [WriteJSON] writes, without its results.
type jsonReport struct {
	Lab     string    `json:"lab"`
	File    string    `json:"file"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Total   int       `json:"total"`
	Passed  int       `json:"passed"`
	Failed  int       `json:"failed"`
	Errors  int       `json:"errors"`
	Skipped int       `json:"skipped"`
}

// jsonResult is one check and what became of it.
type jsonResult struct {
	ID        string       `json:"id"`
	Group     Group        `json:"group"`
	Kind      Kind         `json:"kind"`
	Aim       Aim          `json:"aim,omitempty"`
	From      string       `json:"from"`
	Namespace string       `json:"namespace"`
	To        string       `json:"to,omitempty"`
	Address   string       `json:"address,omitempty"`
	Port      uint16       `json:"port,omitempty"`
	Source    string       `json:"source,omitempty"`
	TTL       uint8        `json:"ttl,omitempty"`
	Expect    labs.Outcome `json:"expect"`
	Verdict   Verdict      `json:"verdict"`
	Reason    string       `json:"reason,omitempty"`
	Path      string       `json:"path,omitempty"`
	Line      int          `json:"line,omitempty"`
	Column    int          `json:"column,omitempty"`
}

// WriteJSON writes r as one JSON object:
//
//	lab       name of the lab
//	file      lab file as it was given
//	started   when, as RFC 3339 has it
//	seconds   how long it took
//	total, passed, failed, errors, skipped   numbers of checks
//	results   a list, one object for each check:
//	  id         names the check, the same in every run
//	  group      one of [Groups]
//	  kind       icmp, tcp, udp, route, arp, device, table, sysctl, netns, process or state
//	  aim        balance, affinity or hairpin, if a service is asked many times
//	  from       who asks: NAMESPACE/POD or NODE
//	  namespace  network namespace of from
//	  to         who is asked, if it is somebody in particular
//	  address, port   where traffic is sent; no port: any
//	  source     client address the server is to see, if one is promised
//	  ttl        TTL the answer is to have, if one is promised
//	  expect     reachable, refused, timeout or unreachable
//	  verdict    pass, fail, error (nothing could be seen) or skip
//	  reason     why it is no pass
//	  path       of the promise in the lab file, such as verify[0]
//	  line, column   in the lab file
//	explanations   why checks failed, a list, the fault by which most of them fail first:
//	  fault      where, which object, what is wrong with it, and what the lab says
//	  evidence   what was seen that says so, a list
//	  remedy     what to do
//	  checks     the ids of the checks that fail by it, a list
func WriteJSON(w io.Writer, r Report) error {
	n := r.Counts()
	head, err := json.Marshal(jsonReport{
		r.Lab, r.File, r.Started.UTC(), r.Took.Seconds(), n.Total(), n.Passed, n.Failed, n.Errors, n.Skipped,
	})
	if err != nil {
		return err
	}
	// A large lab has a million results: they are written one by one.
	out := bufio.NewWriter(w)
	_, _ = out.Write(head[:len(head)-1])
	_, _ = out.WriteString(",\"results\":[")
	for i := range r.Results {
		line, err := json.Marshal(resultJSON(&r.Results[i]))
		if err != nil {
			return err
		}
		if i > 0 {
			_ = out.WriteByte(',')
		}
		_ = out.WriteByte('\n')
		_, _ = out.Write(line)
	}
	_, _ = out.WriteString("\n],\"explanations\":[")
	for i := range r.Explanations {
		line, err := json.Marshal(r.explanationJSON(&r.Explanations[i]))
		if err != nil {
			return err
		}
		if i > 0 {
			_ = out.WriteByte(',')
		}
		_ = out.WriteByte('\n')
		_, _ = out.Write(line)
	}
	_, _ = out.WriteString("\n]}\n")
	return out.Flush()
}

// jsonExplanation is one fault and what fails by it.
type jsonExplanation struct {
	Fault    string   `json:"fault"`
	Evidence []string `json:"evidence"`
	Remedy   string   `json:"remedy"`
	Checks   []string `json:"checks"`
}

func (r *Report) explanationJSON(e *Explanation) jsonExplanation {
	j := jsonExplanation{e.Fault, append([]string{}, e.Evidence...), e.Remedy, make([]string, len(e.Checks))}
	for i, k := range e.Checks {
		j.Checks[i] = r.Results[k].Check.ID()
	}
	return j
}

func resultJSON(r *Result) jsonResult {
	c := r.Check
	j := jsonResult{
		ID: c.ID(), Group: c.Group, Kind: c.Kind, From: c.From.Name, Namespace: c.From.NS,
		Address: text(c.Addr), Port: c.Port, Source: text(c.Src), TTL: c.TTL, Expect: c.Want,
		Verdict: r.Verdict, Reason: r.Reason, Line: c.Place().Line, Column: c.Place().Column,
	}
	if c.To != nil {
		j.To = c.To.Name
	}
	if c.More != nil {
		j.Path = c.More.Path
		if c.More.Sample != nil {
			j.Aim = c.More.Sample.Aim
		}
	}
	return j
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
