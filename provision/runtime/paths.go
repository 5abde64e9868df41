package runtime

import (
	"path/filepath"

	"netlab/provision/netns"
	"netlab/provision/runfile"
)

// Dir is the runtime directory of a lab. This package keeps in it:
//
//	ns/<netns>.ipc, .uts               the namespaces a pause process owns
//	supervisor/                        spec, state and log of the supervisor
//	containers/<netns>/<name>/         one container: see [containerDir]
//	logs/<netns>/<name>.log, .log.1    what it printed, and before that
type Dir string

// Volatile are the entries of a lab's runtime directory that say nothing any more
// when all processes and namespaces are gone, as after a reboot.
var Volatile = []string{"ns", "supervisor", "containers"}

// Pins are the namespaces that the pause process of a pod owns; ns is the pod's
// network namespace.
func (d Dir) Pins(ns string) netns.Pins { return netns.Pins(filepath.Join(string(d), "ns", ns)) }

func (d Dir) supervisor(file string) string { return filepath.Join(string(d), "supervisor", file) }

// Log returns the file of what a container printed last. What it printed before
// that is beside it, with ".1" appended.
func (d Dir) Log(ns, container string) string {
	return filepath.Join(string(d), "logs", ns, container+".log")
}

// container returns the directory of a container.
func (d Dir) container(ns, name string) containerDir {
	return containerDir(filepath.Join(string(d), "containers", ns, name))
}

// containerDir holds what must be known of a container when its supervisor has
// died:
//
//	lock   locked for as long as the container's first process lives; holds its record
//	spec   what to run
//	exit   how it ended
type containerDir string

func (d containerDir) file(name string) string { return filepath.Join(string(d), name) }

// lab is the runtime directory of the lab that the container belongs to.
func (d containerDir) lab() Dir { return Dir(filepath.Join(string(d), "../../..")) }

// makeDir makes a directory in d.
func (d Dir) makeDir(path string) error { return runfile.MakeDir(filepath.Dir(string(d)), path) }

// writeFile writes a file of d, in a directory that need not be there, so that
// it is there as a whole or not at all.
func (d Dir) writeFile(path string, data []byte) error {
	if err := d.makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	return runfile.Write(path, data)
}
