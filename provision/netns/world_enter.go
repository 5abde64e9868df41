package netns

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"netlab/provision/program"
)

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
		if _, found = w.find(); !found {
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
