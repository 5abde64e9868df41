package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// labMemory returns the megabytes that the processes of the lab take together:
// those that have a file of its runtime directory or a namespace of it. Pages
// that several share count for each in part.
func labMemory() float64 {
	names, err := filepath.Glob("/run/netns/" + labName + ".*")
	if err != nil {
		return 0
	}
	inside := map[string]bool{}
	for _, n := range names {
		if fi, err := os.Stat(n); err == nil {
			inside[fmt.Sprint(inode(fi))] = true
		}
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var kB float64
	for _, d := range dirs {
		cmd, _ := os.ReadFile(filepath.Join(d, "cmdline"))
		ns, _ := os.Readlink(filepath.Join(d, "ns/net"))
		id := strings.TrimSuffix(strings.TrimPrefix(ns, "net:["), "]")
		if inside[id] || strings.Contains(string(cmd), "supervise\x00"+labName+"\x00") {
			kB += proportional(d)
		}
	}
	return kB / 1024
}

// proportional returns the kilobytes of a process.
func proportional(dir string) float64 {
	b, _ := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	for line := range strings.Lines(string(b)) {
		var v float64
		if _, err := fmt.Sscanf(line, "Pss: %f kB", &v); err == nil {
			return v
		}
	}
	return 0
}

func inode(fi fs.FileInfo) uint64 { return fi.Sys().(*syscall.Stat_t).Ino }
