package netns

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"netlab/provision/program"
)

// World is where the labs of a user live who is not root: a user namespace, in
// which the user is root, with mounts and a network of its own. A process that
// does nothing, the holder, keeps it. There is one for each user; it begins with
// the first lab and ends with the last.
//
// In a directory of the user's there are
//
//	labs/   the runtime directory of the labs, see package kernel
//	holder  who the holder is
//	lock    shared by every netlab that is in the world or on its way there;
//	        whoever makes or ends the world has it alone
type World struct {
	dir      string
	volatile []string // what a lab's runtime directory holds of its processes and namespaces
	lock     *os.File // of a process inside
	inside   bool
}

// worldEnv says, in a process that is inside, which world it is in: the inode of
// the user namespace and the directory. doorEnv is for its first moments: the
// descriptors that it was handed, and its working directory.
const (
	worldEnv = "NETLAB_WORLD"
	doorEnv  = "NETLAB_DOOR"
)

// worldFlags are the namespaces that a world is made of.
const worldFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET

// CurrentWorld returns the world that this process is in, or else the world of
// its user, which need not exist. Call it once, before other goroutines run: it
// takes over what [World.Enter] hands on. volatile names what the runtime
// directory of a lab must not have any more when everything that ran is gone.
func CurrentWorld(volatile ...string) (*World, error) {
	inode, dir, ok := strings.Cut(os.Getenv(worldEnv), ":")
	if !ok {
		dir, err := worldDir(os.Geteuid(), os.Getenv("XDG_RUNTIME_DIR"))
		return &World{dir: dir, volatile: volatile}, err
	}
	w := &World{dir: dir, volatile: volatile, inside: true}
	if handed := os.Getenv(doorEnv); handed != "" {
		_ = os.Unsetenv(doorEnv)
		if err := w.takeOver(handed); err != nil {
			return w, err
		}
	}
	if strconv.FormatUint(userSpaceOf("self"), 10) != inode {
		return w, errors.New("this process was not let into the user namespace of your labs\n    hint: was netlab started in another container or user namespace than before?")
	}
	return w, nil
}

// worldDir returns the directory of the world of a user: below the user's
// runtime directory, if there is one.
func worldDir(uid int, runtime string) (string, error) {
	if uid == 0 {
		return "/run/netlab-rootless", nil
	}
	for _, dir := range []string{runtime, fmt.Sprintf("/run/user/%d", uid)} {
		var st unix.Stat_t
		if filepath.IsAbs(dir) && unix.Stat(dir, &st) == nil && st.Uid == uint32(uid) && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return filepath.Join(dir, "netlab"), nil
		}
	}
	return fmt.Sprintf("/tmp/netlab-%d", uid), nil
}

// Inside reports whether this process is in the world.
func (w *World) Inside() bool { return w.inside }

// RunDir is the runtime directory of the world's labs.
func (w *World) RunDir() string { return filepath.Join(w.dir, "labs") }

func (w *World) file(name string) string { return filepath.Join(w.dir, name) }

// Enter makes this process the same program with the arguments argv inside the
// world, which is made if there is none: the same process, terminal, working
// directory and open files. It returns only if that is not possible.
func (w *World) Enter(argv []string) error {
	if err := w.makeDir(); err != nil {
		return err
	}
	lock, err := w.locked(unix.LOCK_SH)
	if err != nil {
		return err
	}
	defer func() { lock.Close() }()
	holder, found := w.find()
	for !found {
		if err := lock.Close(); err != nil {
			return err
		}
		if lock, err = w.locked(unix.LOCK_EX); err != nil {
			return err
		}
		if holder, found = w.find(); !found {
			if err := w.endRemains(); err != nil {
				return err
			}
			if err := w.start(); err != nil {
				return errors.Join(err, w.removeIfIdle())
			}
		}
		// Somebody who waits may get it in between, and end the world again.
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_SH); err != nil {
			return &fs.PathError{Op: "lock", Path: lock.Name(), Err: err}
		}
		holder, found = w.find()
	}
	return w.pass(holder, lock, argv)
}

// pass goes through the door.
func (w *World) pass(h holder, lock *os.File, argv []string) error {
	pidfd, err := unix.PidfdOpen(h.PID, 0)
	if err != nil {
		return fmt.Errorf("open the holder of your labs, process %d: %w", h.PID, err)
	}
	self, err := unix.Open("/proc/self/exe", unix.O_RDONLY, 0) // stays open: its path may mean nothing inside
	if err != nil {
		return fmt.Errorf("open this program: %w", err)
	}
	held, err := unix.Dup(int(lock.Fd()))
	if err != nil {
		return err
	}
	for _, fd := range []int{pidfd, self, held} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return err
		}
	}
	cwd, _ := os.Getwd()
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "PATH=") })
	env = append(env,
		"PATH="+systemPath(os.Getenv("PATH")),
		fmt.Sprintf("%s=%d:%s", worldEnv, h.User, w.dir),
		fmt.Sprintf("%s=%d:%d:%d:%s", doorEnv, held, pidfd, self, cwd))
	return through(pidfd, worldFlags, fmt.Sprintf("/proc/self/fd/%d", self), argv, env)
}

// through becomes path in the namespaces, which flags name, of the process that
// pidfd stands for.
func through(pidfd int, flags uint32, path string, argv, env []string) error {
	code := program.Door(goruntime.GOARCH, uint16(pidfd), flags)
	if code == nil {
		return fmt.Errorf("netlab without root is not made for %s: run it as root", goruntime.GOARCH)
	}
	door, err := program.Open("netlab-door", code)
	if err != nil {
		return err
	}
	defer door.Close()
	return &fs.PathError{Op: "exec", Path: "the door", Err: syscall.Exec(program.Path(door), append([]string{"netlab-door", path}, argv...), env)}
}

// systemPath adds the directories of system programs, which are not on the path
// of every user, to a path.
func systemPath(path string) string {
	dirs := strings.Split(cmp.Or(path, "/usr/bin:/bin"), ":")
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, ":")
}

// takeOver takes what [World.pass] has handed on.
func (w *World) takeOver(handed string) error {
	words := strings.SplitN(handed, ":", 4)
	if len(words) != 4 {
		return fmt.Errorf("%s=%s makes no sense", doorEnv, handed)
	}
	var fds [3]int
	for i := range fds {
		fd, err := strconv.Atoi(words[i])
		if err != nil || fd <= 2 {
			return fmt.Errorf("%s=%s makes no sense", doorEnv, handed)
		}
		fds[i] = fd
	}
	unix.CloseOnExec(fds[0])
	w.lock = os.NewFile(uintptr(fds[0]), w.file("lock"))
	unix.Close(fds[1])
	unix.Close(fds[2])
	if words[3] == "" {
		return nil
	}
	if err := os.Chdir(words[3]); err != nil {
		return fmt.Errorf("the working directory cannot be reached without root: %w", err)
	}
	return nil
}

// Leave ends the world if there is no lab in it and nobody else needs it. A
// process inside calls it last.
func (w *World) Leave() error {
	if !w.inside || w.lock == nil {
		return nil
	}
	if labs, err := os.ReadDir(w.RunDir()); err == nil && len(labs) > 0 {
		return nil
	}
	if unix.Flock(int(w.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil // whoever it is comes by here, too
	}
	defer w.lock.Close()
	if labs, err := os.ReadDir(w.RunDir()); err == nil && len(labs) > 0 {
		return nil
	}
	if h, ok := w.find(); ok {
		if err := h.end(); err != nil {
			return err
		}
	}
	return w.removeIfIdle()
}

// makeDir makes the directory of the world and refuses one that others could
// write to.
func (w *World) makeDir() error {
	if err := os.Mkdir(w.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(w.dir, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: w.dir, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR, st.Uid != uint32(os.Geteuid()), st.Mode&0o022 != 0:
		return fmt.Errorf("%s is not a directory that only you can write to\n    hint: remove it, or set XDG_RUNTIME_DIR to a directory of yours", w.dir)
	}
	return nil
}

// locked returns the locked lock, and not one that was removed meanwhile.
func (w *World) locked(how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(w.file("lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if errors.Is(err, fs.ErrNotExist) { // the directory, too, was removed
			if err := w.makeDir(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		for {
			err = unix.Flock(int(f.Fd()), how)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if err != nil {
			f.Close()
			return nil, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
		now, err := os.Lstat(f.Name())
		if is, statErr := f.Stat(); err == nil && statErr == nil && os.SameFile(now, is) {
			return f, nil
		}
		f.Close()
	}
}

// removeIfIdle removes the files of a world that is no more, unless labs have
// left something. The caller has the lock alone.
func (w *World) removeIfIdle() error {
	dir, err := filepath.EvalSymlinks(w.dir) // inside, root's is a link in the copy of /run
	if err != nil {
		return err
	}
	for _, name := range []string{"labs", "holder", "lock"} {
		err := os.Remove(w.file(name))
		if errors.Is(err, unix.ENOTEMPTY) {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	return nil
}

// holder is the process that holds a world.
type holder struct {
	PID  int    `json:"pid"`
	User uint64 `json:"user"` // the inode of the user namespace
}

// holderName is what a holder calls itself. Its argument is the directory of
// its world.
const holderName = "netlab-world"

// recorded returns what was written down about the holder.
func (w *World) recorded() (holder, bool) {
	var h holder
	data, err := os.ReadFile(w.file("holder"))
	return h, err == nil && json.Unmarshal(data, &h) == nil && h.PID > 0
}

// find returns the holder that runs: the one written down, or else, where the
// file is gone, any process that is one.
func (w *World) find() (holder, bool) {
	if h, ok := w.recorded(); ok && w.isHolder(h.PID) && userSpaceOf(strconv.Itoa(h.PID)) == h.User {
		return h, true
	}
	var found holder
	eachProcess(func(pid int) bool {
		if w.isHolder(pid) {
			found = holder{pid, userSpaceOf(strconv.Itoa(pid))}
		}
		return found.PID == 0
	})
	return found, found.PID != 0 && found.User != 0
}

// isHolder reports whether a process is the holder of w: it says so, is its
// user's and, seen from outside, in a user namespace of its own.
func (w *World) isHolder(pid int) bool {
	var st unix.Stat_t
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	if unix.Stat(dir, &st) != nil || st.Uid != uint32(os.Geteuid()) {
		return false
	}
	line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil || string(line) != holderName+"\x00"+w.dir+"\x00" {
		return false
	}
	return w.inside || userSpaceOf(strconv.Itoa(pid)) != userSpaceOf("self")
}

// end ends the holder and waits until it is gone.
func (h holder) end() error {
	fd, err := unix.PidfdOpen(h.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", h.PID, err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end process %d: %w", h.PID, err)
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			var status unix.WaitStatus
			_, _ = unix.Wait4(h.PID, &status, unix.WNOHANG, nil) // if it is a child of this process
			return err
		}
	}
}

// userSpaceOf returns the inode of the user namespace of a process, or 0 if it
// may not be known.
func userSpaceOf(pid string) uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/"+pid+"/ns/user", &st) != nil {
		return 0
	}
	return st.Ino
}

// eachProcess calls fn with each process until it returns false. Those that have
// ended, and that nobody took note of yet, are left out.
func eachProcess(fn func(pid int) bool) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && running(pid) && !fn(pid) {
			return
		}
	}
}

// running reports whether a process has not ended.
func running(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in parentheses, may hold anything. The state follows it.
	_, state, found := strings.Cut(string(data[bytes.LastIndexByte(data, ')')+1:]), " ")
	return err == nil && found && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}
