package netns

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// hostEntries is the directory, in each one that a world has a copy of, where
// the host's own is.
const hostEntries = ".host"

// worldMounts gives the calling thread's mount namespace, which must be its
// own, a /run and an /etc in which names can be made. What the host has there
// goes on being seen, but for the names of its own namespaces.
func worldMounts() error {
	if err := unix.Mount("", "/", "none", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return &fs.PathError{Op: "make slave", Path: "/", Err: err}
	}
	for _, dir := range []struct {
		path string
		not  []string
	}{
		{filepath.Dir(Dir), []string{filepath.Base(Dir), "netlab", "xtables.lock"}},
		{filepath.Dir(EtcDir), []string{filepath.Base(EtcDir)}},
	} {
		if err := copyUp(dir.path, dir.not); err != nil {
			return err
		}
	}
	return nil
}

// copyUp puts a directory in memory over dir, with a link for each entry that
// was there and is not one of not.
func copyUp(dir string, not []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	// A copy of what is there, before it is covered.
	was, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return &fs.PathError{Op: "open tree", Path: dir, Err: err}
	}
	defer unix.Close(was)
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return &fs.PathError{Op: "mount", Path: dir, Err: err}
	}
	host := filepath.Join(dir, hostEntries)
	if err := os.Mkdir(host, 0o755); err != nil {
		return err
	}
	if err := unix.MoveMount(was, "", unix.AT_FDCWD, host, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &fs.PathError{Op: "mount", Path: host, Err: err}
	}
	for _, e := range entries {
		if slices.Contains(not, e.Name()) {
			continue
		}
		path, target := filepath.Join(dir, e.Name()), filepath.Join(hostEntries, e.Name())
		if e.Type()&fs.ModeSymlink != 0 { // what it leads to stays what it was
			if target, err = os.Readlink(filepath.Join(host, e.Name())); err != nil {
				return err
			}
		}
		if err := os.Symlink(target, path); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
