package main

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// settle waits until the kernel has released what was dropped before. The
// kernel takes namespaces apart in batches, one after the other: of two that are
// sent after them one at a time, the second one leaves in a later batch.
func settle() error {
	for range 2 {
		if err := sentinel(); err != nil {
			return err
		}
	}
	return nil
}

// sentinel drops a namespace with one end of a cable in it and waits until the
// other end is gone.
func sentinel() error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			here, err := os.Open("/proc/thread-self/ns/net")
			if err != nil {
				return err
			}
			defer here.Close()
			fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
				return err
			}
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			there, err := dial()
			if err != nil {
				return err
			}
			var b batch
			b.add([]string{"veth", "x", "0", "02:00:00:00:00:01", "1500", "", "y", "0", "02:00:00:00:00:02", "1500"},
				func(string) int { return int(here.Fd()) })
			if err := b.send(there); err != nil {
				return err
			}
			unix.Close(there)
			if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			return deleted(fd)
		}()
	}()
	return <-done
}

// deleted waits until a link has gone.
func deleted(fd int) error {
	var buf [1 << 15]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if err != nil {
			return err
		}
		if n >= 6 && uint16(buf[4])|uint16(buf[5])<<8 == unix.RTM_DELLINK {
			return nil
		}
	}
}
