package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bridgeSysctls is where the parameters of br_netfilter are. The kernel loads
// every other module when it is asked for what the module does, but nothing
// asks for this one.
const bridgeSysctls = "/proc/sys/net/bridge"

// lacksBridgeNetfilter reports whether err says that the sysctl at path is
// missing because br_netfilter is.
func lacksBridgeNetfilter(path string, err error) bool {
	var missing *fs.PathError
	return errors.As(err, &missing) && missing.Path == path && errors.Is(err, fs.ErrNotExist) &&
		filepath.Dir(path) == bridgeSysctls
}

// loadBridgeNetfilter loads br_netfilter if it is not there.
func (h *Host) loadBridgeNetfilter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	program, err := readSysctl("/proc/sys/kernel/modprobe") // what the kernel itself uses
	if err != nil || !filepath.IsAbs(program) {
		program = "/sbin/modprobe"
	}
	return loadBridgeNetfilter(bridgeSysctls, program)
}

func loadBridgeNetfilter(dir, program string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	cmd := exec.Command(program, "br_netfilter")
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf(`the kernel module br_netfilter is not loaded: run "modprobe br_netfilter" as root of the host (netlab tried: %w: %s)`,
			err, strings.TrimSpace(string(out)))
	}
	// From now on the packets that the host's own bridges forward would meet
	// its iptables rules. They did not before.
	for _, what := range []string{"iptables", "ip6tables", "arptables"} {
		err := writeSysctl(filepath.Join(dir, "bridge-nf-call-"+what), "0")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keep the host's bridges as they were: %w", err)
		}
	}
	return nil
}
