package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process in a network namespace of a lab.
type Process struct {
	PID     int
	NS      string // name of the network namespace
	Command string // its command line, or its name in brackets where it has none
}

// InNamespaces lists the processes whose network namespace is one of inodes,
// which maps the inode of a namespace to its name. The calling process is left
// out, and what it or another netlab runs for a moment to read or write rules.
// Processes that end meanwhile are left out as well.
func InNamespaces(inodes map[uint64]string) ([]Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if ns, ok := inodes[namespaceOf(pid)]; ok && !isHelper(pid) {
			found = append(found, Process{pid, ns, commandOf(pid)})
		}
	}
	return found, nil
}

// eachProcess calls fn with all processes and the words of their command lines.
//
// It does without [os.ReadFile], which makes three times as many system calls: a
// host has hundreds of processes, and every command looks at them.
func eachProcess(fn func(pid int, words []string)) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := readWhole(procPath(pid, "cmdline"), &buf)
		if err != nil {
			continue // it has ended
		}
		fn(pid, strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"))
	}
	return nil
}

// readWhole reads a file of /proc that comes in one piece if there is room for it,
// into a buffer that grows as needed.
func readWhole(path string, buf *[]byte) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Pread(fd, *buf, 0)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case n < len(*buf):
			return (*buf)[:n], nil
		default:
			*buf = make([]byte, 2*n)
		}
	}
}

// isHelper reports whether a process is an iptables program that a netlab runs,
// or is about to become one.
func isHelper(pid int) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return false
	}
	_, comm, _ := strings.Cut(string(stat), "(")
	end := strings.LastIndexByte(comm, ')')
	if end < 0 {
		return false
	}
	fields := strings.Fields(comm[end+1:])
	if len(fields) < 2 || !isNetlab(filepath.Join("/proc", fields[1])) {
		return false
	}
	iptables := strings.HasPrefix(comm, "iptables") || strings.HasPrefix(comm, "ip6tables") || strings.HasPrefix(comm, "xtables")
	return (iptables || isNetlab(dir)) && !Contained(pid)
}

// isNetlab reports whether a process runs this program.
func isNetlab(dir string) bool {
	own, err := os.Stat("/proc/self/exe")
	if err != nil {
		return false
	}
	its, err := os.Stat(filepath.Join(dir, "exe"))
	return err == nil && os.SameFile(own, its)
}

// namespaceOf returns the inode of a process's network namespace, or 0.
func namespaceOf(pid int) uint64 {
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join("/proc", strconv.Itoa(pid), "ns/net"), &st); err != nil {
		return 0
	}
	return st.Ino
}

// Contained reports whether a process is in a PID namespace of its own, as those
// of containers are.
func Contained(pid int) bool {
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return false
	}
	its, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "ns/pid"))
	return err == nil && its != own
}

// Child reports whether this process has started the process.
func Child(pid int) bool {
	data, err := os.ReadFile(procPath(pid, "stat"))
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	return err == nil && len(fields) > 1 && string(fields[1]) == strconv.Itoa(os.Getpid())
}

func commandOf(pid int) string {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	if data, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(data) > 0 {
		return strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " "))
	}
	data, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return ""
	}
	return "[" + strings.TrimSpace(string(data)) + "]"
}

// Grace is how long a process has to end after SIGTERM.
const Grace = 2 * time.Second

// End ends the processes in the namespaces of inodes: SIGTERM, and SIGKILL for
// those that are still there after grace. It goes on until none is left, since
// a process may start others while it ends, and returns how many it ended.
func End(ctx context.Context, inodes map[uint64]string, grace time.Duration) (int, error) {
	ended := 0
	for signal := unix.SIGTERM; ; signal = unix.SIGKILL {
		found, err := InNamespaces(inodes)
		if err != nil || len(found) == 0 {
			return ended, err
		}
		n, err := endAll(ctx, found, inodes, signal, grace)
		ended += n
		if err != nil {
			return ended, err
		}
	}
}

// endAll signals processes and waits up to grace until they are gone. It
// returns how many went.
func endAll(ctx context.Context, list []Process, inodes map[uint64]string, signal unix.Signal, grace time.Duration) (int, error) {
	var fds []unix.PollFd
	defer func() {
		for _, p := range fds {
			unix.Close(int(p.Fd))
		}
	}()
	for _, p := range list {
		fd, err := unix.PidfdOpen(p.PID, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("open process %d (%s): %w", p.PID, p.Command, err)
		}
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		if _, ours := inodes[namespaceOf(p.PID)]; !ours {
			continue // the number belongs to somebody else by now
		}
		if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, fmt.Errorf("signal process %d (%s): %w", p.PID, p.Command, err)
		}
	}
	return wait(ctx, fds, grace)
}

// wait polls pidfds until all processes have ended or grace is over.
func wait(ctx context.Context, fds []unix.PollFd, grace time.Duration) (int, error) {
	deadline := time.Now().Add(grace)
	pending := append([]unix.PollFd(nil), fds...)
	for len(pending) > 0 {
		left := time.Until(deadline)
		if left <= 0 || ctx.Err() != nil {
			break
		}
		_, err := unix.Poll(pending, int(min(left, pollSlice).Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("wait for processes: %w", err)
		}
		rest := pending[:0]
		for _, p := range pending {
			if p.Revents == 0 {
				rest = append(rest, p)
			}
		}
		pending = rest
	}
	return len(fds) - len(pending), ctx.Err()
}

// pollSlice bounds how long a cancelled context goes unnoticed.
const pollSlice = 100 * time.Millisecond

// Inode returns the inode by which the kernel knows the namespace behind a
// path such as /run/netns/two-node.client.
func Inode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Ino, nil
}
