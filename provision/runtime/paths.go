package runtime

import (
	"os"
	"path/filepath"

	"netlab/provision/netns"
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

// writeFile writes a file so that it is there as a whole or not at all.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
