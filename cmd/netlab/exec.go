package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision/runtime"
)

func execCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "exec",
		Usage:     "run a command in a pod, node or bridge",
		ArgsUsage: "LAB NAME [-c CONTAINER] [--] CMD [ARG...]",
		Description: `With -c the command runs in a container of the pod: with the container's user,
environment, processes and mounts. Otherwise it runs as you, in the network of
the pod. The exit code is the command's own; 125 means that netlab could not run it, 126
that it is no program, 127 that there is none of that name.

Examples:
   netlab exec two-node client -- curl http://web
   netlab exec two-node node-a -- iptables-save -t nat
   netlab exec two-node client -- tcpdump -ni eth0`,
		Flags: []cli.Flag{
			containerFlag(),
			&cli.BoolFlag{Name: "i", Usage: "accepted for the habit; standard input is always passed on"},
			&cli.BoolFlag{Name: "t", Usage: "accepted for the habit; the terminal is always passed on"},
			&cli.BoolFlag{Name: "it", Hidden: true},
			&cli.BoolFlag{Name: "ti", Hidden: true},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() < 3 {
				return &codeError{exitExec, sys.argsOfLab(c, "LAB", "NAME", "-- CMD [ARG...]")}
			}
			if name := c.String("container"); name != "" {
				return enterContainer(sys, c.Args().Get(0), c.Args().Get(1), name, c.Args().Slice()[2:])
			}
			return enter(sys, c.Args().Get(0), c.Args().Get(1), c.Args().Slice()[2:])
		},
	}
}

func shellCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "shell",
		Usage:     "a shell in a pod, node or bridge",
		ArgsUsage: "LAB [NAME]",
		Description: `Without NAME the shell is in the lab's first node. The shell is $SHELL, or sh.

Example:
   netlab shell two-node client`,
		Action: func(c *cli.Context) error {
			if c.NArg() < 1 || c.NArg() > 2 {
				return args(c, "LAB", "[NAME]")
			}
			name := c.Args().Get(1)
			if name == "" {
				lab, _, err := sys.load(c.Args().First())
				if err != nil {
					return err
				}
				name = "node/" + lab.Nodes[0].Name
			}
			shell := sys.getenv("SHELL")
			if shell == "" {
				shell = "sh"
			}
			if lab, _, err := sys.load(c.Args().First()); err == nil {
				if _, err := namespaceOf(lab, name); err == nil {
					fmt.Fprintf(sys.stderr, "shell in %s of lab %s; exit leaves it\n", strings.TrimPrefix(name, "node/"), lab.Name)
				}
			}
			return enter(sys, c.Args().First(), name, []string{shell})
		},
	}
}

// enter replaces this process by a command in the namespace of something of a
// lab. It returns only if that is not possible.
func enter(sys system, labArg, name string, argv []string) error {
	lab, _, err := sys.load(labArg)
	if err != nil {
		return &codeError{exitExec, err}
	}
	ns, err := namespaceOf(lab, name)
	if err != nil {
		return &codeError{exitExec, err}
	}
	h, err := sys.open(lab.Name)
	if err != nil {
		return &codeError{exitExec, err}
	}
	defer h.Close()
	if _, err := os.Stat(filepath.Join("/run/netns", ns)); errors.Is(err, fs.ErrNotExist) {
		return &codeError{exitExec, fmt.Errorf("lab %s is not up: namespace %s does not exist\n    hint: netlab up %s", lab.Name, ns, labArg)}
	}
	path, err := lookPath(argv[0])
	if err != nil {
		return err
	}
	if filepath.Base(path) == "tcpdump" && !slices.Contains(argv, "-Z") && !runtime.HasUser(runtime.Nobody) {
		fmt.Fprintln(sys.stderr, "hint: tcpdump wants to become another user, and without root there is only one: give it -Z root")
	}
	env := append(os.Environ(), "NETLAB_LAB="+lab.Name, "NETLAB_NAME="+name)
	if err := runtime.Confine(lab.Name, ns); err != nil {
		return &codeError{exitExec, err}
	}
	return &codeError{exitExec, runtime.Dir(h.RunDir(lab.Name)).Pins(ns).Exec(ns, append([]string{path}, argv[1:]...), env, "")}
}

// lookPath finds a program as a shell does, and in the directories of system
// programs too: iptables and the like are not on the path of every user.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil && !strings.Contains(name, "/") {
		for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
			if p, e := exec.LookPath(filepath.Join(dir, name)); e == nil {
				return p, nil
			}
		}
	}
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, fs.ErrPermission):
		return "", &codeError{126, fmt.Errorf("%s: %w", name, fs.ErrPermission)}
	case errors.Is(err, exec.ErrDot):
		return path, nil
	}
	return "", &codeError{127, fmt.Errorf("%s: there is no such program on this host", name)}
}

// namespaceOf returns the network namespace of what a reference names.
func namespaceOf(lab *labs.Lab, name string) (string, error) {
	ref, err := lab.FindPlace(name)
	if err != nil {
		return "", err
	}
	switch ref.Kind {
	case labs.RefPod:
		return lab.Pod(ref.Namespace, ref.Name).NS, nil
	case labs.RefNode:
		return lab.Node(ref.Name).NS, nil
	}
	return lab.Bridge(ref.Name).NS, nil
}
