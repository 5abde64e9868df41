package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/kernel"
	"netlab/provision/runtime"
)

// superviseCommand is the process that runs the containers of a lab. up starts
// it; people do not.
func superviseCommand() *cli.Command {
	return &cli.Command{
		Name:      "supervise",
		Usage:     "run the containers of a lab",
		ArgsUsage: "LAB DIR",
		Hidden:    true,
		Action: func(c *cli.Context) error {
			if err := args(c, "LAB", "DIR"); err != nil {
				return err
			}
			return supervise(c.Context, c.Args().Get(0), c.Args().Get(1))
		},
	}
}

func supervise(ctx context.Context, lab, dir string) error {
	if !labs.ValidName(lab) {
		return usageError("%q is not the name of a lab", lab)
	}
	debug.SetGCPercent(100) // it stays for long
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGHUP, unix.SIGTERM, unix.SIGINT)
	h, err := kernel.Open(kernel.Options{RunDir: dir})
	if err != nil {
		return err
	}
	defer h.Close()
	return runtime.Supervision{
		Lab: lab, Dir: runtime.Dir(filepath.Join(dir, lab)), Signals: signals,
		Endpoints: func(ctx context.Context) error { return refreshEndpoints(ctx, h, lab) },
	}.Run(context.WithoutCancel(ctx)) // signals decide
}

// endpointsLock is how long the supervisor waits for a command that changes the
// lab, before it tries again.
const endpointsLock = time.Minute

// refreshEndpoints makes the rules of a lab's services fit the pods that are
// ready. Everything else that is not as the lab says is left to netlab up.
func refreshEndpoints(ctx context.Context, h *kernel.Host, name string) error {
	unlock, err := h.Lock(ctx, name, endpointsLock)
	if err != nil {
		return err
	}
	defer unlock()
	defer h.Rest()
	data, err := h.LoadLab(name)
	if err != nil {
		return fmt.Errorf("the lab's file: %w", err)
	}
	lab, diagnostics := labs.LoadAs(name, name+".yaml", data)
	if lab == nil {
		return diagnostics
	}
	want := provision.Desired(lab.WithReadiness(runtime.Readiness(h.Runtime(name), lab)))
	have, err := h.Observe(ctx, want.Hint())
	if err != nil {
		return err
	}
	var errs []error
	for _, step := range provision.Diff(have, want).Steps {
		if step.Op == provision.Update && followsReadiness(step.Object) {
			errs = append(errs, h.Do(ctx, step))
		}
	}
	return errors.Join(errs...)
}

// followsReadiness reports whether an object depends on which pods are ready.
func followsReadiness(o provision.Object) bool {
	switch o := o.(type) {
	case provision.Ruleset:
		return true
	case provision.File:
		return o.Name == provision.DNSFile
	}
	return false
}

// asReady returns lab with the endpoints that its running containers make.
func asReady(h host, lab *labs.Lab) *labs.Lab {
	return lab.WithReadiness(runtime.Readiness(runtime.Dir(h.RunDir(lab.Name)), lab))
}

// readyWithin bounds how long up waits for containers to become ready.
const readyWithin = 2 * time.Second

// settleReadiness waits a moment for the containers of a lab that was just
// made equal to want, makes its services' rules fit those that are ready, and
// says which are not.
func settleReadiness(ctx context.Context, h host, lab *labs.Lab, want provision.State, out output) error {
	waiting, err := runtime.AwaitReady(ctx, runtime.Dir(h.RunDir(lab.Name)), readyWithin)
	if err != nil {
		return err
	}
	is := provision.Desired(asReady(h, lab))
	for o := range is.All() {
		if was, ok := want.Get(o.Key()); !ok || was != o {
			if _, _, err := provision.Converge(ctx, h, is.After(previous(h, lab, is)), provision.Options{}); err != nil {
				return err
			}
			break
		}
	}
	for _, w := range waiting {
		fmt.Fprintf(out.stderr, "not ready: %s\n", w)
	}
	return nil
}

// asReady returns lab with the endpoints that its running containers make.
func (sys system) asReady(lab *labs.Lab) *labs.Lab {
	h, err := sys.open(lab.Name)
	if err != nil {
		return lab
	}
	defer h.Close()
	return asReady(h, lab)
}
