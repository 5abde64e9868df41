package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/netns"
	"netlab/provision/program"
)

// PauseName is the name of a pause process, as ps shows it. Its one argument is
// the pod's network namespace.
const PauseName = "pause"

// StartPause makes the process that holds a pod. Namespaces that an earlier one
// owned are taken over. The process that is there, if any, ends first; known is
// it, as far as the caller knows.
func StartPause(dir Dir, p provision.Pause, known Identity) (Identity, error) {
	if err := endPauses(dir, p.NS, known); err != nil {
		return Identity{}, err
	}
	file, path, err := pauseExecutable()
	if err != nil {
		return Identity{}, err
	}
	if file != nil {
		defer file.Close()
	}
	if err := dir.makeDir(filepath.Join(string(dir), "ns")); err != nil {
		return Identity{}, err
	}
	var id Identity
	err = dir.Pins(p.NS).Make(p.NS, p.Hostname, func() error {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer null.Close()
		pid, err := syscall.ForkExec(path, []string{PauseName, p.NS}, &syscall.ProcAttr{
			Dir: "/", Env: []string{reexecEnv + "=1"},
			Files: []uintptr{null.Fd(), null.Fd(), null.Fd()},
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
		if err != nil {
			return fmt.Errorf("start the pause process: %w", err)
		}
		id, err = identify(pid)
		return err
	})
	return id, err
}

// pauseExecutable returns the program of a pause process, and the open file, if
// any, that it is in.
func pauseExecutable() (*os.File, string, error) {
	code := program.Pause(goruntime.GOARCH)
	if code == nil {
		return nil, self, nil
	}
	f, err := program.Open(PauseName, code)
	if err != nil {
		return nil, "", err
	}
	return f, program.Path(f), nil
}

// EndPause ends the process that holds a pod, and lets go of its namespaces.
func EndPause(dir Dir, ns string, known Identity) error {
	if err := endPauses(dir, ns, known); err != nil {
		return err
	}
	return dir.Pins(ns).Remove()
}

// endPauses ends the pause process of a pod. Where none is known it looks at
// every process of the host, unless there is no trace of one.
func endPauses(dir Dir, ns string, known Identity) error {
	if known.PID != 0 {
		return kill(known)
	}
	if !dir.Pins(ns).Any() {
		return nil
	}
	all, err := pauses()
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.ns == ns && p.witnesses(dir) > 0 {
			if err := kill(p.id); err != nil {
				return err
			}
		}
	}
	return nil
}

// kill ends a process at once and waits until it is gone.
func kill(id Identity) error {
	fd, err := id.open()
	if errors.Is(err, errEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end process %d: %w", id.PID, err)
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			reap(id.PID)
			return err
		}
	}
}

// reap takes note of the end of a process if it is a child of this one.
func reap(pid int) {
	var status unix.WaitStatus
	_, _ = unix.Wait4(pid, &status, unix.WNOHANG, nil)
}

// pause is a process that calls itself a pause process.
type pause struct {
	ns string
	id Identity
}

// witnesses counts the namespaces that say that p holds the pod it says.
func (p pause) witnesses(dir Dir) int {
	n := 0
	pins := dir.Pins(p.ns)
	path, err := netns.Path(p.ns)
	if err != nil {
		return 0
	}
	for kind, path := range map[string]string{"net": path, "ipc": pins.Path("ipc"), "uts": pins.Path("uts")} {
		if inode := inodeOf(path); inode != 0 && inode == spaceOf(p.id.PID, kind) {
			n++
		}
	}
	return n
}

// pauses lists all processes that call themselves pause processes.
func pauses() ([]pause, error) {
	var found []pause
	err := eachProcess(func(pid int, words []string) {
		if len(words) != 2 || words[0] != PauseName {
			return
		}
		if id, err := identify(pid); err == nil {
			found = append(found, pause{words[1], id})
		}
	})
	return found, err
}

// Pauses returns the pause processes of the lab that dir belongs to, what is
// left of those that ended, and by namespace who those are that run.
func Pauses(dir Dir, lab string) ([]provision.Pause, map[string]Identity, error) {
	remains, err := os.ReadDir(filepath.Join(string(dir), "ns"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	if names, err := netns.List(lab + "."); err == nil && len(names)+len(remains) == 0 {
		return nil, nil, nil // nothing could be a witness
	}
	all, err := pauses()
	if err != nil {
		return nil, nil, err
	}
	who := map[string]Identity{}
	const sound = 3 // witnesses
	process := map[string]string{}
	for _, p := range all {
		if !strings.HasPrefix(p.ns, lab+".") {
			continue
		}
		switch n := p.witnesses(dir); {
		case n == 0: // not ours
		case n == sound && process[p.ns] == "":
			process[p.ns], who[p.ns] = provision.Running, p.id
		default: // who it is, or all of them, is found again when it ends
			process[p.ns] = provision.Astray
			delete(who, p.ns)
		}
	}
	for _, e := range remains {
		ns := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".ipc"), ".uts")
		if process[ns] == "" {
			process[ns] = provision.NoProcess
		}
	}
	var list []provision.Pause
	for ns, is := range process {
		o := provision.Pause{NS: ns, Process: is}
		if o.Hostname, err = dir.Pins(ns).Hostname(); err != nil {
			o.Hostname = ""
		}
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b provision.Pause) int { return strings.Compare(a.NS, b.NS) })
	return list, who, nil
}
