package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// dump reads the links, addresses, routes, rules, neighbours and forwarding
// entries of all namespaces once, and the netfilter rules of nodes if save says
// so, and parameters. It returns how many messages there were, and bytes of rules.
func dump(all []*space, save map[string]bool, parameters bool) (messages, rules int64, err error) {
	var count, size atomic.Int64
	err = each(all, func(s *space) error {
		ns, err := unix.Open(filepath.Join(netnsDir, s.name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(ns)
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			return err
		}
		fd, err := dial()
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, want := range []struct {
			kind   uint16
			header int
			family byte
			skip   bool
		}{
			{unix.RTM_GETLINK, unix.SizeofIfInfomsg, 0, false},
			{unix.RTM_GETADDR, unix.SizeofIfAddrmsg, 0, false},
			{unix.RTM_GETROUTE, unix.SizeofRtMsg, 0, false},
			{unix.RTM_GETRULE, unix.SizeofRtMsg, 0, false},
			{unix.RTM_GETNEIGH, 12, 0, false},
			{unix.RTM_GETNEIGH, 12, unix.AF_BRIDGE, s.leaf},
		} {
			if want.skip {
				continue
			}
			n, err := dumpOne(fd, want.kind, want.header, want.family)
			if err != nil {
				return err
			}
			count.Add(int64(n))
		}
		if parameters {
			if err := readParameters(fd, s.reads); err != nil {
				return err
			}
		}
		if !save[s.name] {
			return nil
		}
		cmd := exec.Command("iptables-save")
		var out bytes.Buffer
		cmd.Stdout = &out
		cmd.SysProcAttr = &syscall.SysProcAttr{}
		if err := cmd.Run(); err != nil { // it inherits the namespace of this thread
			return fmt.Errorf("iptables-save: %w", err)
		}
		size.Add(int64(out.Len()))
		return nil
	})
	return count.Load(), size.Load(), err
}

// readParameters reads what rtnetlink tells of the parameters of the calling
// thread's namespace, and files. Most of them are in one directory, which is
// looked up once.
func readParameters(fd int, files []string) error {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if _, err := dumpOne(fd, unix.RTM_GETNETCONF, 4, family); err != nil {
			return err
		}
	}
	const most = "/proc/sys/net/ipv4/"
	dir, err := unix.Open(most, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	var buf [4096]byte
	for _, path := range files {
		f, err := unix.Openat(dir, strings.TrimPrefix(path, most), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue // this kernel has no such parameter
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		_, err = unix.Read(f, buf[:])
		unix.Close(f)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func dumpOne(fd int, kind uint16, header int, family byte) (int, error) {
	b := make([]byte, unix.SizeofNlMsghdr+header)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b[unix.SizeofNlMsghdr] = family
	if _, err := unix.Write(fd, b); err != nil {
		return 0, err
	}
	var buf [1 << 15]byte
	count := 0
	for {
		n, err := unix.Read(fd, buf[:])
		if err != nil {
			return count, err
		}
		for m := buf[:n]; len(m) >= unix.SizeofNlMsghdr; {
			size := int(binary.NativeEndian.Uint32(m))
			if kind := binary.NativeEndian.Uint16(m[4:]); kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR {
				return count, nil
			}
			count++
			m = m[min((size+3)&^3, len(m)):]
		}
	}
}
