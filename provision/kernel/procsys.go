package kernel

import (
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"netlab/provision"
)

// procSys is a way to the parameters under /proc/sys/net, for one thread.
//
// The kernel keeps what was looked up there in one list for all namespaces, a
// name once for each of them, and walks through it at every look: with a
// thousand namespaces that takes longer than all the rest. From the directory
// above, which all of them share, it does so without taking a lock at each step
// (Documentation/filesystems/path-lookup.rst). A mount of its own, which nobody
// else sees, begins with an empty list.
type procSys struct {
	many bool // a mount is worth the trouble
	dir  int  // net, or 0
	used int  // looks since it was opened

	// What files held that is known to be harmless, by their paths: a file that
	// still does need not be looked at closely.
	harmless map[string]string
	paths    map[parameter]string // see path
	buf      [4096]byte           // the kernel hands out a page at most
}

// procSysLooks is after how many looks a new mount is cheaper than a longer
// list; procSysMany is with how many namespaces on the host it begins to be.
const (
	procSysLooks = 32
	procSysMany  = 500
)

const procSysNet = "/proc/sys/net"

// parameter is what a parameter is called.
type parameter struct{ name, dev string }

// path is sysctlPath, which takes longer than to remember: namespaces have
// parameters of the same names.
func (p *procSys) path(s provision.Sysctl) (string, error) {
	of := parameter{s.Name, s.Dev}
	if path, ok := p.paths[of]; ok {
		return path, nil
	}
	path, err := sysctlPath(s)
	if err != nil {
		return "", err
	}
	if p.paths == nil || len(p.paths) > 1000 {
		p.paths = map[parameter]string{}
	}
	p.paths[of] = path
	return path, nil
}

// at returns a directory and where a path under /proc/sys/net is in it.
func (p *procSys) at(path string) (dir int, name string) {
	name, ok := strings.CutPrefix(path, procSysNet+"/")
	if !ok {
		return unix.AT_FDCWD, path
	}
	if p.used++; p.many && p.used > procSysLooks {
		p.close()
	}
	if p.dir == 0 && !p.open() {
		return unix.AT_FDCWD, path
	}
	return p.dir, name
}

func (p *procSys) open() bool {
	above, name := unix.AT_FDCWD, procSysNet
	if p.many {
		if mount, ok := mountProc(); ok {
			defer unix.Close(mount)
			above, name = mount, strings.TrimPrefix(procSysNet, "/proc/")
		} else { // as in a user namespace
			p.many = false
		}
	}
	dir, err := unix.Openat(above, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	p.dir = dir
	return true
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
	raw, err := p.raw(path)
	return string(fields(raw)), err
}

// raw reads the file of a parameter. What it returns is good until the next call.
func (p *parameters) raw(path string) ([]byte, error) {
	rest, ok := strings.CutPrefix(path, conf4)
	if !ok {
		dir, name := p.proc.at(path)
		return readSysctlInto(p.proc.buf[:], dir, name)
	}
	if p.ipv4 == 0 {
		dir, name := p.proc.at(strings.TrimSuffix(conf4, "/"))
		fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: conf4, Err: err}
		}
		p.ipv4 = fd
	}
	return readSysctlInto(p.proc.buf[:], p.ipv4, rest)
}

// suspicious reads what a watched file holds, unless it is harmless.
func (p *parameters) suspicious(f watchedFile) (value string, ok bool, err error) {
	if v, told := p.told.value(p.conn, f.name); told {
		return v, f.suspicious(v), nil
	}
	raw, err := p.raw(f.path)
	if err != nil {
		return "", false, err
	}
	if known, ok := p.proc.harmless[f.path]; ok && known == string(raw) {
		return "", false, nil
	}
	value = string(fields(raw))
	if f.suspicious(value) {
		return value, true, nil
	}
	if p.proc.harmless == nil {
		p.proc.harmless = map[string]string{}
	}
	p.proc.harmless[f.path] = string(raw)
	return value, false, nil
}

func (p *parameters) close() {
	if p.ipv4 != 0 {
		unix.Close(p.ipv4)
	}
	p.ipv4 = 0
}
