package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"netlab/provision"
	"netlab/provision/kernel"
	"netlab/provision/netns"
	"netlab/provision/runfile"
	"netlab/provision/runtime"
)

// host is the machine as the commands use it.
type host interface {
	provision.Kernel

	// Lock makes this process the only writer of a lab until unlock is called.
	Lock(ctx context.Context, lab string, timeout time.Duration) (unlock func(), err error)
	// SaveLab keeps the lab file that was applied, LoadLab returns it.
	SaveLab(lab, file string, data []byte) error
	LoadLab(lab string) (file string, data []byte, err error)
	// RunDir is where the runtime files of a lab are, if it has any.
	RunDir(lab string) string
	// EndSupervisor ends the supervisor of a lab and its containers, and returns
	// how many processes it were.
	EndSupervisor(ctx context.Context, lab string) (int, error)
	// EndProcesses ends what runs in namespaces and returns how many processes
	// it were.
	EndProcesses(ctx context.Context, namespaces []string) (int, error)
	// Strays lists what people run in namespaces: not what holds pods, and no
	// containers.
	Strays(ctx context.Context, namespaces []string) ([]runtime.Process, error)
	// ForeignRules lists the netfilter rules in a namespace that are not the
	// lab's; RemoveForeignRules removes them.
	ForeignRules(ctx context.Context, namespace string) ([]string, error)
	RemoveForeignRules(ctx context.Context, namespace string) ([]string, error)
	// Forget makes the kernel forget what it learned in a namespace.
	Forget(namespace string) error
	// ForgetMisled makes it forget the neighbours that were seen to be learned
	// from somebody who is not to have their address.
	ForgetMisled() error
	// ForgetRoutes makes it forget what it learned about ways.
	ForgetRoutes(namespaces []string) error
	// Settle waits until the kernel has released the namespaces that were
	// deleted.
	Settle(ctx context.Context) error
	// RemoveRunDir removes the runtime files of a lab that is gone.
	RemoveRunDir(lab string) error
	// Try tries something that labs may need; Lacks says what a plan needs and
	// this host does not have.
	Try(a kernel.Ability) error
	Lacks(plan provision.Plan) error
	// Busy reports whether somebody changes a lab right now.
	Busy(lab string) bool
	// Labs lists the labs of which anything is left on this host.
	Labs() ([]string, error)
	// Rest lets go of everything in namespaces until something is to be done
	// again.
	Rest()
	Close()
}

// lockTimeout is how long a command waits for another one that changes the
// same lab.
const lockTimeout = 10 * time.Second

// machine is the host that netlab runs on.
type machine struct{ *kernel.Host }

func openMachine(string) (host, error) { return openMachineIn("") }

// openMachineIn returns the host whose labs have their runtime files in runDir;
// "" means where root's are.
func openMachineIn(runDir string) (host, error) {
	h, err := kernel.Open(kernel.Options{RunDir: runDir})
	if err != nil {
		return nil, err
	}
	return machine{h}, nil
}

// pathName is a file beside the copy of a lab file. It holds the path under
// which the author knows the file.
const pathName = "lab.path"

// SaveLab implements [host].
func (m machine) SaveLab(lab, file string, data []byte) error {
	if err := m.Host.SaveLab(lab, data); err != nil {
		return err
	}
	return runfile.Write(filepath.Join(m.RunDir(lab), pathName), []byte(file))
}

// LoadLab implements [host].
func (m machine) LoadLab(lab string) (string, []byte, error) {
	data, err := m.Host.LoadLab(lab)
	if err != nil {
		return "", nil, err
	}
	return savedPath(m.RunDir(lab)), data, nil
}

func savedPath(runDir string) string {
	path, err := runfile.Read(filepath.Join(runDir, pathName))
	if err != nil || len(path) == 0 {
		return filepath.Join(runDir, "lab.yaml")
	}
	return string(path)
}

// EndProcesses implements [host].
func (m machine) EndProcesses(ctx context.Context, namespaces []string) (int, error) {
	inodes, err := inodesOf(namespaces)
	if err != nil {
		return 0, err
	}
	return runtime.End(ctx, inodes, runtime.Grace)
}

// Strays implements [host].
func (m machine) Strays(_ context.Context, namespaces []string) ([]runtime.Process, error) {
	inodes, err := inodesOf(namespaces)
	if err != nil {
		return nil, err
	}
	all, err := runtime.InNamespaces(inodes)
	return slices.DeleteFunc(all, func(p runtime.Process) bool {
		return strings.HasPrefix(p.Command, runtime.PauseName+" ") || runtime.Contained(p.PID) || runtime.Child(p.PID)
	}), err
}

// inodesOf returns the names of the namespaces that are there, by inode.
func inodesOf(namespaces []string) (map[uint64]string, error) {
	inodes := map[uint64]string{}
	for _, name := range namespaces {
		path, err := netns.Path(name)
		if err != nil {
			return nil, err
		}
		inode, err := runtime.Inode(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		inodes[inode] = name
	}
	return inodes, nil
}

// savedLab returns the file of a lab that is up. It needs no kernel.
func (sys system) savedLab(name string) (source, error) {
	if strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
		return source{}, os.ErrNotExist
	}
	dir := filepath.Join(sys.labsDir(), name)
	data, err := runfile.Read(filepath.Join(dir, "lab.yaml"))
	_, noted := os.Lstat(filepath.Join(dir, noExecName))
	return source{file: savedPath(dir), data: data, name: name, noExec: noted == nil}, err
}

// labsDir is where the runtime directories of labs are.
func (sys system) labsDir() string { return cmp.Or(sys.runDir, kernel.DefaultRunDir) }

// runningLabs lists the labs of which anything is left on this host: root's, or
// those of the user who runs netlab.
func (sys system) runningLabs() ([]string, error) {
	if sys.world != nil && !sys.world.Inside() && sys.runDir != "" {
		return kernel.LabsIn(sys.runDir)
	}
	h, err := kernel.Open(kernel.Options{RunDir: sys.runDir})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	return h.Labs()
}
