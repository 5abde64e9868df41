package kernel

import (
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

	"netlab/provision/runfile"
)

// lockRetry is how often a lock that somebody holds is tried again: flock(2)
// waits only where nobody can call it back.
const lockRetry = 20 * time.Millisecond

// Lock makes the caller the only one who changes lab, until it calls unlock. It
// waits for as long as timeout; zero means not at all. A lock ends with its
// process.
func (h *Host) Lock(ctx context.Context, lab string, timeout time.Duration) (unlock func(), err error) {
	path := filepath.Join(h.dir.lab(lab), "lock")
	deadline := time.Now().Add(timeout)
	for {
		err := h.dir.make(lab)
		var f *os.File
		if err == nil {
			f, err = tryLock(path)
		}
		switch {
		case err == nil:
			return func() { f.Close() }, nil
		case errors.Is(err, fs.ErrNotExist):
			continue // the lab was removed under way, and its directory with it
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, fmt.Errorf("lock lab %s: %w", lab, err)
		case !time.Now().Before(deadline):
			return nil, fmt.Errorf("lab %s is being changed by another netlab%s: wait for it or end it", lab, holder(path))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(lockRetry, time.Until(deadline))):
		}
	}
}

// Busy reports whether somebody holds the lock of a lab. It makes nothing.
func (h *Host) Busy(lab string) bool {
	if checkLab(lab) != nil {
		return false
	}
	f, err := os.OpenFile(filepath.Join(h.dir.lab(lab), "lock"), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// tryLock returns the locked file. The error is EWOULDBLOCK if somebody else
// has it and [fs.ErrNotExist] if it was removed meanwhile.
func tryLock(path string) (*os.File, error) {
	f, err := runfile.Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f, path); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func lockFile(f *os.File, path string) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	held, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(held, there) {
		return fs.ErrNotExist
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	return err
}

// holder names the process that wrote its number into the lock.
func holder(path string) string {
	b, err := os.ReadFile(path)
	pid := strings.TrimSpace(string(b))
	if err != nil || pid == "" {
		return ""
	}
	return " (process " + pid + ")"
}
