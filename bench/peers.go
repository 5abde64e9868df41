package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// raisedByMininet are the parameters of the host that Mininet changes and leaves so
// (fixLimits in mininet/util.py).
var raisedByMininet = []string{
	"/proc/sys/fs/file-max", "/proc/sys/kernel/pty/max", "/proc/sys/net/core/netdev_max_backlog", "/proc/sys/net/core/rmem_max", "/proc/sys/net/core/wmem_max",
	"/proc/sys/net/ipv4/neigh/default/gc_thresh1", "/proc/sys/net/ipv4/neigh/default/gc_thresh2", "/proc/sys/net/ipv4/neigh/default/gc_thresh3",
	"/proc/sys/net/ipv4/route/max_size", "/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem",
}

// peers measures what people would use instead, where it is installed: hosts on
// one bridge, made, pinged by each other, and dropped.
//
// Mininet does all of it in one process, so that its pings are what a run with
// them takes longer than one without.
func (b *suite) peers() (err error) {
	if _, err := exec.LookPath("mn"); err != nil {
		fmt.Println("\nMininet is not installed (apt-get install mininet bridge-utils): not measured. tinet and gont are in no package registry.")
		return nil
	}
	restore, err := keep(raisedByMininet)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	sizes := []int{10, 30, 100}
	if b.quick {
		sizes = sizes[:1]
	}
	for _, hosts := range sizes {
		f, err := b.prepare(size{pods: hosts, nodes: 1}, "")
		if err != nil {
			return err
		}
		mininet := func(test string) []string {
			return []string{"mn", "--switch", "lxbr", "--controller", "none", "--topo", fmt.Sprintf("single,%d", hosts), "--test", test}
		}
		const bareRun, pingRun = "mn, up and down", "mn, up, pingall and down"
		var m series
		rounds := b.rounds
		if hosts > 30 {
			rounds = 1 // its pings are made one after the other: three minutes
		}
		for range rounds {
			for _, step := range []func() error{
				func() error { return m.take(bareRun, mininet("none")...) },
				func() error { return m.take(pingRun, mininet("pingall")...) },
				func() error { return m.take("up", b.netlab, "up", f.lab) },
				func() error { return m.take("verify --only pods", b.netlab, "verify", "--only", "pods", labName) },
				func() error { return m.take("down", b.netlab, "down", labName) },
			} {
				if err := step(); err != nil {
					return err
				}
			}
		}
		ratios := m.print(os.Stdout, fmt.Sprintf("%d hosts on one bridge, beside Mininet", hosts), map[string]bound{
			"up":                 {map[string]float64{bareRun: 1}, 0},
			"verify --only pods": {map[string]float64{pingRun: 1, bareRun: -1}, 0},
		})
		pairs := float64(hosts * (hosts - 1))
		seconds := (m.median(pingRun).wall - m.median(bareRun).wall) / 1000
		fmt.Printf("\npairs a second: pingall %.0f, netlab %.0f (a verification takes 1/%.0f of a pingall)\n",
			pairs/seconds, pairs/m.median("verify --only pods").wall*1000, 1/ratios["verify --only pods"])
	}
	return nil
}
