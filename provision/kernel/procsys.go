package kernel

import (
	"io/fs"
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
	procSysLooks = 32
	procSysMany  = 500
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

// write is writeSysctl.
func (p *procSys) write(path, value string) error {
	dir, name := p.at(path)
	return writeSysctlAt(dir, name, value)
}

// parameters are those of one namespace. The thread that uses them is in there,
// and so is conn. Close them before it goes elsewhere.
type parameters struct {
	conn *conn
	told netconf
	proc *procSys
	ipv4 int // the directory in which most of them are, or 0
}

// conf4 is the directory that is looked up once for all that is in it: only the
// names up to there stand in the kernel's list for all namespaces.
const conf4 = "/proc/sys/net/ipv4/"

// value returns what a parameter is that has a name and a file. The error is
// [fs.ErrNotExist] if this kernel has no such parameter.
func (p *parameters) value(name, path string) (string, error) {
	if v, ok := p.told.value(p.conn, name); ok {
		return v, nil
	}
	rest, ok := strings.CutPrefix(path, conf4)
	if !ok {
		dir, name := p.proc.at(path)
		return readSysctlAt(dir, name)
	}
	if p.ipv4 == 0 {
		dir, name := p.proc.at(conf4)
		fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return "", &fs.PathError{Op: "open", Path: conf4, Err: err}
		}
		p.ipv4 = fd
	}
	return readSysctlAt(p.ipv4, rest)
}

func (p *parameters) close() {
	if p.ipv4 != 0 {
		unix.Close(p.ipv4)
	}
	p.ipv4 = 0
}
