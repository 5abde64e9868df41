package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Identity tells a process from every other one of this boot, also from a later
// one that got the same number.
type Identity struct {
	PID   int    `json:"pid,omitempty"`
	Start uint64 `json:"start,omitempty"` // clock ticks after boot
}

// errEnded says that the process meant is no more.
var errEnded = errors.New("the process has ended")

// identify returns the identity of the process that has the number now.
func identify(pid int) (Identity, error) {
	data, err := os.ReadFile(procPath(pid, "stat"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return Identity{}, errEnded
	}
	if err != nil {
		return Identity{}, err
	}
	// The name, in parentheses, may hold anything. State is the first field
	// after it, the start time the twentieth.
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 20 {
		return Identity{}, fmt.Errorf("%s: too short", procPath(pid, "stat"))
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return Identity{}, errEnded
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	return Identity{pid, start}, err
}

// Alive reports whether the process is running.
func (id Identity) Alive() bool {
	is, err := identify(id.PID)
	return err == nil && is == id && id.PID > 0
}

// open returns a pidfd of the process. The error is errEnded if it is no more.
func (id Identity) open() (int, error) {
	if id.PID <= 0 {
		return -1, errEnded
	}
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return -1, errEnded
	}
	if err != nil {
		return -1, fmt.Errorf("open process %d: %w", id.PID, err)
	}
	if !id.Alive() { // the number is held from here on
		unix.Close(fd)
		return -1, errEnded
	}
	return fd, nil
}

// signal sends a signal. One to a process that has ended is no error.
func (id Identity) signal(sig unix.Signal) error {
	fd, err := id.open()
	if errors.Is(err, errEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", id.PID, err)
	}
	return nil
}

func procPath(pid int, file string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), file)
}

// spaceOf returns the inode of a namespace of a process, or 0. kind is "net",
// "ipc", "uts" and so on.
func spaceOf(pid int, kind string) uint64 {
	var st unix.Stat_t
	if unix.Stat(procPath(pid, "ns/"+kind), &st) != nil {
		return 0
	}
	return st.Ino
}

// inodeOf returns the inode behind a path, or 0.
func inodeOf(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Ino
}
