package graph

import (
	"fmt"
	"slices"
)

// Options say what a picture shows beside names.
type Options struct {
	Addresses  bool
	MACs       bool
	Interfaces bool // names of network interfaces and bridge ports

	Color bool // WriteText only: colour what is not well
}

// Live is what was seen of a lab that runs.
type Live struct {
	State  string // of the lab in a word, as netlab status has it
	Checks string // what became of the checks, in words; "" if none were made

	Spaces   map[string]Finding // by network namespace: bridges, nodes and pods
	Devices  map[Device]Finding // only those that are not well
	Services map[string]Finding // by NAMESPACE/NAME
	Failures []Failure          // of checks
	Causes   []Cause            // what they come from, as far as that was found out
}

// Cause is a fault by which checks fail.
type Cause struct {
	Fault    string
	Evidence []string
	Remedy   string
	Checks   int // that fail by it
}

// Device names a network interface.
type Device struct{ NS, Name string }

// Finding is how one thing of a lab is.
type Finding struct {
	Missing     bool     // it does not exist
	Differences []string // from the lab file, each in words
	Checks      int      // checks that begin or end here
	Failed      int      // those of them that did not pass
}

// Failure is a check that did not pass.
type Failure struct {
	Check  string // its ID
	Reason string
	Ends   []string // network namespaces and services that it is about
}

// level is how well something is.
type level int

const (
	unknown level = iota // nobody looked
	well
	touched // few of the checks fail that begin or end here: the fault is likely elsewhere
	drifted
	failing
)

// class is the level's name in style sheets.
func (l level) class() string { return [...]string{"", "ok", "touch", "drift", "fail"}[l] }

// sign is the level's mark in text that has colour or not.
func (l level) sign() string { return [...]string{"", "ok", "x", "!", "x"}[l] }

func (f Finding) level() level {
	switch {
	case f.Missing || f.Failed > 0 && f.Failed*2 >= f.Checks:
		return failing
	case len(f.Differences) > 0:
		return drifted
	case f.Failed > 0:
		return touched
	}
	return well
}

// words says what is not well, nothing if all is.
func (f Finding) words() []string {
	var words []string
	if f.Missing {
		return []string{"missing"}
	}
	if f.Failed > 0 {
		words = append(words, fmt.Sprintf("%d of %s", f.Failed, count(f.Checks, "check"))+verb(f.Failed, " fails", " fail"))
	}
	if n := len(f.Differences); n > 0 {
		words = append(words, count(n, "difference"))
	}
	return words
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// space returns what was seen of a namespace, and how that is.
func (l *Live) space(ns string) (Finding, level) {
	if l == nil {
		return Finding{}, unknown
	}
	f := l.Spaces[ns]
	return f, f.level()
}

// service returns what was seen of a service, and how that is.
func (l *Live) service(id string) (Finding, level) {
	if l == nil {
		return Finding{}, unknown
	}
	f := l.Services[id]
	return f, f.level()
}

// cable returns how a cable is, from what was seen of its ends.
func (l *Live) cable(ends ...Device) (Finding, level) {
	if l == nil {
		return Finding{}, unknown
	}
	var all Finding
	for _, e := range ends {
		f := l.Devices[e]
		all.Missing = all.Missing || f.Missing
		for _, d := range f.Differences {
			if !slices.Contains(all.Differences, d) {
				all.Differences = append(all.Differences, d)
			}
		}
	}
	return all, all.level()
}
