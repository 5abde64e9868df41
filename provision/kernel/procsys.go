package kernel

import (
	"strings"

	"golang.org/x/sys/unix"
)

// procSys is a way to the parameters under /proc/sys/net, for one thread.
//
// The kernel keeps what was looked up there in one list for all namespaces, a
// name once for each of them, and walks through it at every look: with a
// thousand namespaces that takes longer than all the rest. A mount of its own,
// which nobody else sees, begins with an empty list.
type procSys struct {
	many bool // it is worth the trouble
	dir  int  // of the mount, or 0
	used int  // looks since it was made
}

// procSysLooks is after how many looks a new mount is cheaper than a longer
// list; procSysMany is with how many namespaces on the host it begins to be.
const (
	procSysLooks = 64
	procSysMany  = 200
)

// at returns a directory and where a path under /proc is in it.
func (p *procSys) at(path string) (dir int, name string) {
	if !p.many {
		return unix.AT_FDCWD, path
	}
	if p.used++; p.dir == 0 || p.used > procSysLooks {
		p.close()
		if p.dir, p.many = mountProc(); !p.many { // as in a user namespace
			return unix.AT_FDCWD, path
		}
	}
	return p.dir, strings.TrimPrefix(path, "/proc/")
}

func (p *procSys) close() {
	if p.dir != 0 {
		unix.Close(p.dir)
	}
	p.dir, p.used = 0, 0
}

func mountProc() (dir int, ok bool) {
	fs, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return 0, false
	}
	dir, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	return dir, err == nil
}

// read is readSysctl.
func (p *procSys) read(path string) (string, error) {
	dir, name := p.at(path)
	return readSysctlAt(dir, name)
}

// write is writeSysctl.
func (p *procSys) write(path, value string) error {
	dir, name := p.at(path)
	return writeSysctlAt(dir, name, value)
}
