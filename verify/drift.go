package verify

import (
	"slices"
	"strings"

	"netlab/provision"
)

// Drift is how a kernel differs from a lab file, sorted by what checks of kind
// [State] ask for. The zero Drift has no differences.
type Drift struct {
	at map[spot][]string
}

// spot is a namespace, "" for what is in none, and a part of what stands there.
type spot struct {
	ns    string
	topic Topic
}

// NewDrift sorts the steps of the plan that would make a kernel equal to a lab.
func NewDrift(p provision.Plan) Drift {
	d := Drift{at: map[spot][]string{}}
	made := map[provision.Key]bool{}
	for _, s := range p.Steps {
		if s.Op == provision.Create {
			made[s.Object.Key()] = true
		}
	}
	for _, s := range p.Steps {
		switch key := s.Object.Key(); {
		case s.Op == provision.Delete && made[key]: // made anew: told at its creation
		case s.Op == provision.Update && key.Kind == provision.KindLink:
			d.link(s)
		default:
			d.add(s)
		}
	}
	return d
}

// Of returns what a check of kind [State] finds different, a line each.
func (d Drift) Of(c *Check) []string {
	ns := c.From.NS
	if c.From.Name == wholeLab {
		ns = ""
	}
	return d.at[spot{ns, Topic(c.More.Label)}]
}

// add notes a step under the namespaces it is about.
func (d Drift) add(s provision.Step) {
	key := s.Object.Key()
	text := s.String()[2:]
	switch s.Op {
	case provision.Create:
		text = "missing: " + text
		if why, again := strings.CutSuffix(text, ")"); again && s.Reason != "" {
			text = strings.TrimPrefix(strings.Replace(why, " (recreate: ", ": ", 1), "missing: ")
		}
	case provision.Delete:
		text = "extra: " + text
	}
	topic := topicOf(key.Kind)
	if key.Kind == provision.KindHostRule || key.NS == "" && topic != TopicFiles && topic != TopicProcesses {
		d.note("", TopicUplink, text)
		return
	}
	if topic == TopicFiles || key.Kind == provision.KindSupervisor {
		d.note("", topic, text)
		return
	}
	told := []string{}
	for _, c := range s.Object.Claims() {
		if c.NS != "" && !slices.Contains(told, c.NS) {
			told = append(told, c.NS)
			d.note(c.NS, topic, text)
		}
	}
}

// link notes the attributes of a link that differ, those of each end of a cable
// where that end is.
func (d Drift) link(s provision.Step) {
	key := s.Object.Key()
	here, there := key, key
	for _, c := range s.Object.Claims() {
		if c != key {
			there = c
		}
	}
	for _, diff := range s.Differences() {
		end := here
		if name, far := strings.CutPrefix(diff.Attr, "peer-"); far {
			diff.Attr, end = name, there
		}
		topic := TopicLinks
		if diff.Attr == "mtu" {
			topic = TopicMTU
		}
		if end.NS == "" {
			topic = TopicUplink
		}
		d.note(end.NS, topic, end.String()+": "+diff.String())
	}
}

func (d Drift) note(ns string, topic Topic, text string) {
	s := spot{ns, topic}
	d.at[s] = append(d.at[s], text)
}

// topicOf returns the topic of a kind of object.
func topicOf(k provision.Kind) Topic {
	switch k {
	case provision.KindFile:
		return TopicFiles
	case provision.KindSysctl, provision.KindLinkSysctl:
		return TopicSysctls
	case provision.KindNeigh:
		return TopicNeighbours
	case provision.KindFDB:
		return TopicFDB
	case provision.KindRoute:
		return TopicRoutes
	case provision.KindRule, provision.KindRuleset, provision.KindHostRule:
		return TopicRules
	case provision.KindPause, provision.KindSupervisor:
		return TopicProcesses
	}
	return TopicLinks
}
