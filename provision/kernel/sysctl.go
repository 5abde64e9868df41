package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/netns"
)

// sysctlPath returns the file of a parameter. Which namespace it belongs to is
// decided by the thread that opens it. The name of an interface may have dots.
func sysctlPath(s provision.Sysctl) (string, error) {
	name := s.Name
	if s.Dev != "" {
		name = strings.Replace(name, "."+s.Dev+".", ".\x00.", 1)
	}
	parts := strings.Split(name, ".")
	for i, p := range parts {
		if p == "\x00" {
			p = s.Dev
			parts[i] = p
		}
		if p == "" || p == "." || p == ".." || strings.ContainsAny(p, "/\x00") {
			return "", fmt.Errorf("%q is no name of a sysctl", s.Name)
		}
	}
	if parts[0] != "net" || len(parts) < 2 {
		return "", fmt.Errorf("%q does not belong to a network namespace: only net. does", s.Name)
	}
	return "/proc/sys/" + strings.Join(parts, "/"), nil
}

// readSysctl reads a parameter in the namespace of the calling thread. Several
// numbers come with one space between them.
func readSysctl(path string) (string, error) {
	var buf [4096]byte
	raw, err := readSysctlInto(buf[:], unix.AT_FDCWD, path)
	return string(fields(raw)), err
}

// readSysctlInto reads one below a directory, as it is.
func readSysctlInto(buf []byte, dir int, path string) ([]byte, error) {
	fd, err := rawOpen(dir, path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer rawClose(fd)
	n, err := rawRead(fd, buf)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return buf[:n], nil
}

// fields returns the words of raw with one space between them.
func fields(raw []byte) []byte {
	raw = bytes.TrimSpace(raw)
	if !bytes.ContainsAny(raw, " \t\n") {
		return raw
	}
	return bytes.Join(bytes.Fields(raw), []byte(" "))
}

// writeSysctl writes a parameter in the namespace of the calling thread.
//
// It and readSysctl do without [os.File], whose dealings with the poller cost
// more than the kernel's work.
func writeSysctl(path, value string) error { return writeSysctlAt(unix.AT_FDCWD, path, value) }

func writeSysctlAt(dir int, path, value string) error {
	fd, err := unix.Openat(dir, path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return fmt.Errorf("write %q to %s: %w", value, path, err)
	}
	return nil
}

func (h *Host) doSysctl(op provision.Op, s provision.Sysctl) error {
	path, err := sysctlPath(s)
	if err != nil {
		return err
	}
	value := settable(s)
	if op == provision.Delete {
		if value, err = h.unset(s); err != nil {
			return err
		}
	}
	write := func() error { return writeSysctl(path, value) }
	err = h.pool.Do(s.NS, write)
	if op != provision.Delete && lacksBridgeNetfilter(path, err) {
		if err := h.loadBridgeNetfilter(); err != nil {
			return err
		}
		err = h.pool.Do(s.NS, write)
	}
	if op == provision.Delete && s.Name == groupRange && errors.Is(err, unix.EINVAL) {
		return nil // a user namespace without the groups that stand for nobody: there is no way back
	}
	return err
}

// freshSysctls knows the values that a namespace begins with. They depend on
// the kernel and on the host's settings, so that one is made to look.
type freshSysctls struct {
	mu     sync.Mutex
	values map[string]string
}

// value returns what s is before anybody sets it. What belongs to an interface
// is what new interfaces get; only the host has a default for neighbours, so
// that lo stands for new ones.
func (f *freshSysctls) value(s provision.Sysctl) (string, error) {
	if s.Dev != "" {
		model := ".default."
		if strings.Contains(s.Name, ".neigh.") {
			model = ".lo."
		}
		s.Name = strings.Replace(s.Name, "."+s.Dev+".", model, 1)
		s.Dev = ""
	}
	path, err := sysctlPath(s)
	if err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if v, ok := f.values[path]; ok {
		return v, nil
	}
	var v string
	if err := netns.Fresh(func() (err error) {
		v, err = readSysctl(path)
		return err
	}); err != nil {
		return "", err
	}
	if f.values == nil {
		f.values = map[string]string{}
	}
	f.values[path] = v
	return v, nil
}

// readSysctls adds to v the parameters that the lab has or had, and those that
// people have changed.
func (h *Host) readSysctls(p *parameters, v *view, w wish) error {
	defer p.close()
	list, err := sysctls(p, w.sysctls[v.name])
	if err != nil {
		return err
	}
	if w.has(provision.Namespace{Name: v.name}.Key()) {
		changed, err := h.watch(p, v, w, list)
		if err != nil {
			return err
		}
		list = append(list, changed...)
	}
	for _, s := range list {
		v.objects = append(v.objects, s)
	}
	return nil
}

// sysctls reads those of wanted, all of the namespace of p, that exist.
func sysctls(p *parameters, wanted []provision.Sysctl) ([]provision.Sysctl, error) {
	found := make([]provision.Sysctl, 0, len(wanted))
	for _, s := range wanted {
		path, err := p.proc.path(s)
		if err != nil {
			return nil, err
		}
		v, err := p.value(s.Name, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if v != s.Value && v != settable(s) { // to find out what is settable takes longer than all the rest
			s.Value = v
		}
		found = append(found, s)
	}
	return found, nil
}

// hasIPv6 reports whether the kernel speaks IPv6 at all.
var hasIPv6 = sync.OnceValue(func() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
})
