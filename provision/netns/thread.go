package netns

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

var errGoexit = errors.New("netns: function called runtime.Goexit") // t.Fatal does

// Do runs fn in the namespace called name and returns fn's error.
//
// Goroutines that fn starts run in the host's namespace, not in this one;
// sockets that fn opens stay in it, whoever uses them; commands that fn starts
// run in it. Do is safe for concurrent use. For many calls take a [Pool].
func Do(name string, fn func() error) error {
	ns, err := Open(name)
	if err != nil {
		return err
	}
	defer ns.Close()
	return onThread(func() error {
		if err := enter(ns); err != nil {
			return err
		}
		return fn()
	})
}

// Fresh runs fn in a namespace of its own that nobody else can see and that
// goes when fn and what it opened is done.
func Fresh(fn func() error) error {
	return onThread(func() error {
		if err := unshare(); err != nil {
			return err
		}
		return fn()
	})
}

// onThread runs fn on an OS thread that is thrown away afterwards. fn may
// change the thread's namespaces freely: nothing else will ever run there. This
// is why there is no UnlockOSThread, and no way for a failed switch back to leak.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if isMainThread() {
			defer runtime.UnlockOSThread()
			done <- onThread(fn)
			return
		}
		err := errGoexit
		defer func() { done <- err }()
		err = fn()
	}()
	return <-done
}

// isMainThread reports whether the calling thread is the one that Go cannot
// throw away: it would be parked in the namespace it entered last and so keep
// it alive for as long as the process runs. Sit on it while another thread does
// the work.
func isMainThread() bool { return unix.Gettid() == unix.Getpid() }

func enter(ns *os.File) error {
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", ns.Name(), err)
	}
	return nil
}

func unshare() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	return nil
}
