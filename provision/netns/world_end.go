package netns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	goruntime "runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"netlab/provision/program"
)

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
