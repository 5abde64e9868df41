package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"netlab/labs"
	"netlab/provision"
	"netlab/verify"
)

// planView is a plan in JSON. It is part of the interface.
type planView struct {
	Lab       string       `json:"lab"`
	Changes   []changeView `json:"changes"`
	Conflicts []string     `json:"conflicts,omitempty"`
	Created   int          `json:"created"`
	Updated   int          `json:"updated"`
	Deleted   int          `json:"deleted"`
}

type changeView struct {
	Operation   string            `json:"operation"` // create, update or delete
	Kind        string            `json:"kind"`
	Namespace   string            `json:"netns,omitempty"`
	Name        string            `json:"name,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	Differences []differenceView  `json:"differences,omitempty"`
	Reason      string            `json:"reason,omitempty"`
	Text        string            `json:"text"` // the change as people read it
}

type differenceView struct {
	Attribute string `json:"attribute"`
	Is        string `json:"is"`
	Wanted    string `json:"wanted"`
}

func viewPlan(lab string, p provision.Plan) planView {
	v := planView{Lab: lab, Changes: []changeView{}}
	v.Created, v.Updated, v.Deleted = p.Count()
	for _, s := range p.Steps {
		k := s.Object.Key()
		c := changeView{Operation: s.Op.String(), Kind: k.Kind.String(), Namespace: k.NS, Name: k.Name, Reason: s.Reason, Text: s.String()}
		if s.Op != provision.Delete {
			c.Attributes = map[string]string{}
			for _, a := range s.Object.Attrs() {
				c.Attributes[a.Name] = a.Value
			}
		}
		for _, d := range s.Differences() {
			c.Differences = append(c.Differences, differenceView{d.Attr, d.Is, d.Wanted})
		}
		v.Changes = append(v.Changes, c)
	}
	for _, c := range p.Conflicts {
		v.Conflicts = append(v.Conflicts, c.Error())
	}
	return v
}

// plan prints what up would do.
func (o output) plan(lab *labs.Lab, p provision.Plan) error {
	if o.format == "json" {
		return o.json(viewPlan(lab.Name, p))
	}
	if p.Empty() {
		_, err := fmt.Fprintf(o.stdout, "no changes: lab %s is as its file says\n", lab.Name)
		return err
	}
	fmt.Fprint(o.stdout, o.paint(p.String()))
	if o.commands {
		for _, s := range p.Steps {
			for _, line := range provision.Commands(s) {
				fmt.Fprintln(o.stdout, line)
			}
		}
	}
	_, err := fmt.Fprintf(o.stdout, "%s\n", counts(p, "to create", "to update", "to delete"))
	return err
}

// counts sums a plan up in words.
func counts(p provision.Plan, create, update, remove string) string {
	c, u, d := p.Count()
	var parts []string
	for _, x := range []struct {
		n    int
		verb string
	}{{c, create}, {u, update}, {d, remove}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.verb))
		}
	}
	if len(p.Conflicts) > 0 {
		parts = append(parts, fmt.Sprintf("%d in conflict", len(p.Conflicts)))
	}
	return strings.Join(parts, ", ")
}

// paint colours the lines of a plan by their mark.
func (o output) paint(text string) string {
	if !o.color {
		return text
	}
	colors := map[byte]string{'+': "\x1b[32m", '~': "\x1b[33m", '-': "\x1b[31m", '!': "\x1b[1;31m"}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if c, ok := colors[line[0]]; ok {
			line = c + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// shownChanges is how many changes up lists one by one.
const shownChanges = 25

// upView is what up has done, in JSON. It is part of the interface.
type upView struct {
	planView
	DurationMS float64         `json:"durationMs"`
	State      labView         `json:"state"`
	Verify     json.RawMessage `json:"verify,omitempty"` // with --verify: the report as verify prints it
}

func viewUp(r upResult) (upView, error) {
	v := upView{viewPlan(r.lab.Name, r.plan), float64(r.took.Microseconds()) / 1000, viewOf(r.lab, nil), nil}
	if r.report == nil {
		return v, nil
	}
	var err error
	v.Verify, err = rawReport(*r.report)
	return v, err
}

// rawReport is a report as verify -o json prints it.
func rawReport(report verify.Report) (json.RawMessage, error) {
	var b bytes.Buffer
	err := verify.WriteJSON(&b, report)
	return b.Bytes(), err
}

// up says what was changed and what the checks found if they were made; of a
// lab that was not there before also what exists now and what to try.
func (o output) up(lab *labs.Lab, p provision.Plan, took time.Duration, report *verify.Report) error {
	if o.format == "json" {
		v, err := viewUp(upResult{lab, p, took, report})
		if err != nil {
			return err
		}
		return o.json(v)
	}
	if o.quiet {
		if report != nil && !report.Counts().Well() {
			return verify.WriteText(o.stdout, *report)
		}
		return nil
	}
	fresh := isNew(p)
	switch {
	case p.Empty():
		fmt.Fprintf(o.stdout, "no changes: lab %s is up and as its file says\n", lab.Name)
	default:
		if !fresh {
			o.shorten(p)
		}
		fmt.Fprintf(o.stdout, "lab %s is up: %s in %d ms\n", lab.Name, counts(p, "created", "updated", "deleted"), took.Milliseconds())
	}
	if fresh {
		fmt.Fprintln(o.stdout)
		if err := viewOf(lab, nil).writeTable(o.stdout, tableOptions{}); err != nil {
			return err
		}
	}
	if report != nil {
		fmt.Fprintln(o.stdout)
		if err := verify.WriteText(o.stdout, *report); err != nil {
			return err
		}
	}
	if !fresh {
		return nil // whoever repeats it knows the lab
	}
	fmt.Fprintln(o.stdout, "\nTry:")
	for _, line := range toTry(lab, o.program, o.rootless) {
		fmt.Fprintln(o.stdout, "  "+line)
	}
	return nil
}

// isNew reports whether a plan makes a lab of which nothing was there: it does
// nothing but create, a namespace among the rest.
func isNew(p provision.Plan) bool {
	_, updated, deleted := p.Count()
	namespace := slices.ContainsFunc(p.Steps, func(s provision.Step) bool { return s.Object.Key().Kind == provision.KindNamespace })
	return updated+deleted == 0 && namespace
}

// shorten prints the first changes of a plan.
func (o output) shorten(p provision.Plan) {
	shown := p
	shown.Steps = p.Steps[:min(len(p.Steps), shownChanges)]
	fmt.Fprint(o.stdout, o.paint(shown.String()))
	if more := len(p.Steps) - len(shown.Steps); more > 0 {
		fmt.Fprintf(o.stdout, "… and %d more\n", more)
	}
}

// downView is what down has done, in JSON. It is part of the interface.
type downView struct {
	planView
	Processes  int     `json:"processesEnded"`
	DurationMS float64 `json:"durationMs"`
}

func viewDown(name string, r downResult, took time.Duration) downView {
	return downView{viewPlan(name, r.plan), r.processes, float64(took.Microseconds()) / 1000}
}

// down says what was removed.
func (o output) down(name string, p provision.Plan, processes int) error {
	if o.format == "json" {
		return o.json(viewDown(name, downResult{p, processes}, o.clock.elapsed()))
	}
	if o.quiet {
		return nil
	}
	var err error
	switch {
	case name == "":
		_, err = fmt.Fprintln(o.stdout, "nothing to do: no lab is up")
	case p.Empty() && processes == 0:
		_, err = fmt.Fprintf(o.stdout, "nothing to do: lab %s is not up\n", name)
	default:
		_, _, deleted := p.Count()
		text := fmt.Sprintf("lab %s is down: %d removed", name, deleted)
		if processes > 0 {
			text += ", " + number(processes, "process") + " ended"
		}
		_, err = fmt.Fprintf(o.stdout, "%s in %d ms\n", text, o.clock.elapsed().Milliseconds())
	}
	return err
}

// toTry returns three commands that show something of this lab. program is how
// netlab is called; ip knows the names of namespaces unless the lab is rootless.
func toTry(lab *labs.Lab, program string, rootless bool) []string {
	in := func(ns, name string) string {
		if rootless {
			return fmt.Sprintf("%s exec %s %s --", program, lab.Name, name)
		}
		return "ip netns exec " + ns
	}
	tries := []string{program + " verify " + lab.Name}
	switch {
	case len(lab.Pods) > 1:
		client, server := &lab.Pods[0], &lab.Pods[len(lab.Pods)-1]
		for i := range lab.Pods {
			if lab.Pods[i].Node != client.Node {
				server = &lab.Pods[i]
				break
			}
		}
		tries = append(tries,
			fmt.Sprintf("%s ping -c 3 %s", in(client.NS, podName(client)), server.Addrs[0].Addr()),
			fmt.Sprintf("%s exec %s %s -- ip route", program, lab.Name, podName(client)))
		if len(lab.Services) > 0 {
			tries[2] = fmt.Sprintf("%s exec %s %s -- iptables-save -t nat", program, lab.Name, client.Node)
		}
	case len(lab.Nodes) > 1:
		a, b := &lab.Nodes[0], &lab.Nodes[len(lab.Nodes)-1]
		if addrs := b.Addrs(); len(addrs) > 0 {
			tries = append(tries, fmt.Sprintf("%s ping -c 3 %s", in(a.NS, a.Name), addrs[0]))
		}
		tries = append(tries, fmt.Sprintf("%s exec %s %s -- ip route", program, lab.Name, a.Name))
	default:
		tries = append(tries,
			fmt.Sprintf("%s exec %s %s -- ip addr", program, lab.Name, lab.Nodes[0].Name),
			fmt.Sprintf("%s down %s", program, lab.Name))
	}
	return tries
}

// podName is how a pod is called in a command.
func podName(p *labs.Pod) string {
	if p.Namespace == "default" {
		return p.Name
	}
	return p.Namespace + "/pod/" + p.Name
}
