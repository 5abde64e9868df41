package kernel

import (
	"context"
	"fmt"
	"strings"

	"netlab/provision/netfilter"
)

// pieceLines is how many lines of rules surely fit into the buffer of a netlink
// socket of usual size (212992 bytes; a rule takes about 500).
const pieceLines = 128

// writeRules turns the rules from into the rules to, in one transaction a
// table. Where the kernel takes no transaction of that size, as from a process
// without privilege over the host, it is cut into several.
func (h *Host) writeRules(ctx context.Context, ns string, ipv6 bool, from, to netfilter.Text) error {
	script := netfilter.Script(from, to)
	if len(script) == 0 {
		return nil
	}
	if err := h.dir.make(labOf(ns)); err != nil { // the lock is there
		return err
	}
	restore := program("restore", ipv6)
	_, err := h.runTables(ctx, ns, restore, script, "--noflush", "-w")
	if err == nil || !strings.Contains(err.Error(), "Message too long") {
		return err
	}
	// One table may have got through, and jumps must not be inserted twice.
	list, err := h.readRules(ctx, ns, ipv6)
	if err != nil {
		return fmt.Errorf("read what is there: %w", err)
	}
	for _, piece := range netfilter.Pieces(netfilter.Script(list.owned, to), pieceLines) {
		if _, err := h.runTables(ctx, ns, restore, piece, "--noflush", "-w"); err != nil {
			return err
		}
	}
	return nil
}
