package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision/runtime"
)

func logsCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "logs",
		Usage:     "what a container printed",
		ArgsUsage: "LAB POD",
		Description: `The last one or two megabytes are kept. A built-in server writes a line for each
request.

Examples:
   netlab logs two-node web
   netlab logs pod app -c side -f`,
		Flags: []cli.Flag{
			containerFlag(),
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on as it prints more, until interrupted"},
		},
		Action: func(c *cli.Context) error {
			if err := sys.argsOfLab(c, "LAB", "POD"); err != nil {
				return err
			}
			return logs(c.Context, sys, c.Args().Get(0), c.Args().Get(1), c.String("container"), c.Bool("follow"))
		},
	}
}

func containerFlag() cli.Flag {
	return &cli.StringFlag{Name: "container", Aliases: []string{"c"}, Usage: "the `CONTAINER` that is meant; not needed where the pod has one"}
}

// followPeriod is how often a log is looked at that is followed.
const followPeriod = 100 * time.Millisecond

func logs(ctx context.Context, sys system, labArg, podName, name string, follow bool) error {
	lab, _, err := sys.load(labArg)
	if err != nil {
		return err
	}
	pod, container, err := sys.findContainer(lab, podName, name)
	if err != nil {
		return err
	}
	h, err := sys.open(lab.Name)
	if err != nil {
		return err
	}
	defer h.Close()
	dir := runtime.Dir(h.RunDir(lab.Name))
	path := dir.Log(pod.NS, container.Name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("container %s of pod %s has never run\n    hint: netlab up %s", container.Name, pod.Name, labArg)
	}
	r, err := runtime.ReadLog(path, sys.stdout)
	if err != nil || !follow {
		return err
	}
	tick := time.NewTicker(followPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := r.Next(sys.stdout); err != nil {
			return err
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil // the lab went down
		}
	}
}

// findContainer returns a container of a pod: the one called name, or the first
// if name is empty.
func (sys system) findContainer(lab *labs.Lab, podName, name string) (*labs.Pod, *labs.Container, error) {
	ref, err := lab.FindPlace(podName)
	if err != nil {
		return nil, nil, err
	}
	if ref.Kind != labs.RefPod {
		return nil, nil, usageError("%s is no pod: only pods have containers", podName)
	}
	pod := lab.Pod(ref.Namespace, ref.Name)
	var names []string
	for i := range pod.Containers {
		if c := &pod.Containers[i]; c.Name == name || (name == "" && i == 0) {
			if name == "" && len(pod.Containers) > 1 {
				fmt.Fprintf(sys.stderr, "container %s; -c chooses another\n", c.Name)
			}
			return pod, c, nil
		}
		names = append(names, pod.Containers[i].Name)
	}
	if len(names) == 0 {
		return nil, nil, usageError("pod %s has no containers", podName)
	}
	return nil, nil, usageError("pod %s has no container %q\n    hint: %s", podName, name, didYouMean(name, names))
}

// enterContainer runs a command in a container and passes on how it ended.
func enterContainer(sys system, labArg, podName, name string, argv []string) error {
	lab, _, err := sys.load(labArg)
	if err != nil {
		return &codeError{exitExec, err}
	}
	pod, container, err := sys.findContainer(lab, podName, name)
	if err != nil {
		return &codeError{exitExec, err}
	}
	h, err := sys.open(lab.Name)
	if err != nil {
		return &codeError{exitExec, err}
	}
	defer h.Close()
	code, err := runtime.Exec(runtime.Dir(h.RunDir(lab.Name)), pod.NS, container.Name, argv, sys.getenv("TERM"))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("container %s of pod %s is not running\n    hint: netlab status %s", name, podName, labArg)
	}
	switch {
	case errors.Is(err, runtime.ErrNoProgram):
		return &codeError{127, err}
	case err != nil:
		return &codeError{exitExec, err}
	case code != 0:
		return &codeError{code, nil}
	}
	return nil
}
