package kernel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"netlab/provision/runtime"
)

// Volatile are the entries of a lab's runtime directory that say nothing any more
// when all processes and namespaces are gone.
var Volatile = append([]string{"witness"}, runtime.Volatile...)

// witnesses returns the directory of what was written down about the lab's
// namespaces.
func (d runDir) witnesses(lab string) string { return filepath.Join(d.lab(lab), "witness") }

// identity tells a namespace from every other one, also from a later one that
// got the same inode.
type identity struct{ inode, cookie uint64 }

// witness writes down that netlab made the namespace called name: a name of a
// symlink to what the present boot is known by. It is there as a whole or not at
// all, and it needs no inode of its own.
func (d runDir) witness(name string, id identity) error {
	if id == (identity{}) {
		return nil
	}
	lab := labOf(name)
	model, path := filepath.Join(d.witnesses(lab), "boot"), d.witnessPath(name, id)
	for range 2 {
		err := linkAs(model, d.boot, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := d.make(lab); err != nil {
				return err
			}
			_ = os.Symlink(d.boot, model) // or each name gets an inode of its own
		case errors.Is(err, fs.ErrExist):
			if d.confirms(name, id) {
				return nil
			}
			if err := os.Remove(path); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return linkAs(model, d.boot, path)
}

// confirms reports whether there is a witness that the namespace called name is
// the one with that identity.
func (d runDir) confirms(name string, id identity) bool {
	boot, err := os.Readlink(d.witnessPath(name, id))
	return err == nil && boot == d.boot
}

// confirmsAny reports whether there is a witness that one of the lab's namespaces,
// whatever its name, is the one with that identity.
func (d runDir) confirmsAny(lab string, id identity) bool {
	entries, err := os.ReadDir(d.witnesses(lab))
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		name, _, ok := strings.Cut(e.Name(), "@")
		return ok && e.Name() == filepath.Base(d.witnessPath(name, id)) && d.confirms(name, id)
	})
}

// unwitness removes what [runDir.witness] made. What is left of a namespace that
// somebody deleted by hand goes with the lab: no other gets its cookie.
func (d runDir) unwitness(name string, id identity) error {
	if err := os.Remove(d.witnessPath(name, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d runDir) witnessPath(name string, id identity) string {
	return filepath.Join(d.witnesses(labOf(name)), name+"@"+strconv.FormatUint(id.inode, 10)+"-"+strconv.FormatUint(id.cookie, 10))
}

// linkAs makes path a symlink to target, as one more name of model if that is one:
// a file system that has just removed many inodes looks for a new one at length.
// The error is [fs.ErrExist] if there is something, and [fs.ErrNotExist] if the
// directory or model is missing.
func linkAs(model, target, path string) error {
	err := unix.Link(model, path)
	switch {
	case err == nil:
		if got, err := os.Readlink(path); err == nil && got == target {
			return nil
		}
		if err := os.Remove(path); err != nil { // model is somebody else's
			return err
		}
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist):
		return &fs.PathError{Op: "link", Path: path, Err: err}
	}
	return os.Symlink(target, path) // not all file systems can do that
}
