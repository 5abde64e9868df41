package netns

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Lock keeps other processes that use it from changing the directory until
// unlock is called. It leaves nothing behind.
func Lock() (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(Dir))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		dir.Close()
		return nil, &fs.PathError{Op: "lock", Path: dir.Name(), Err: err}
	}
	return func() { dir.Close() }, nil
}

// Missing says what [Prepare] would make now: the directory Dir itself and the
// mount on it.
func Missing() (dir, mount bool, err error) {
	mounted, err := mountinfo.Mounted(Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, true, nil
	}
	return false, !mounted, err
}

// Prepare makes Dir and turns it into a shared mount, exactly as ip netns add
// does on its first call: names made or deleted later reach the mount namespaces
// of commands that already run. It changes nothing where that was done before.
func Prepare() error {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return err
	}
	lock, err := os.Open(Dir)
	if err != nil {
		return err
	}
	defer lock.Close() // and with it the lock
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return &fs.PathError{Op: "lock", Path: Dir, Err: err}
	}
	err = unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if errors.Is(err, unix.EINVAL) { // no mount point yet
		if err := unix.Mount(Dir, Dir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return &fs.PathError{Op: "mount", Path: Dir, Err: err}
		}
		err = unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	}
	if err != nil {
		return &fs.PathError{Op: "make shared", Path: Dir, Err: err}
	}
	return nil
}

// Dismantle undoes what a [Prepare] made, given what was [Missing] before it.
// It does so only if no name is left; gone says whether it did.
func Dismantle(dir, mount bool) (gone bool, err error) {
	names, err := List("")
	if err != nil || len(names) > 0 {
		return false, err
	}
	if mount {
		// Not detached: the kernel refuses if a name appeared meanwhile.
		err := unix.Unmount(Dir, unix.UMOUNT_NOFOLLOW)
		switch {
		case errors.Is(err, unix.EBUSY):
			return false, nil // somebody stands in it
		case err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT):
			return false, &fs.PathError{Op: "unmount", Path: Dir, Err: err}
		}
	}
	if dir {
		err := os.Remove(Dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EBUSY) {
			return false, err
		}
	}
	return true, nil
}
