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

	"netlab/provision/netns"
	"netlab/provision/runfile"
	"netlab/provision/runtime"
)

// runDir is the directory in which netlab keeps what it must know about labs
// that are up, one directory a lab:
//
//	<lab>/lock       held by whoever changes the lab
//	<lab>/lab.yaml   the file that was applied last
//	<lab>/dns.json   the names that the lab's DNS server knows
//	<lab>/etc/       what /etc/netns/<namespace> leads to: hosts, resolv.conf
//	<lab>/etc.<ns>/  the same for pods of another Kubernetes namespace than default
//	<lab>/witness/   a symlink a namespace, <namespace>@<inode>-<cookie> -> <boot>
//	<lab>/host       there if the lab has an uplink
//	.forwarding/     which labs need the host to forward
//	.made            which directories of the host netlab made, to be removed again
type runDir struct {
	path string
	boot string // what the present boot of the host is known by
}

func newRunDir(path string) (runDir, error) {
	if err := runfile.Check(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return runDir{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return runDir{path, strings.TrimSpace(string(boot))}, err
}

func (d runDir) lab(lab string) string { return filepath.Join(d.path, lab) }

// etc returns the directory of the lab's names.
func (d runDir) etc(lab string) string { return filepath.Join(d.lab(lab), "etc") }

// etcOf returns the directory of the names that the network namespace called ns
// has. In the name of a pod's namespace there may be a Kubernetes namespace.
func (d runDir) etcOf(ns string) string {
	lab, rest, _ := strings.Cut(ns, ".")
	if kube, _, pod := strings.Cut(rest, "."); pod {
		return d.etc(lab) + "." + kube
	}
	return d.etc(lab)
}

// make creates the directories of a lab.
func (d runDir) make(lab string) error {
	if err := checkLab(lab); err != nil {
		return err
	}
	return errors.Join(runfile.MakeDir(d.path, d.etc(lab)), runfile.MakeDir(d.path, d.witnesses(lab)))
}

// checkLab refuses names that would lead elsewhere.
func checkLab(lab string) error {
	if lab == "" || lab[0] == '.' || strings.ContainsAny(lab, "/\x00") {
		return fmt.Errorf("%q is no name of a lab", lab)
	}
	return nil
}

// labs lists the labs that have a directory.
func (d runDir) labs() ([]string, error) {
	entries, err := os.ReadDir(d.path)
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

// LabsIn lists the labs that have a directory in the runtime directory
// path. It needs no privileges.
func LabsIn(path string) ([]string, error) { return runDir{path: path}.labs() }

// SaveLab keeps a copy of the file that a lab was made from.
func (h *Host) SaveLab(lab string, file []byte) error {
	if err := h.dir.make(lab); err != nil {
		return err
	}
	return runfile.Write(filepath.Join(h.dir.lab(lab), "lab.yaml"), file)
}

// LoadLab returns the file that a lab was made from. The error is
// [fs.ErrNotExist] if there is none.
func (h *Host) LoadLab(lab string) ([]byte, error) {
	if err := checkLab(lab); err != nil {
		return nil, err
	}
	return runfile.Read(filepath.Join(h.dir.lab(lab), "lab.yaml"))
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

// DanglingNames lists the links in /etc/netns that lead into the runtime
// directory of a lab of which nothing is left.
func (h *Host) DanglingNames() ([]string, error) {
	entries, err := os.ReadDir(netns.EtcDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		lab := labOf(e.Name())
		if lab == e.Name() || !namesLinked(e.Name(), h.dir.etc(lab)) {
			continue
		}
		if _, err := os.Lstat(h.dir.lab(lab)); errors.Is(err, fs.ErrNotExist) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// RemoveDanglingName removes a link that [Host.DanglingNames] returned.
func (h *Host) RemoveDanglingName(name string) error {
	return unlinkNames(name, h.dir.etc(labOf(name)))
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
	if err := runfile.CheckShared(netns.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := netns.Prepare(); err != nil {
		return err
	}
	if err := os.MkdirAll(netns.EtcDir, 0o755); err != nil {
		return err
	}
	if err := runfile.CheckShared(netns.EtcDir); err != nil {
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
	dir := filepath.Join(d.path, ".made")
	for what, really := range made {
		if !really {
			continue
		}
		if err := runfile.MakeDir(d.path, dir); err != nil {
			return err
		}
		if err := runfile.Write(filepath.Join(dir, what), nil); err != nil {
			return err
		}
	}
	return nil
}

// forget takes back what [runDir.remember] has written down.
func (d runDir) forget(what string) error {
	dir := filepath.Join(d.path, ".made")
	if err := os.Remove(filepath.Join(dir, what)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return removeEmpty(dir)
}

func (d runDir) made(what string) bool {
	_, err := os.Lstat(filepath.Join(d.path, ".made", what))
	return err == nil
}

// RemoveRunDir removes the runtime directory of a lab that is down, and with
// the last lab everything that netlab made on the host. What others have put
// there meanwhile stays, and what it is in.
func (h *Host) RemoveRunDir(lab string) error {
	if err := checkLab(lab); err != nil {
		return err
	}
	runtime.RemoveGroups(lab)
	h.mu.Lock()
	defer h.mu.Unlock()
	unlock, err := netns.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	delete(h.prepared, lab)
	if err := unlinkAllNames(lab, h.dir.etcOf); err != nil {
		return err
	}
	// Whoever waits for the lab's lock may be making the directory again.
	if err := os.RemoveAll(h.dir.lab(lab)); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
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
	if err := h.within(hostNS, h.dir.dropMadeTables); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(h.dir.path, ".made")); err != nil {
		return err
	}
	return removeEmpty(h.dir.path)
}

// removeEmpty removes a directory unless there is something in it.
func removeEmpty(dir string) error {
	err := os.Remove(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return err
}
