package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/provision/runtime"
	"netlab/verify"
)

// statusInstances is netlab status of instances: who is up, and what is broken.
func statusInstances(c *cli.Context, sys system) error {
	if err := args(c, "LAB"); err != nil {
		return err
	}
	ch, err := choiceOf(c)
	if err != nil {
		return err
	}
	out := sys.output(c)
	if c.Bool("watch") {
		return sys.watch(c, out, func(h host) (class, error) { return sys.classOf(c, h) })
	}
	h, err := sys.open("")
	if err != nil {
		return err
	}
	defer h.Close()
	cl, err := sys.classOf(c, h)
	if err != nil {
		return err
	}
	if len(cl.members) == 0 && ch.all && out.format != "json" && out.format != "yaml" {
		_, err := fmt.Fprintf(out.stdout, "no instance of lab %s is up\n", cl.lab)
		return err
	}
	view := cl.run(c.Context, h, out, parallel(c), healthOf(c.Bool("verify"), parallel(c)))
	if out.format == "yaml" {
		return out.yaml(view)
	}
	return out.class(view)
}

// healthOf returns the work of looking at one instance: what is not as its lab
// file says, and with checks what does not work.
func healthOf(checks bool, lookers int) work {
	return func(ctx context.Context, h host, m member, out output) outcome {
		switch {
		case !m.up:
			return outcome{state: "down"}
		case h.Busy(m.name):
			return outcome{state: "changing", detail: "a netlab works on it"}
		}
		v, err := inspect(ctx, h, m.lab, out)
		if err != nil {
			return outcome{err: err}
		}
		o := outcome{state: v.State, detail: v.trouble(), result: v}
		if !checks || v.State == "down" {
			return o
		}
		checked := verifyMember(ctx, h, m, out, verify.Options{}, lookers)
		if checked.err != nil && o.state == "up" {
			o.state = "broken"
		}
		if exitCode(checked.err) == exitDiffers {
			checked.err = nil // it is what was asked
		}
		o.detail = strings.TrimPrefix(o.detail+"; "+checked.detail, "; ")
		o.err = checked.err
		return o
	}
}

// trouble says in one line what is not as it should be: what differs from the
// lab file, what does not run, and what people have added.
func (v labView) trouble() string {
	var parts []string
	if d := firstOf(v.Differences); d != "" {
		parts = append(parts, d)
	}
	for _, p := range v.Pods {
		for _, c := range p.Containers {
			if c.Phase == runtime.Running && c.Ready || c.Phase == runtime.Terminated && c.ExitCode != nil && *c.ExitCode == 0 {
				continue
			}
			text := fmt.Sprintf("container %s of pod %s is %s", c.Name, p.Name, strings.ToLower(string(c.Phase)))
			if c.Reason != "" {
				text += " (" + c.Reason + ")"
			}
			if c.Phase == runtime.Running {
				text = fmt.Sprintf("container %s of pod %s is not ready", c.Name, p.Name)
			}
			parts = append(parts, text)
		}
	}
	if n := len(v.People.Rules); n > 0 {
		parts = append(parts, fmt.Sprintf("%s of people", number(n, "netfilter rule")))
	}
	if n := len(v.People.Processes); n > 0 {
		parts = append(parts, fmt.Sprintf("%s of people", number(n, "process")))
	}
	return strings.Join(parts, "; ")
}

// number counts things in words.
func number(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"):
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
