package netfilter

import (
	"bytes"
	"strings"
)

// Pieces cuts the output of [Script] into scripts of at most size lines for
// each table, to be run one after the other. Together they do the same, but
// not in one transaction.
//
// It is for where the kernel takes only so much at a time: a process without
// privilege over the host cannot raise the buffer of a netlink socket beyond
// net.core.wmem_max. Declarations, on which everything else rests, are never
// parted.
func Pieces(script []byte, size int) [][]byte {
	var pieces [][]byte
	var table string
	var lines []string
	flush := func() {
		if len(lines) > 0 {
			pieces = append(pieces, []byte(table+"\n"+strings.Join(lines, "\n")+"\nCOMMIT\n"))
			lines = nil
		}
	}
	for line := range bytes.Lines(script) {
		text := strings.TrimSuffix(string(line), "\n")
		switch {
		case strings.HasPrefix(text, "*"):
			table = text
		case text == "COMMIT":
			flush()
		default:
			if len(lines) >= size && !strings.HasPrefix(text, ":") {
				flush()
			}
			lines = append(lines, text)
		}
	}
	return pieces
}
