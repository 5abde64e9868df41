package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is where named network namespaces are, by agreement with iproute2.
const Dir = "/run/netns"

// ErrNoNamespace says that the file of a name is no network namespace: an
// ip netns add or a netlab up was killed half-way, or somebody put it there.
var ErrNoNamespace = errors.New("is no network namespace")

// Path returns the file that stands for the namespace called name. A name that
// would lead out of Dir is an error.
func Path(name string) (string, error) {
	switch {
	case name == "", name == ".", name == "..", len(name) > unix.NAME_MAX,
		strings.ContainsAny(name, "/\x00"):
		return "", fmt.Errorf("%q is no name of a namespace", name)
	}
	return filepath.Join(Dir, name), nil
}

// Open returns the namespace called name as an open file, which keeps it alive
// until it is closed. The error is [fs.ErrNotExist] if there is no such name
// and [ErrNoNamespace] if something else has it.
func Open(name string) (*os.File, error) {
	fd, err := OpenFD(name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(Dir, name)), nil
}

// IsNamespace reports whether name stands for a namespace of any type. It is
// cheaper than [Open], and false also if there is no such name.
func IsNamespace(name string) bool {
	path, err := Path(name)
	if err != nil {
		return false
	}
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.NSFS_MAGIC
}

// IsRemains reports whether name is what is left when a process dies between
// making the file and mounting the namespace on it: an empty regular file.
func IsRemains(name string) bool {
	path, err := Path(name)
	if err != nil {
		return false
	}
	fi, err := os.Lstat(path)
	return err == nil && fi.Mode().IsRegular() && fi.Size() == 0 && !IsNamespace(name)
}

// List returns the names that begin with prefix, sorted, whatever they stand
// for.
func List(prefix string) ([]string, error) {
	entries, err := os.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// bind gives the calling thread's network namespace the name that path stands
// for. The name must be free.
func bind(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	unix.Close(fd)
	if err := unix.Mount("/proc/thread-self/ns/net", path, "none", unix.MS_BIND, ""); err != nil {
		return errors.Join(&fs.PathError{Op: "mount", Path: path, Err: err}, os.Remove(path))
	}
	return nil
}

// Delete takes the name away from whatever it stands for. The namespace itself
// goes when nothing holds it any more. A name that is not there is no error.
func Delete(name string) error {
	path, err := Path(name)
	if err != nil {
		return err
	}
	for {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return &fs.PathError{Op: "unmount", Path: path, Err: err}
		}
		unmounted := err == nil // else nothing is mounted there (any more)
		err = unix.Unlink(path)
		switch {
		case err == nil, errors.Is(err, unix.ENOENT):
			return nil
		case unmounted && errors.Is(err, unix.EBUSY): // something else was mounted there, too
		default:
			return os.Remove(path)
		}
	}
}
