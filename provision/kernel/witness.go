package kernel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

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

// testimony is what a witness says of a namespace.
func (d runDir) testimony(id identity) string {
	return strconv.FormatUint(id.inode, 10) + "-" + strconv.FormatUint(id.cookie, 10) + "-" + d.boot
}

// witness writes down that netlab made the namespace called name. It is a
// symlink because that is there as a whole or not at all.
func (d runDir) witness(name string, id identity) error {
	if id == (identity{}) {
		return nil
	}
	path := d.witnessPath(name)
	for range 2 {
		err := os.Symlink(d.testimony(id), path)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, fs.ErrNotExist):
			if err := d.make(labOf(name)); err != nil {
				return err
			}
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
	return os.Symlink(d.testimony(id), path)
}

// confirms reports whether there is a witness that the namespace called name is
// the one with that identity.
func (d runDir) confirms(name string, id identity) bool {
	target, err := os.Readlink(d.witnessPath(name))
	return err == nil && target == d.testimony(id)
}

func (d runDir) unwitness(name string) error {
	if err := os.Remove(d.witnessPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d runDir) witnessPath(name string) string {
	return filepath.Join(d.witnesses(labOf(name)), name)
}
