package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// ErrNotHost says that a parameter of the whole host cannot be seen from this
// network namespace.
var ErrNotHost = errors.New("the limits of the neighbour table belong to the host: they can be changed only from its own network namespace, by root")

// RaiseNeighbourLimits makes room for so many more entries in the neighbour
// tables, which all namespaces of the host share, and returns how to take that
// back. Limits that are higher already stay. Whoever is killed before restoring
// them leaves them raised.
func RaiseNeighbourLimits(entries int) (restore func() error, err error) {
	var undo []func() error
	restore = func() error {
		var errs []error
		for i := len(undo) - 1; i >= 0; i-- {
			errs = append(errs, undo[i]())
		}
		undo = nil
		return errors.Join(errs...)
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		// The highest first: above the second one the kernel collects what was not
		// used for five seconds, above the third one it refuses more.
		for _, name := range []string{"gc_thresh3", "gc_thresh2"} {
			path := "/proc/sys/net/" + family + "/neigh/default/" + name
			was, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				if family == "ipv6" && len(undo) > 0 {
					break // a host without IPv6
				}
				return nil, ErrNotHost
			}
			if err != nil {
				return nil, errors.Join(err, restore())
			}
			value := strings.TrimSpace(string(was))
			now, err := strconv.Atoi(value)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("%s is %q", path, value), restore())
			}
			if now >= 2*entries {
				continue
			}
			if err := writeSysctl(path, strconv.Itoa(now+2*entries)); err != nil {
				return nil, errors.Join(fmt.Errorf("raise the limit of the neighbour table: %w", err), restore())
			}
			undo = append(undo, func() error { return writeSysctl(path, value) })
		}
	}
	return restore, nil
}
