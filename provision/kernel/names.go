package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/netns"
	"netlab/provision/runfile"
)

// linkNames makes /etc/netns/<ns> lead to etc, where the lab's hosts file is.
// It never follows nor replaces what is there and not ours. All that lead there
// are names of one symlink.
func (h *Host) linkNames(ns, etc string) error {
	path := filepath.Join(netns.EtcDir, ns)
	h.mu.Lock()
	model := h.etcLinks[etc]
	h.mu.Unlock()
	err := fs.ErrNotExist
	if model != "" {
		err = linkAs(model, etc, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.Symlink(etc, path); errors.Is(err, fs.ErrNotExist) {
			if err := os.MkdirAll(netns.EtcDir, 0o755); err != nil {
				return err
			}
			err = os.Symlink(etc, path)
		}
		if err == nil {
			h.mu.Lock()
			h.etcLinks[etc] = path
			h.mu.Unlock()
		}
	}
	if !errors.Is(err, fs.ErrExist) || namesLinked(ns, etc) {
		return ignoreExist(err)
	}
	return fmt.Errorf("%s is there and not netlab's: remove it", path)
}

func ignoreExist(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// namesLinked reports whether /etc/netns/<ns> leads to etc.
func namesLinked(ns, etc string) bool {
	target, err := os.Readlink(filepath.Join(netns.EtcDir, ns))
	return err == nil && target == etc
}

// unlinkNames undoes linkNames.
func unlinkNames(ns, etc string) error {
	if !namesLinked(ns, etc) {
		return nil
	}
	if err := os.Remove(filepath.Join(netns.EtcDir, ns)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// unlinkAllNames does so for all namespaces of a lab, those included that
// somebody deleted by hand.
func unlinkAllNames(lab string, etcOf func(ns string) string) error {
	entries, err := os.ReadDir(netns.EtcDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if labOf(e.Name()) == lab {
			if err := unlinkNames(e.Name(), etcOf(e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// doFile writes or removes a file of the lab's names directory. It is written
// in place: a running shell has this very file mounted over the one in /etc and
// would not see another of the same name.
func (h *Host) doFile(op provision.Op, f provision.File) error {
	if err := checkLab(f.Lab); err != nil {
		return err
	}
	path, err := h.filePath(f.Lab, f.Name)
	if err != nil {
		return err
	}
	if op == provision.Delete {
		return os.Remove(path)
	}
	if err := errors.Join(h.dir.make(f.Lab), runfile.MakeDir(h.dir.path, filepath.Dir(path))); err != nil {
		return err
	}
	file, err := runfile.Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if planted := new(runfile.UnsafeError); errors.As(err, &planted) || errors.Is(err, unix.EISDIR) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		file, err = runfile.Open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(f.Content)
	return errors.Join(err, file.Chmod(f.Mode), file.Close())
}

func (h *Host) filePath(lab, name string) (string, error) {
	kube, file, prefixed := strings.Cut(name, "/")
	if !prefixed {
		kube, file = "", name
	}
	if file == "" || file[0] == '.' || strings.ContainsAny(file, "/\x00") || prefixed && checkLab(kube) != nil {
		return "", fmt.Errorf("%q is no name of a file", name)
	}
	switch {
	case prefixed:
		return filepath.Join(h.dir.etc(lab)+"."+kube, file), nil
	case name == provision.DNSFile: // in no namespace's /etc
		return filepath.Join(h.dir.lab(lab), file), nil
	}
	return filepath.Join(h.dir.etc(lab), file), nil
}

// fileNames lists what there may be of the lab's names.
func (h *Host) fileNames(lab string) ([]string, error) {
	names := []string{provision.DNSFile}
	dirs, err := os.ReadDir(h.dir.lab(lab))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		prefix := ""
		if kube, ok := strings.CutPrefix(dir.Name(), "etc."); ok {
			prefix = kube + "/"
		} else if dir.Name() != "etc" {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(h.dir.lab(lab), dir.Name()))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Type().IsRegular() && e.Name() != provision.DNSFile {
				names = append(names, prefix+e.Name())
			}
		}
	}
	return names, nil
}

// files reads the lab's names directories and the file of its DNS server.
func (h *Host) files(lab string) ([]provision.File, error) {
	names, err := h.fileNames(lab)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files []provision.File
	for _, name := range names {
		path, err := h.filePath(lab, name)
		if err != nil {
			continue // somebody else's, such as an editor's
		}
		content, err := runfile.Read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		fi, err := os.Lstat(path)
		if err != nil {
			return nil, err
		}
		files = append(files, provision.File{Lab: lab, Name: name, Content: string(content), Mode: fi.Mode().Perm()})
	}
	return files, nil
}
