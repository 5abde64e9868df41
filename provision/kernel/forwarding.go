package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/netns"
	"netlab/provision/runfile"
)

// The host forwards while a lab with an uplink needs it. Who does is written
// down in a directory of its own:
//
//	.forwarding/<lab>   one for each lab that needs it
//	.forwarding/.was    if it was off: what it was, as lines PARAMETER VALUE
//
// Turning forwarding on or off sets more than one parameter: that of every
// interface, and whether redirects are accepted (net/ipv4/devinet.c,
// inet_forward_change).
func (d runDir) forwarding() string { return filepath.Join(d.path, ".forwarding") }

func (d runDir) forwardingWas() string { return filepath.Join(d.forwarding(), ".was") }

const confDir = "/proc/sys/net/ipv4/conf"

const ipForwardPath = "/proc/sys/net/ipv4/ip_forward"

// forwarding returns the lab's share in the host's ip_forward, if it has one.
func (h *Host) forwarding(lab string) (f provision.HostForwarding, held bool, err error) {
	if _, err := os.Lstat(filepath.Join(h.dir.forwarding(), lab)); err != nil {
		return f, false, ignoreMissing(err)
	}
	f.Lab = lab
	err = h.within(hostNS, func() (err error) {
		f.Value, err = readSysctl(ipForwardPath)
		return err
	})
	return f, err == nil, err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (h *Host) doForwarding(op provision.Op, f provision.HostForwarding) error {
	if err := checkLab(f.Lab); err != nil {
		return err
	}
	unlock, err := netns.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	return h.within(hostNS, func() error {
		if op == provision.Delete {
			return h.dir.stopForwarding(f.Lab)
		}
		return h.dir.startForwarding(f.Lab)
	})
}

// startForwarding makes the host forward for lab. The calling thread is on the
// host and has the lock.
func (d runDir) startForwarding(lab string) error {
	if err := d.touchHost(lab); err != nil {
		return err
	}
	if err := runfile.MakeDir(d.path, d.forwarding()); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(d.forwarding(), lab), os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if v, err := readSysctl(ipForwardPath); err != nil || v != "0" {
		return err
	}
	if _, err := os.Lstat(d.forwardingWas()); errors.Is(err, fs.ErrNotExist) {
		if err := d.rememberForwarding(); err != nil {
			return err
		}
	}
	return writeSysctl(ipForwardPath, "1")
}

// rememberForwarding writes down what turning forwarding on is about to change.
func (d runDir) rememberForwarding() error {
	interfaces, err := os.ReadDir(confDir)
	if err != nil {
		return err
	}
	names := []string{"all/accept_redirects"}
	for _, i := range interfaces {
		if i.Name() != "all" {
			names = append(names, i.Name()+"/forwarding")
		}
	}
	var b strings.Builder
	for _, name := range names {
		v, err := readSysctl(filepath.Join(confDir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the interface is gone
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %s\n", name, v)
	}
	return runfile.Write(d.forwardingWas(), []byte(b.String()))
}

// stopForwarding gives up what lab holds. With the last of it everything is
// brought back that was before, the tables of iptables included. The calling thread is on the host and has the lock.
func (d runDir) stopForwarding(lab string) error {
	entries, err := os.ReadDir(d.forwarding())
	if err != nil {
		return ignoreMissing(err)
	}
	others := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name()[0] != '.' && e.Name() != lab })
	if !others {
		if err := errors.Join(d.restoreForwarding(), d.dropMadeTables()); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(d.forwarding(), lab)); ignoreMissing(err) != nil {
		return err
	}
	return removeEmpty(d.forwarding())
}

// restoreForwarding brings back what netlab has changed, if it was netlab.
func (d runDir) restoreForwarding() error {
	was, err := runfile.Read(d.forwardingWas())
	if err != nil {
		return ignoreMissing(err)
	}
	if err := writeSysctl(ipForwardPath, "0"); err != nil {
		return err
	}
	for line := range strings.Lines(string(was)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		path := filepath.Join(confDir, name)
		if now, err := readSysctl(path); err != nil || now == value {
			if ignoreMissing(err) != nil {
				return err
			}
			continue
		}
		if err := writeSysctl(path, value); ignoreMissing(err) != nil {
			return err
		}
	}
	return os.Remove(d.forwardingWas())
}
