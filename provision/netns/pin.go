package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Pins are an IPC and a UTS namespace that belong to a network namespace. They
// have no names; two files in a directory of ours, onto which they are mounted,
// hold them while no process does.
type Pins string // the directory and what its files begin with: <dir>/<name>

var pinned = []struct {
	kind string
	flag int
}{
	{"ipc", unix.CLONE_NEWIPC},
	{"uts", unix.CLONE_NEWUTS},
}

func (p Pins) path(kind string) string { return string(p) + "." + kind }

// Path returns the file of the IPC or the UTS namespace: kind is "ipc" or "uts".
func (p Pins) Path(kind string) string { return p.path(kind) }

// There reports whether both namespaces are there.
func (p Pins) There() bool {
	for _, ns := range pinned {
		if !isNSFile(p.path(ns.kind)) {
			return false
		}
	}
	return true
}

// Any reports whether anything of the pins is there, be it remains of a crash.
func (p Pins) Any() bool {
	for _, ns := range pinned {
		if _, err := os.Lstat(p.path(ns.kind)); err == nil {
			return true
		}
	}
	return false
}

// isNSFile reports whether a namespace is mounted on path. A link to one is
// none of ours.
func isNSFile(path string) bool {
	if fi, err := os.Lstat(path); err != nil || !fi.Mode().IsRegular() {
		return false
	}
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.NSFS_MAGIC
}

// Make runs fn in the network namespace called name and in the pinned ones,
// which are made where they are missing, under hostname.
func (p Pins) Make(name, hostname string, fn func() error) error {
	if err := os.MkdirAll(filepath.Dir(string(p)), 0o700); err != nil {
		return err
	}
	return Do(name, func() error {
		for _, ns := range pinned {
			if err := p.enterOrMake(ns.kind, ns.flag); err != nil {
				return err
			}
		}
		if err := unix.Sethostname([]byte(hostname)); err != nil {
			return fmt.Errorf("set hostname %s: %w", hostname, err)
		}
		return fn()
	})
}

func (p Pins) enterOrMake(kind string, flag int) error {
	path := p.path(kind)
	if isNSFile(path) {
		return enterFile(path, flag)
	}
	if err := unix.Unshare(flag); err != nil {
		return fmt.Errorf("make a namespace (%s): %w", kind, err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	if err := unix.Mount("/proc/thread-self/ns/"+kind, path, "none", unix.MS_BIND, ""); err != nil {
		return &fs.PathError{Op: "mount", Path: path, Err: err}
	}
	return nil
}

func enterFile(path string, flag int) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), flag); err != nil {
		return fmt.Errorf("enter namespace %s: %w", path, err)
	}
	return nil
}

// Enter runs fn in the network namespace called name and in the pinned ones.
// The error is [fs.ErrNotExist] if one of them is not there.
func (p Pins) Enter(name string, fn func() error) error {
	return Do(name, func() error {
		if err := p.enter(); err != nil {
			return err
		}
		return fn()
	})
}

// enter moves the calling thread, which must be one to throw away.
func (p Pins) enter() error {
	for _, ns := range pinned {
		if err := enterFile(p.path(ns.kind), ns.flag); err != nil {
			return err
		}
	}
	return nil
}

// Join runs fn in all namespaces of the process that pidfd stands for. What fn
// starts is one of that process's, also in its PID namespace.
func Join(pidfd int, fn func() error) error {
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS); err != nil { // threads that share a working directory share their mounts
			return fmt.Errorf("leave the other threads: %w", err)
		}
		const all = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
		if err := unix.Setns(pidfd, all); err != nil {
			return fmt.Errorf("enter the namespaces of a process: %w", err)
		}
		return fn()
	})
}

// Hostname returns the hostname in the pinned UTS namespace.
func (p Pins) Hostname() (string, error) {
	var name unix.Utsname
	err := onThread(func() error {
		if err := enterFile(p.path("uts"), unix.CLONE_NEWUTS); err != nil {
			return err
		}
		return unix.Uname(&name)
	})
	return unix.ByteSliceToString(name.Nodename[:]), err
}

// Remove lets go of the namespaces, which live on while a process is in them.
func (p Pins) Remove() error {
	for _, ns := range pinned {
		path := p.path(ns.kind)
		for {
			err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
			if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
				break // nothing is mounted there (any more)
			}
			if err != nil {
				return &fs.PathError{Op: "unmount", Path: path, Err: err}
			}
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
