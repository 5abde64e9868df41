package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netns"
)

// namespacesIn lists the network namespaces of a lab.
func namespacesIn(lab *labs.Lab) []string {
	var names []string
	for _, b := range lab.Bridges {
		names = append(names, b.NS)
	}
	for _, n := range lab.Nodes {
		names = append(names, n.NS)
	}
	for _, p := range lab.Pods {
		names = append(names, p.NS)
	}
	return names
}

// identity says which of several equal things something is: the inode of a
// namespace or a file, the index of a link.
type identity map[provision.Key]string

func identities(t *testing.T, lab *labs.Lab) identity {
	t.Helper()
	ids := identity{}
	inode := func(key provision.Key, path string) {
		if fi, err := os.Stat(path); err == nil {
			ids[key] = fmt.Sprint(fi.Sys().(*syscall.Stat_t).Ino)
		}
	}
	for _, name := range namespacesIn(lab) {
		inode(provision.Namespace{Name: name}.Key(), "/run/netns/"+name)
		err := netns.Do(name, func() error {
			links, err := net.Interfaces()
			for _, l := range links {
				ids[provision.Link{NS: name, Name: l.Name}.Key()] = fmt.Sprint(l.Index)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, netns.ErrNoNamespace) {
			t.Error(err)
		}
	}
	for _, file := range []string{"hosts", "resolv.conf"} {
		inode(provision.File{Name: file}.Key(), "/run/netlab/"+lab.Name+"/etc/"+file)
	}
	return ids
}

// check wants everything that is not made anew by plan to be what it was.
func (ids identity) check(t *testing.T, before identity, plan provision.Plan) {
	t.Helper()
	made := map[provision.Key]bool{}
	for _, s := range plan.Steps {
		if s.Op == provision.Create {
			for _, c := range s.Object.Claims() {
				made[c] = true
			}
		}
	}
	for k, id := range before {
		inside := provision.Namespace{Name: k.NS}.Key()
		if ids[k] != id && !made[k] && !made[inside] {
			t.Errorf("%v was %s and is %s", k, id, ids[k])
		}
	}
}

// ears hear what changes in namespaces.
type ears struct {
	lab     *labs.Lab
	sockets map[string]int // namespace -> netlink socket
	inodes  map[string]string
}

func openEars(t *testing.T, lab *labs.Lab) *ears {
	t.Helper()
	e := &ears{lab: lab, sockets: map[string]int{}, inodes: map[string]string{}}
	t.Cleanup(func() {
		for _, fd := range e.sockets {
			unix.Close(fd)
		}
	})
	return e
}

// hush forgets what was heard so far.
func (e *ears) hush(t *testing.T) {
	t.Helper()
	ids := identities(t, e.lab)
	for _, name := range namespacesIn(e.lab) {
		inode := ids[provision.Namespace{Name: name}.Key()]
		if fd, ok := e.sockets[name]; ok && e.inodes[name] == inode {
			heard(t, fd)
			continue
		} else if ok {
			unix.Close(fd)
			delete(e.sockets, name)
		}
		err := netns.Do(name, func() error {
			fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
			if err != nil {
				return err
			}
			e.sockets[name], e.inodes[name] = fd, inode
			const rules = 1<<(unix.RTNLGRP_IPV4_RULE-1) | 1<<(unix.RTNLGRP_IPV6_RULE-1)
			return unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR |
				unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE | rules})
		})
		if err != nil && e.sockets[name] != 0 {
			t.Error(err)
		}
	}
}

// heard returns the types of the messages that are waiting.
func heard(t *testing.T, fd int) []uint16 {
	t.Helper()
	var types []uint16
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(fd, buf)
		if err != nil {
			return types
		}
		for b := buf[:n]; len(b) >= unix.SizeofNlMsghdr; {
			length := min(int(binary.NativeEndian.Uint32(b)), len(b))
			if kind := binary.NativeEndian.Uint16(b[4:]); !byItself(kind, b[unix.SizeofNlMsghdr:length]) {
				types = append(types, kind)
			}
			b = b[min((length+3)&^3, len(b)):]
		}
	}
}

// byItself reports whether a message is about a link-local or multicast address of
// IPv6, or a route to one: the kernel takes its time to find such an address
// unique, and tells when it has.
func byItself(kind uint16, body []byte) bool {
	attrs := unix.SizeofRtMsg // where the attributes begin
	if kind == unix.RTM_NEWADDR || kind == unix.RTM_DELADDR {
		attrs = unix.SizeofIfAddrmsg
	}
	if len(body) < attrs || body[0] != unix.AF_INET6 {
		return false
	}
	for b := body[attrs:]; len(b) >= unix.SizeofRtAttr; {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofRtAttr || length > len(b) {
			return false
		}
		// RTA_DST and IFA_ADDRESS are both 1.
		if addr, ok := netip.AddrFromSlice(b[unix.SizeofRtAttr:length]); ok && binary.NativeEndian.Uint16(b[2:]) == unix.RTA_DST {
			return addr.IsLinkLocalUnicast() || addr.IsMulticast()
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return false
}

// check wants no address, route or rule to have changed in a namespace that
// plan does not speak of.
func (e *ears) check(t *testing.T, plan provision.Plan) {
	t.Helper()
	spoken := map[string]bool{}
	for _, s := range plan.Steps {
		spoken[s.Object.Key().NS] = true
		for _, c := range s.Object.Claims() {
			spoken[c.NS] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.sockets)) {
		if types := heard(t, e.sockets[name]); len(types) > 0 && !spoken[name] {
			t.Errorf("something happened in %s: messages of type %v", strings.TrimPrefix(name, e.lab.Name+"."), types)
		}
	}
}
