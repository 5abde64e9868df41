package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"netlab/provision/netns"
)

// lookInside are the commands that show a namespace.
var lookInside = [][]string{
	{"ip", "-d", "-s", "link"}, {"ip", "addr"}, {"ip", "rule"}, {"ip", "-6", "rule"},
	{"ip", "route", "show", "table", "all"}, {"ip", "-6", "route", "show", "table", "all"}, {"ip", "neigh"}, {"ip", "netconf"},
	{"bridge", "-d", "link"}, {"bridge", "vlan"}, {"bridge", "fdb"}, {"tc", "-s", "qdisc"},
	{"iptables-save", "-c"}, {"ip6tables-save", "-c"}, {"nft", "list", "ruleset"}, {"conntrack", "-L"},
	{"ss", "-tuanpO"}, {"nstat", "-as"},
}

// maxNamespaces is how many namespaces are looked into one by one.
const maxNamespaces = 60

// namespaces adds what tools other than netlab see in each namespace.
func (e *evidence) namespaces(ctx context.Context) {
	names, err := netns.List(e.lab + ".")
	if err != nil {
		e.add("namespaces.txt", []byte(err.Error()+"\n"))
		return
	}
	e.add("namespaces.txt", []byte(strings.Join(names, "\n")+"\n"))
	for _, ns := range names[:min(len(names), maxNamespaces)] {
		var b bytes.Buffer
		for _, cmd := range lookInside {
			fmt.Fprintf(&b, "$ %s\n%s\n", strings.Join(cmd, " "), outputOf(ctx, ns, cmd))
		}
		for _, file := range []string{"hosts", "resolv.conf"} {
			if data, err := os.ReadFile(filepath.Join("/etc/netns", ns, file)); err == nil {
				fmt.Fprintf(&b, "$ cat /etc/%s\n%s\n", file, data)
			}
		}
		e.add("namespaces/"+ns+".txt", b.Bytes())
	}
}

// outputOf runs a command in a namespace, "" for the host's.
func outputOf(ctx context.Context, ns string, argv []string) []byte {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	path, err := lookPath(argv[0])
	if err != nil {
		return []byte(err.Error() + "\n")
	}
	var b bytes.Buffer
	cmd := exec.CommandContext(ctx, path, argv[1:]...)
	cmd.Stdout, cmd.Stderr = &b, &b
	if ns == "" {
		err = cmd.Run()
	} else if err = netns.Start(ns, cmd); err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		fmt.Fprintln(&b, err)
	}
	return b.Bytes()
}

// limits are the kernel parameters of the host that labs run into.
var limits = []string{
	"net/ipv4/neigh/default/gc_thresh1", "net/ipv4/neigh/default/gc_thresh2", "net/ipv4/neigh/default/gc_thresh3",
	"net/netfilter/nf_conntrack_max", "net/netfilter/nf_conntrack_count", "kernel/pid_max", "kernel/threads-max",
	"user/max_net_namespaces", "user/max_user_namespaces", "fs/file-max", "fs/nr_open", "net/core/devconf_inherit_init_net",
	"net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables", "kernel/apparmor_restrict_unprivileged_userns",
	"kernel/unprivileged_userns_clone", "net/core/rmem_max",
}

// hostFacts describes the host: kernel, programs and limits.
func hostFacts(ctx context.Context) []byte {
	var b bytes.Buffer
	for _, cmd := range [][]string{
		{"uname", "-a"}, {"cat", "/etc/os-release"}, {"id"}, {"iptables", "--version"}, {"ip", "-V"}, {"nproc"}, {"free", "-m"},
		{"uptime"}, {"cat", "/proc/self/uid_map"}, {"cat", "/proc/self/cgroup"}, {"sh", "-c", "ulimit -a"}, {"ip", "netns", "list"}, {"lsmod"},
	} {
		fmt.Fprintf(&b, "$ %s\n%s\n", strings.Join(cmd, " "), outputOf(ctx, "", cmd))
	}
	for _, name := range limits {
		data, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			data = []byte(errors.Unwrap(err).Error())
		}
		fmt.Fprintf(&b, "%s = %s\n", strings.ReplaceAll(name, "/", "."), bytes.TrimSpace(data))
	}
	if data, err := os.ReadFile("/proc/net/stat/arp_cache"); err == nil {
		fmt.Fprintf(&b, "\nneighbour table (hexadecimal, a line a processor):\n%s", data)
	}
	return b.Bytes()
}

// kernelLines is how many messages of the kernel are kept.
const kernelLines = 200

// kernelLog returns the last messages of the kernel, if this user may see them.
func kernelLog(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	path, err := lookPath("dmesg")
	if err != nil {
		return nil, err
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, path)
	cmd.Stderr = &errs
	data, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("dmesg: %w: %s", err, bytes.TrimSpace(errs.Bytes()))
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-kernelLines-1):], nil), nil
}
