package netns

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"netlab/provision/program"
)

// stageEnv marks the processes that this package starts from netlab's own
// program, and says what they are to do.
const stageEnv = "NETLAB_WORLD_STAGE"

// What they do.
const (
	stageMapped = "mapped" // wait until users are mapped, and go on as root
	stageMounts = "mounts" // make mounts and network, and become the holder
	stageEnd    = "end"    // end everything else in the user namespace
)

// Descriptors of a process that becomes a holder.
const (
	goFD     = 3 // something can be read when users are mapped
	statusFD = 4 // takes an error; is closed without one when all is well
)

// Main does the work of this process if it is one of those that this package
// starts from netlab's own program: main must call it before anything else. ok
// reports whether it was.
func Main(args []string) (code int, ok bool) {
	stage := os.Getenv(stageEnv)
	_ = os.Unsetenv(stageEnv)
	switch {
	case stage == stageEnd:
		return endOthers(), true
	case len(args) != 2 || args[0] != holderName:
		return 0, false
	case stage == stageMapped:
		return report(awaitMapping(args)), true
	case stage == stageMounts:
		return report(hold(args)), true
	}
	return 0, false
}

// report writes to whoever waits for the world why there will be none.
func report(err error) int {
	fmt.Fprint(os.NewFile(statusFD, "status"), err)
	return 1
}

// start makes a world. The caller has the lock alone.
func (w *World) start() error {
	if err := os.Mkdir(w.RunDir(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := w.forgetProcesses(); err != nil {
		return err
	}
	users := mappingOf(os.Getuid())
	pid, status, err := w.fork(users)
	if err != nil && users.many() {
		pid, status, err = w.fork(mapping{own: 1}) // with only one user most things work, too
	}
	if err != nil {
		return forbidden(err)
	}
	text, err := io.ReadAll(status)
	status.Close()
	if err == nil && len(text) > 0 {
		err = forbidden(errors.New(string(text)))
	}
	if err == nil {
		err = w.record(holder{pid, userSpaceOf(strconv.Itoa(pid))})
	}
	if err != nil {
		return errors.Join(err, holder{PID: pid}.end())
	}
	return nil
}

// forgetProcesses removes what labs have written down about processes and
// namespaces that went with the world before.
func (w *World) forgetProcesses() error {
	labs, err := os.ReadDir(w.RunDir())
	if err != nil {
		return err
	}
	var errs []error
	for _, lab := range labs {
		for _, name := range w.volatile {
			errs = append(errs, os.RemoveAll(filepath.Join(w.RunDir(), lab.Name(), name)))
		}
	}
	return errors.Join(errs...)
}

// fork starts the process that becomes the holder, and maps its users. What it
// has to say against it can be read from status.
func (w *World) fork(m mapping) (pid int, status *os.File, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, nil, err
	}
	defer null.Close()
	waits, goAhead, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer waits.Close()
	defer goAhead.Close()
	status, says, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer says.Close()
	sys := &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWUSER}
	if !m.many() {
		sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: m.own}}
		sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: m.own}}
		sys.GidMappingsEnableSetgroups = m.own > 1
	}
	pid, err = syscall.ForkExec("/proc/self/exe", []string{holderName, w.dir}, &syscall.ProcAttr{
		Dir: "/", Env: []string{stageEnv + "=" + stageMapped},
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), waits.Fd(), says.Fd()},
		Sys:   sys,
	})
	if err != nil {
		status.Close()
		return 0, nil, fmt.Errorf("make a user namespace: %w", err)
	}
	if m.many() {
		if err := m.write(pid); err != nil {
			status.Close()
			return 0, nil, errors.Join(err, holder{PID: pid}.end())
		}
	}
	if _, err := goAhead.Write([]byte{0}); err != nil {
		status.Close()
		return 0, nil, errors.Join(err, holder{PID: pid}.end())
	}
	return pid, status, nil
}

// record writes down who the holder is.
func (w *World) record(h holder) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	path := w.file("holder")
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// awaitMapping goes on as root of the user namespace as soon as it has one:
// only who is root when a program starts has that one's capabilities.
func awaitMapping(args []string) error {
	unix.CloseOnExec(statusFD)
	waits := os.NewFile(goFD, "go ahead")
	if _, err := waits.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("wait for the users of the user namespace: %w", err)
	}
	if err := waits.Close(); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(statusFD, unix.F_SETFD, 0); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", args, []string{stageEnv + "=" + stageMounts})
}

// hold becomes the holder of a world.
func hold(args []string) error {
	unix.CloseOnExec(statusFD)
	goruntime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a mount and a network namespace: %w", err)
	}
	if err := worldMounts(); err != nil {
		return err
	}
	code := program.Pause(goruntime.GOARCH)
	if code == nil {
		return fmt.Errorf("netlab without root is not made for %s", goruntime.GOARCH)
	}
	pause, err := program.Open(holderName, code)
	if err != nil {
		return err
	}
	return syscall.Exec(program.Path(pause), args, []string{})
}
