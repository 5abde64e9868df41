package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision/kernel"
	"netlab/provision/netns"
)

// world is where labs without root live.
type world interface {
	Inside() bool
	RunDir() string
	Enter(argv []string) error
	Leave() error
}

var _ world = (*netns.World)(nil)

// kernelless are the commands that need no kernel, and so no world.
var kernelless = []string{"help", "init", "validate", "list", "completion", "version", "supervise", "schema", "explain", "fmt"}

// needWorld has a command run where the labs of its user are: for everybody but
// root that is a user namespace of their own, made when it is needed.
func (sys system) needWorld(c *cli.Command) {
	if slices.Contains(kernelless, c.Name) {
		return
	}
	c.Flags = append(c.Flags, &cli.BoolFlag{Name: "rootless", Usage: "as root: use the labs that live in a user namespace, as those of other users do"})
	before := c.Before
	c.Before = func(c *cli.Context) error {
		if sys.elsewhere(c) {
			err := sys.world.Enter(sys.args)
			if c.Command.Name == "exec" {
				return &codeError{exitExec, err}
			}
			return err
		}
		if before != nil {
			return before(c)
		}
		return nil
	}
}

// elsewhere reports whether the command is about labs that live in a world which
// this process is not in.
func (sys system) elsewhere(c *cli.Context) bool {
	switch {
	case sys.world == nil || sys.world.Inside():
		return false
	case c.Command.Name == "graph" && !c.Bool("live") && (c.IsSet("live") || !sys.hasWorld()):
		return false // a file can be drawn anywhere
	case os.Geteuid() != 0 || c.Bool("rootless"):
		return true
	case c.NArg() == 0 || c.Command.Name == "up":
		return false
	}
	// Root may have a lab there, too, and has said so when it was made.
	if !sys.hasWorld() {
		return false
	}
	name, err := sys.name(c.Args().First())
	if err != nil || !labs.ValidName(name) {
		return false
	}
	there := func(dir string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	}
	return there(sys.world.RunDir()) && !there(kernel.DefaultRunDir)
}

// hasWorld reports whether there may be a world of this user's.
func (sys system) hasWorld() bool {
	_, err := os.Lstat(sys.world.RunDir())
	return !errors.Is(err, fs.ErrNotExist)
}

// openFor opens the host for a lab that is to be made there.
func (sys system) openFor(lab *labs.Lab) (host, error) {
	if err := sys.checkRootless(lab); err != nil {
		return nil, err
	}
	return sys.open(lab.Name)
}

// checkRootless refuses what only root can have.
func (sys system) checkRootless(lab *labs.Lab) error {
	if sys.world == nil || !sys.world.Inside() {
		return nil
	}
	for _, b := range lab.Bridges {
		if b.Uplink {
			return usageError("lab %s: bridge %s: a lab without root has no way to the host, so there can be no uplink\n    hint: run netlab as root, or remove \"uplink: true\"", lab.Name, b.Name)
		}
	}
	return nil
}
