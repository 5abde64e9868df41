package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// peopleView is what people have in a lab that up leaves alone, in JSON. It is
// part of the interface.
type peopleView struct {
	Processes []processView `json:"processes"`
	Rules     []ruleView    `json:"netfilter"`
}

type processView struct {
	PID     int    `json:"pid"`
	NS      string `json:"netns"`
	Command string `json:"command"`
}

type ruleView struct {
	NS   string `json:"netns"`
	Rule string `json:"rule"`
}

func peopleIn(ctx context.Context, h host, namespaces []string) (peopleView, error) {
	v := peopleView{[]processView{}, []ruleView{}}
	strays, err := h.Strays(ctx, namespaces)
	if err != nil {
		return v, err
	}
	for _, p := range strays {
		v.Processes = append(v.Processes, processView{p.PID, p.NS, p.Command})
	}
	slices.Sort(namespaces)
	for _, ns := range namespaces {
		rules, err := h.ForeignRules(ctx, ns)
		if err != nil {
			return v, err
		}
		for _, rule := range rules {
			v.Rules = append(v.Rules, ruleView{ns, rule})
		}
	}
	return v, nil
}

func (v peopleView) write(w io.Writer, lab string) error {
	if len(v.Processes)+len(v.Rules) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nNot the lab's; \"netlab reset %s\" removes them:\n", lab)
	for _, p := range v.Processes {
		fmt.Fprintf(&b, "  process %d in %s: %s\n", p.PID, p.NS, p.Command)
	}
	for _, r := range v.Rules {
		fmt.Fprintf(&b, "  netfilter in %s: %s\n", r.NS, r.Rule)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
