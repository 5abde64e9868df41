package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/kernel"
)

func gcCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:  "gc",
		Usage: "remove what crashed labs left",
		Description: `Lists the namespaces, processes and files that are marked as netlab's and belong
to no lab that is up with a file that can be read, and removes them after
asking. A lab that somebody changes right now is left alone.

Examples:
   netlab gc
   netlab gc --yes -o json`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"},
			outputFlag("text", "json"),
		},
		Action: func(c *cli.Context) error {
			if err := args(c); err != nil {
				return err
			}
			return gc(c.Context, sys, sys.output(c), c.Bool("yes"))
		},
	}
}

// orphan is something that belongs to no lab that is whole, in JSON. It is part
// of the interface.
type orphan struct {
	Lab    string `json:"lab"`
	Kind   string `json:"kind"` // namespace, pause, supervisor, files or names
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func gc(ctx context.Context, sys system, out output, yes bool) error {
	h, err := kernel.Open(kernel.Options{RunDir: sys.runDir})
	if err != nil {
		return err
	}
	defer h.Close()
	names, orphans, err := findOrphans(ctx, h)
	if err != nil {
		return err
	}
	dangling, err := h.DanglingNames()
	if err != nil {
		return err
	}
	for _, name := range dangling {
		orphans = append(orphans, orphan{"", "names", "/etc/netns/" + name, "nothing is left of its lab"})
	}
	if len(orphans) > 0 && out.format != "json" {
		for _, o := range orphans {
			fmt.Fprintf(out.stdout, "%s %s: %s\n", o.Kind, o.Name, o.Reason)
		}
	}
	remove := len(orphans) > 0 && (yes || sys.confirm(fmt.Sprintf("remove these %d things?", len(orphans))))
	if remove {
		if err := removeOrphans(ctx, sys, h, names, dangling, out); err != nil {
			return err
		}
	}
	if out.format == "json" {
		return out.json(struct {
			Orphans []orphan `json:"orphans"`
			Removed bool     `json:"removed"`
		}{append([]orphan{}, orphans...), remove})
	}
	switch {
	case len(orphans) == 0:
		_, err = fmt.Fprintln(out.stdout, "nothing to do: nothing was left by crashed labs")
	case remove:
		_, err = fmt.Fprintf(out.stdout, "%d removed\n", len(orphans))
	default:
		_, err = fmt.Fprintln(out.stdout, "nothing removed; \"netlab gc --yes\" removes them")
	}
	return err
}

// findOrphans lists the labs that are not whole, and what there is of them.
func findOrphans(ctx context.Context, h *kernel.Host) (names []string, orphans []orphan, err error) {
	all, err := h.Labs()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range all {
		if h.Busy(name) {
			continue
		}
		have, err := h.Observe(ctx, provision.State{Lab: name})
		if err != nil {
			return nil, nil, fmt.Errorf("observe lab %s: %w", name, err)
		}
		reason := whyOrphan(h, name, have)
		if reason == "" {
			continue
		}
		names = append(names, name)
		for _, o := range have.Sorted() {
			switch k := o.Key(); k.Kind {
			case provision.KindNamespace, provision.KindPause:
				orphans = append(orphans, orphan{name, k.Kind.String(), k.NS, reason})
			case provision.KindSupervisor:
				orphans = append(orphans, orphan{name, k.Kind.String(), k.Name, reason})
			}
		}
		if dir := h.RunDir(name); isThere(dir) {
			orphans = append(orphans, orphan{name, "files", dir, reason})
		}
	}
	return names, orphans, nil
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// whyOrphan says why a lab is not whole, or "".
func whyOrphan(h *kernel.Host, name string, have provision.State) string {
	data, err := h.LoadLab(name)
	if err != nil {
		return "the lab's file is lost"
	}
	if lab, _ := labs.LoadAs(name, name, data); lab == nil {
		return "the lab's file cannot be read"
	}
	if len(soundNamespaces(have)) == 0 {
		return "the lab is not up"
	}
	return ""
}

func removeOrphans(ctx context.Context, sys system, h *kernel.Host, names, dangling []string, out output) error {
	out.quiet, out.format = true, "text"
	var errs []error
	for _, name := range names {
		errs = append(errs, down(ctx, sys, name, out, 0))
	}
	for _, name := range dangling {
		errs = append(errs, h.RemoveDanglingName(name))
	}
	return errors.Join(errs...)
}
