package runtime

import (
	"io/fs"

	"golang.org/x/sys/unix"

	"netlab/provision/netns"
)

// setUpMounts shows the container its own processes in /proc, its own devices
// in /sys and the names of its lab in /etc. Everything else is the host's.
func setUpMounts(ns string) error {
	if err := netns.Mounts(ns); err != nil {
		return err
	}
	// Other namespaces are none of its business, and each name that is mounted
	// here makes every change of names slower. Without them the files that they
	// were mounted on would appear, at which ip complains.
	if err := unix.Unmount(netns.Dir, unix.MNT_DETACH); err == nil {
		_ = unix.Mount("tmpfs", netns.Dir, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=0,mode=755")
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return &fs.PathError{Op: "mount", Path: "/proc", Err: err}
	}
	return nil
}
