package netns

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

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
