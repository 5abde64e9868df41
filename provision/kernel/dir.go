package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"netlab/provision/netns"
)

// runDir is the directory in which netlab keeps what it must know about labs
// that are up, one directory a lab:
//
//	<lab>/lock       held by whoever changes the lab
//	<lab>/lab.yaml   the file that was applied last
//	<lab>/etc/       what /etc/netns/<namespace> leads to: hosts, resolv.conf
//	<lab>/witness/   a symlink a namespace, <namespace> -> <inode>-<cookie>-<boot>
//	.made            which directories of the host netlab made, to be removed again
type runDir string

func (d runDir) lab(lab string) string { return filepath.Join(string(d), lab) }

// etc returns the directory of the lab's names.
func (d runDir) etc(lab string) string { return filepath.Join(d.lab(lab), "etc") }

// make creates the directory of a lab.
func (d runDir) make(lab string) error {
	if err := checkLab(lab); err != nil {
		return err
	}
	return os.MkdirAll(d.lab(lab), 0o700)
}

// checkLab refuses names that would lead elsewhere.
func checkLab(lab string) error {
	if lab == "" || lab[0] == '.' || strings.ContainsAny(lab, "/\x00") {
		return fmt.Errorf("%q is no name of a lab", lab)
	}
	return nil
}

// identity tells a namespace from every other one, also from a later one that
// got the same inode.
type identity struct{ inode, cookie uint64 }

// String includes the boot, which all of it is only true for.
func (id identity) String() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		boot = []byte("unknown")
	}
	return strconv.FormatUint(id.inode, 10) + "-" + strconv.FormatUint(id.cookie, 10) + "-" + strings.TrimSpace(string(boot))
}

// witness writes down that netlab made the namespace called name. It is a
// symlink because that is there as a whole or not at all.
func (d runDir) witness(name string, id identity) error {
	if id == (identity{}) {
		return nil
	}
	path := d.witnessPath(name)
	for range 2 {
		err := os.Symlink(id.String(), path)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, fs.ErrNotExist):
			if err := d.make(labOf(name)); err != nil {
				return err
			}
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		case errors.Is(err, fs.ErrExist):
			if d.witnesses(name, id) {
				return nil
			}
			if err := os.Remove(path); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return os.Symlink(id.String(), path)
}

func (d runDir) witnesses(name string, id identity) bool {
	target, err := os.Readlink(d.witnessPath(name))
	return err == nil && target == id.String()
}

func (d runDir) unwitness(name string) error {
	if err := os.Remove(d.witnessPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d runDir) witnessPath(name string) string {
	return filepath.Join(d.lab(labOf(name)), "witness", name)
}

// labs lists the labs that have a directory.
func (d runDir) labs() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var labs []string
	for _, e := range entries {
		if e.IsDir() && checkLab(e.Name()) == nil {
			labs = append(labs, e.Name())
		}
	}
	return labs, nil
}

// SaveLab keeps a copy of the file that a lab was made from.
func (h *Host) SaveLab(lab string, file []byte) error {
	if err := h.dir.make(lab); err != nil {
		return err
	}
	path := filepath.Join(h.dir.lab(lab), "lab.yaml")
	if err := os.WriteFile(path+".new", file, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// LoadLab returns the file that a lab was made from. The error is
// [fs.ErrNotExist] if there is none.
func (h *Host) LoadLab(lab string) ([]byte, error) {
	if err := checkLab(lab); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(h.dir.lab(lab), "lab.yaml"))
}

// RunDir returns the directory of a lab's runtime files, which may not exist.
func (h *Host) RunDir(lab string) string { return h.dir.lab(lab) }

// Labs lists, sorted, the labs that have a namespace or a runtime directory.
func (h *Host) Labs() ([]string, error) {
	labs, err := h.dir.labs()
	if err != nil {
		return nil, err
	}
	names, err := netns.List("")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		lab := labOf(name)
		if lab == name || checkLab(lab) != nil || slices.Contains(labs, lab) {
			continue
		}
		ours, err := h.isOurs(name)
		if err != nil && !isGone(err) {
			return nil, err
		}
		if ours {
			labs = append(labs, lab)
		}
	}
	slices.Sort(labs)
	return labs, nil
}

// The directories of the host that [Host] may have to make.
const (
	madeNames = "names"       // netns.Dir
	madeMount = "names-mount" // the mount on it
	madeEtc   = "etc"         // netns.EtcDir
)

// prepare makes the directories that the namespaces of a lab need, and
// remembers which of them were not there, before they are made. From then on the
// lab's own directory keeps other processes from removing them.
func (h *Host) prepare(lab string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.prepared[lab] {
		return nil
	}
	unlock, err := netns.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := h.dir.make(lab); err != nil {
		return err
	}
	dir, mount, err := netns.Missing()
	if err != nil {
		return err
	}
	_, err = os.Lstat(netns.EtcDir)
	etc := errors.Is(err, fs.ErrNotExist)
	if err := h.dir.remember(map[string]bool{madeNames: dir, madeMount: mount, madeEtc: etc}); err != nil {
		return err
	}
	if err := netns.Prepare(); err != nil {
		return err
	}
	if err := os.MkdirAll(netns.EtcDir, 0o755); err != nil {
		return err
	}
	h.prepared[lab] = true
	return nil
}

func (h *Host) unprepared(lab string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.prepared, lab)
}

// remember writes down what of the host netlab is about to make.
func (d runDir) remember(made map[string]bool) error {
	dir := filepath.Join(string(d), ".made")
	for what, really := range made {
		if !really {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, what), nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (d runDir) made(what string) bool {
	_, err := os.Lstat(filepath.Join(string(d), ".made", what))
	return err == nil
}

// RemoveRunDir removes the runtime directory of a lab that is down, and with
// the last lab everything that netlab made on the host. What others have put
// there meanwhile stays, and what it is in.
func (h *Host) RemoveRunDir(lab string) error {
	if err := checkLab(lab); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	unlock, err := netns.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	delete(h.prepared, lab)
	if err := unlinkAllNames(lab, h.dir.etc(lab)); err != nil {
		return err
	}
	if err := os.RemoveAll(h.dir.lab(lab)); err != nil {
		return err
	}
	left, err := h.dir.labs()
	if err != nil || len(left) > 0 {
		return err
	}
	if _, err := netns.Dismantle(h.dir.made(madeNames), h.dir.made(madeMount)); err != nil {
		return err
	}
	if h.dir.made(madeEtc) {
		if err := removeEmpty(netns.EtcDir); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(string(h.dir), ".made")); err != nil {
		return err
	}
	return removeEmpty(string(h.dir))
}

// removeEmpty removes a directory unless there is something in it.
func removeEmpty(dir string) error {
	err := os.Remove(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return err
}
