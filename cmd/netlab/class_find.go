package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/urfave/cli/v2"

	"netlab/labs"
)

// classOf returns the instances that a command line means, with the file that
// each is made from.
//
// A LAB argument that is a path is the file of all of them. A name leaves each
// instance with the file that it was made from; one that is not there yet gets
// the file of the others, or that of the lab that is up or ships by this name.
func (sys system) classOf(c *cli.Context, h host) (class, error) {
	ch, err := choiceOf(c)
	if err != nil {
		return class{}, err
	}
	arg := c.Args().First()
	var src source
	name := arg
	if isPath(arg) || arg == "-" {
		if src, err = sys.find(arg); err != nil {
			return class{}, err
		}
		lab, diagnostics := src.lab()
		if diagnostics.HasErrors() {
			return class{}, diagnostics
		}
		for _, d := range diagnostics {
			fmt.Fprintln(sys.stderr, d)
		}
		name = lab.Name
	}
	cl, err := ch.named(h, name)
	if err != nil {
		return class{}, err
	}
	return cl, cl.resolve(sys, h, src)
}

// named returns the instances of the lab called name, without their files.
func (ch choice) named(h host, name string) (class, error) {
	if !labs.ValidName(name) {
		return class{}, usageError("%q is not the name of a lab", name)
	}
	up, err := instancesUp(h, name)
	if err != nil {
		return class{}, err
	}
	cl, err := ch.choose(name, up)
	if err != nil {
		return class{}, err
	}
	for _, m := range cl.members {
		if m.up {
			continue
		}
		if _, _, err := h.LoadLab(m.name); err == nil {
			return class{}, usageError("lab %s is up and is no instance of lab %s\n    hint: take it down, or choose another --prefix", m.name, name)
		}
	}
	return cl, nil
}

// resolve gives every instance its lab.
func (cl *class) resolve(sys system, h host, given source) error {
	shared := given
	if given.data == nil {
		for _, m := range append(cl.members, cl.rest...) {
			file, data, err := h.LoadLab(m.name)
			if m.up && err == nil {
				shared = source{file: file, data: data}
				break
			}
		}
	}
	for i := range cl.members {
		m := &cl.members[i]
		m.src = shared
		if given.data == nil && m.up {
			file, data, err := h.LoadLab(m.name)
			switch {
			case err == nil:
				m.src = source{file: file, data: data}
			case !errors.Is(err, fs.ErrNotExist):
				return err
			}
		}
		if m.src.data == nil {
			found, err := sys.find(cl.lab)
			if err != nil {
				return err
			}
			m.src, shared = found, found
		}
		m.src.name = m.name
		lab, diagnostics := m.src.lab()
		if m.lab = lab; lab == nil {
			m.err = diagnostics
		} else {
			m.err = sys.checkRootless(lab)
		}
	}
	return nil
}
