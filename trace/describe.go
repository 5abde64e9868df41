package trace

import (
	"fmt"
	"strings"

	"netlab/labs"
)

// labelled is a line about a fact.
type labelled struct{ label, text string }

// describe says what a fact is, in the words of the tools that show it.
func describe(f Fact) []labelled {
	switch f := f.(type) {
	case Routed:
		return []labelled{{"route", f.text()}}
	case Resolved:
		return []labelled{{"neighbour", f.text()}}
	case Bridged:
		return []labelled{{"bridge", f.text()}}
	case Filtered:
		return f.lines()
	case Translated:
		end, by := "destination", f.By
		if f.Source {
			end = "source"
		}
		if by == "" {
			by = "connection tracking"
		}
		return []labelled{{"nat", fmt.Sprintf("%s %s becomes %s, by %s", end, endText(f.From), endText(f.To), by)}}
	case Connected:
		return []labelled{{"conntrack", f.Tracked.text()}}
	case Encapsulated:
		return []labelled{{"vxlan", fmt.Sprintf("%s wraps it, vni %d: %s lives behind %s (fdb)", f.Dev, f.VNI, f.MAC, f.VTEP)}}
	case Decapsulated:
		return []labelled{{"vxlan", fmt.Sprintf("%s unwraps it, vni %d, from %s", f.Dev, f.VNI, f.From)}}
	}
	return nil
}

func (f Routed) text() string {
	if f.Answer.Err != "" {
		return f.Dst.String() + ": " + f.Answer.Err
	}
	s := f.Dst.String() + " takes " + f.Answer.Route.text()
	if f.Answer.Local {
		return s + ": it is for here"
	}
	return s
}

// text writes a route as ip route does.
func (r Route) text() string {
	s := "default"
	if r.To.Bits() > 0 {
		s = r.To.String()
		if r.To.IsSingleIP() {
			s = r.To.Addr().String()
		}
	}
	if r.Type != "" && r.Type != "unicast" {
		s = r.Type + " " + s
	}
	if r.Via.IsValid() {
		s += " via " + r.Via.String()
	}
	if r.Dev != "" {
		s += " dev " + r.Dev
	}
	if r.Hops != "" {
		s += " nexthops " + r.Hops
	}
	if r.OnLink {
		s += " onlink"
	}
	switch r.Table {
	case 0, 254:
	case 255:
		s += " table local"
	default:
		s += fmt.Sprintf(" table %d", r.Table)
	}
	return s
}

func (f Resolved) text() string {
	s := f.IP.String()
	switch {
	case f.MAC == (labs.MAC{}):
		return s + " on " + f.Dev + ": nobody answers"
	case f.Asked && f.Heard:
		return fmt.Sprintf("who has %s? it is at %s (asked on %s)", s, f.MAC, f.Dev)
	case f.State == "":
		return fmt.Sprintf("%s is at %s", s, f.MAC)
	}
	return fmt.Sprintf("%s is at %s, known on %s (%s)", s, f.MAC, f.Dev, f.State)
}

func (f Bridged) text() string {
	switch f.Known {
	case "own":
		return fmt.Sprintf("%s: %s is its own MAC, so the packet goes up to IP", f.Bridge, f.MAC)
	case "flooded":
		return fmt.Sprintf("%s: %s is unknown, flooded; it goes on by %s", f.Bridge, f.MAC, f.Port)
	}
	if f.Known == "expected" {
		return fmt.Sprintf("%s: %s is behind port %s", f.Bridge, f.MAC, f.Port)
	}
	return fmt.Sprintf("%s: %s is behind port %s (fdb, %s)", f.Bridge, f.MAC, f.Port, f.Known)
}

// lines says what rules did. Chains in which nothing happened are named
// together.
func (f Filtered) lines() []labelled {
	var texts, idle []string
	flush := func() {
		if len(idle) > 0 {
			texts = append(texts, "no rule decides in "+strings.Join(idle, ", "))
		}
		idle = nil
	}
	for _, p := range passages(f.Steps) {
		at := p.table + " " + p.chain
		if len(p.deeds) == 0 && p.end != Drop {
			idle = append(idle, at)
			continue
		}
		flush()
		for _, d := range p.deeds {
			texts = append(texts, d.text(p.table))
		}
		if p.end == Drop {
			texts = append(texts, at+": no rule decides, and the policy is drop")
		}
	}
	flush()
	if f.Paper {
		texts = append(texts, "(followed on paper: the kernel tells nothing about rules of legacy iptables)")
	}
	lines := make([]labelled, len(texts))
	for i, t := range texts {
		lines[i].text = t
	}
	if len(lines) > 0 {
		lines[0].label = "netfilter"
	}
	return lines
}

// every lists all rules that were met.
func (f Filtered) every() []labelled {
	var lines []labelled
	label := "netfilter"
	for _, s := range f.Steps {
		lines = append(lines, labelled{label, s.text()})
		label = ""
		if s.Rule != "" {
			lines = append(lines, labelled{"", "    " + s.Rule})
		}
	}
	return lines
}

func (s FilterStep) text() string {
	at := s.Table + " " + s.Chain
	if s.Number == 0 && s.Rule == "" {
		return fmt.Sprintf("%s: policy %s", at, s.Verdict)
	}
	to := string(s.Verdict)
	if s.Target != "" {
		to = s.Target
	} else if t := targetOf(s.Rule); t != "" && s.Verdict != Drop {
		to = t
		if i := strings.Index(s.Rule, "--to-destination "); i >= 0 {
			to += " to " + s.Rule[i+len("--to-destination "):]
		}
	}
	return fmt.Sprintf("%s rule %d → %s", at, s.Number, to)
}

func (t Tracked) text() string {
	s := fmt.Sprintf("%s %s → %s, answers %s → %s", t.Proto, endText(t.Orig[0]), endText(t.Orig[1]), endText(t.Reply[0]), endText(t.Reply[1]))
	if t.TCPState != "" {
		s += " " + t.TCPState
	}
	if t.Status != "" {
		s += " [" + t.Status + "]"
	}
	return s
}
