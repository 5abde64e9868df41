package kernel

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadBridgeNetfilter(t *testing.T) {
	modprobe := func(script string) string {
		path := filepath.Join(t.TempDir(), "modprobe")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Run("loaded, and the host's bridges stay as they were", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "bridge")
		script := fmt.Sprintf("[ $# = 1 ] && [ $1 = br_netfilter ] && mkdir %[1]s && for f in iptables ip6tables; do echo 1 >%[1]s/bridge-nf-call-$f; done", dir)
		if err := loadBridgeNetfilter(dir, modprobe(script)); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
			if v, err := readSysctl(filepath.Join(dir, f)); err != nil || !strings.HasPrefix(v, "0") {
				t.Errorf("%s is %q, %v; want 0", f, v, err)
			}
		}
	})
	t.Run("there already", func(t *testing.T) {
		if err := loadBridgeNetfilter(t.TempDir(), "/nonexistent"); err != nil {
			t.Error(err)
		}
	})
	for name, program := range map[string]string{
		"not permitted": modprobe("echo 'Operation not permitted' >&2; exit 1"),
		"no modprobe":   "/nonexistent/modprobe",
	} {
		t.Run(name, func(t *testing.T) {
			err := loadBridgeNetfilter(filepath.Join(t.TempDir(), "bridge"), program)
			if err == nil || !strings.Contains(err.Error(), `run "modprobe br_netfilter" as root of the host`) {
				t.Errorf("%v: want the remedy", err)
			}
		})
	}
}

func TestLacksBridgeNetfilter(t *testing.T) {
	const path = bridgeSysctls + "/bridge-nf-call-iptables"
	missing := &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	for _, tt := range []struct {
		path string
		err  error
		want bool
	}{
		{path, missing, true},
		{path, nil, false},
		{path, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}, false},
		{path, &fs.PathError{Op: "open", Path: "/run/netns/gone", Err: fs.ErrNotExist}, false},
		{"/proc/sys/net/ipv4/ip_forward", &fs.PathError{Op: "open", Path: "/proc/sys/net/ipv4/ip_forward", Err: fs.ErrNotExist}, false},
	} {
		if got := lacksBridgeNetfilter(tt.path, tt.err); got != tt.want {
			t.Errorf("%s, %v: %v", tt.path, tt.err, got)
		}
	}
}
