package netns

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
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

// mapping says which users and groups of the host there are in a world besides
// its own user, who is root there.
type mapping struct {
	own        int // how many to map without help: 1, or all for root
	user       string
	uids, gids [2]int // first and number of those that belong to the user
}

// many reports whether the world has more than one user.
func (m mapping) many() bool { return m.uids[1] > 0 && m.gids[1] > 0 }

// mappingOf looks for the subordinate users and groups of a user, subuid(5).
func mappingOf(uid int) mapping {
	if uid == 0 {
		return mapping{own: 1 << 16}
	}
	m := mapping{own: 1}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		return m
	}
	if _, err := exec.LookPath("newgidmap"); err != nil {
		return m
	}
	names := []string{strconv.Itoa(uid)}
	if u, err := user.LookupId(names[0]); err == nil {
		names = append(names, u.Username)
	}
	m.uids, m.gids = subordinates("/etc/subuid", names), subordinates("/etc/subgid", names)
	return m
}

// subordinates returns the first range that a file such as /etc/subuid gives to
// somebody called one of names.
func subordinates(file string, names []string) [2]int {
	data, err := os.ReadFile(file)
	if err != nil {
		return [2]int{}
	}
	for line := range bytes.Lines(data) {
		words := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(words) != 3 || !contains(names, words[0]) {
			continue
		}
		first, err := strconv.Atoi(words[1])
		number, err2 := strconv.Atoi(words[2])
		if err == nil && err2 == nil && first > 0 && number > 0 {
			return [2]int{first, number}
		}
	}
	return [2]int{}
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

// write maps the users of the process's user namespace with the programs that
// may do so for an ordinary user.
func (m mapping) write(pid int) error {
	for _, t := range []struct {
		program string
		own     int
		others  [2]int
	}{{"newuidmap", os.Getuid(), m.uids}, {"newgidmap", os.Getgid(), m.gids}} {
		cmd := exec.Command(t.program, strconv.Itoa(pid), "0", strconv.Itoa(t.own), "1",
			"1", strconv.Itoa(t.others[0]), strconv.Itoa(t.others[1]))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("map users with %s: %w: %s", t.program, err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// endRemains ends what is left of a world whose holder was killed. Its processes
// may be of users whom only somebody inside can end.
func (w *World) endRemains() error {
	was, ok := w.recorded()
	if !ok || was.User == 0 || was.User == userSpaceOf("self") {
		return nil
	}
	var errs []error
	eachProcess(func(pid int) bool {
		if userSpaceOf(strconv.Itoa(pid)) != was.User {
			return true
		}
		errs = append(errs, endFromInside(pid))
		return userSpaceOf(strconv.Itoa(pid)) == was.User // one of them ends all
	})
	return errors.Join(errs...)
}

// endFromInside ends all processes of the user namespace of a process.
func endFromInside(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil //nolint:nilerr // it has ended
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	defer pidfd.Close()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	code := program.Door(goruntime.GOARCH, 3, unix.CLONE_NEWUSER)
	if code == nil {
		return nil
	}
	door, err := program.Open("netlab-door", code)
	if err != nil {
		return err
	}
	defer door.Close()
	cmd := exec.Command(program.Path(door))
	cmd.Args = []string{"netlab-door", "/proc/self/fd/4", "netlab"}
	cmd.Env = []string{stageEnv + "=" + stageEnd, fmt.Sprintf("%s=%d", worldEnv, userSpaceOf(strconv.Itoa(pid)))}
	cmd.ExtraFiles = []*os.File{pidfd, self}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("end what is left of your labs: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// endOthers ends all processes of this one's user namespace but itself.
func endOthers() int {
	mine := userSpaceOf("self")
	if strconv.FormatUint(mine, 10) != os.Getenv(worldEnv) {
		fmt.Fprintln(os.Stderr, "not let into their user namespace")
		return 1
	}
	for again := true; again; {
		again = false
		eachProcess(func(pid int) bool {
			if pid != os.Getpid() && userSpaceOf(strconv.Itoa(pid)) == mine {
				again = again || holder{PID: pid}.end() == nil
			}
			return true
		})
	}
	return 0
}
