package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// EtcDir holds a directory for each namespace that has files of its own in
// place of those in /etc.
const EtcDir = "/etc/netns"

// Start starts cmd in the namespace called name. Everything else about cmd is
// as with [exec.Cmd.Start].
func Start(name string, cmd *exec.Cmd) error {
	return Do(name, cmd.Start) // fork copies the thread's namespaces
}

// Exec becomes the command argv in the namespace called name: the same process,
// so that signals, terminal and exit code need no help. Like ip netns exec it
// gives the command a mount namespace of its own in which /sys shows the devices
// of the namespace and the files of /etc/netns/<name> stand in for those of
// /etc. argv[0] is looked up in PATH; dir is the working directory, "" for the
// present one. Exec returns only if it did not work.
func Exec(name string, argv, env []string, dir string) error {
	return Pins("").Exec(name, argv, env, dir)
}

// Exec is the package's [Exec], but the command is in the pinned namespaces,
// too, if they are there.
func (p Pins) Exec(name string, argv, env []string, dir string) error {
	if len(argv) == 0 {
		return errors.New("no command to run")
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return Do(name, func() error {
		if p != "" && p.There() {
			if err := p.enter(); err != nil {
				return err
			}
		}
		if err := privateMounts(name); err != nil {
			return err
		}
		if dir != "" {
			if err := unix.Chdir(dir); err != nil {
				return &fs.PathError{Op: "chdir", Path: dir, Err: err}
			}
		}
		return &fs.PathError{Op: "exec", Path: path, Err: syscall.Exec(path, argv, env)}
	})
}

// privateMounts gives the calling thread, which must be in the namespace called
// name, mounts of its own.
func privateMounts(name string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	return Mounts(name)
}

// Mounts turns a mount namespace, which must be the calling thread's own and
// the thread in the network namespace called name, into one where /sys shows
// the devices of the namespace and the files of /etc/netns/<name> stand in for
// those of /etc.
func Mounts(name string) error {
	// Mounts of the host go on appearing here, but none of ours there.
	if err := unix.Mount("", "/", "none", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return &fs.PathError{Op: "make slave", Path: "/", Err: err}
	}
	mountSys(name)
	return bindEtc(name)
}

// mountSys shows the namespace's devices in /sys/class/net. A container or a
// user namespace may forbid it; then /sys shows the host's, and no more is lost.
func mountSys(name string) {
	var flags uintptr
	var st unix.Statfs_t
	if unix.Statfs("/sys", &st) == nil && st.Flags&unix.ST_RDONLY != 0 {
		flags = unix.MS_RDONLY // a read-only /sys must not be covered by a writable one
	}
	_ = unix.Mount(name, "/sys", "sysfs", flags, "")
}

// bindEtc mounts the files of /etc/netns/<name> over those of /etc. A file that
// /etc does not have has nothing to be mounted on and is left out.
func bindEtc(name string) error {
	from := filepath.Join(EtcDir, name)
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		target := filepath.Join("/etc", e.Name())
		err := unix.Mount(filepath.Join(from, e.Name()), target, "none", unix.MS_BIND, "")
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return &fs.PathError{Op: "mount", Path: target, Err: err}
		}
	}
	return nil
}
