package probe

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// TablesFull returns how often a neighbour table of the host had no place for
// another entry since it booted. There is one for IPv4 and one for IPv6, for all
// namespaces together.
func TablesFull() (int, error) {
	const (
		header    = 4 // struct ndtmsg
		stats     = 7 // NDTA_STATS
		fullsAt   = 8 * 10
		sizeStats = fullsAt + 8 // struct ndt_stats
	)
	req := nl.NewNetlinkRequest(unix.RTM_GETNEIGHTBL, unix.NLM_F_DUMP)
	req.AddData(&nl.RtGenMsg{})
	list, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil {
		return 0, fmt.Errorf("read the statistics of neighbour tables: %w", err)
	}
	total := 0
	for _, m := range list {
		if len(m) < header {
			continue
		}
		if s := inside(m[header:])[stats]; len(s) >= sizeStats {
			total += int(binary.NativeEndian.Uint64(s[fullsAt:]))
		}
	}
	return total, nil
}
