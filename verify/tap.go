package verify

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

var tapEscapes = strings.NewReplacer(`\`, `\\`, `#`, `\#`, "\n", " ", "\r", " ")

// WriteTAP writes r in version 14 of the Test Anything Protocol.
func WriteTAP(w io.Writer, r Report) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "TAP version 14\n1..%d\n", len(r.Results))
	r.writeTAP(out, 0, "")
	return out.Flush()
}

// writeTAP writes the tests of r, named with a prefix, which follow the first
// so many, and returns the number of the last one.
func (r Report) writeTAP(out *bufio.Writer, number int, prefix string) int {
	r = r.reasons()
	for i := range r.Results {
		number++
		res := &r.Results[i]
		id := tapEscapes.Replace(prefix + res.Check.ID())
		switch res.Verdict {
		case Pass:
			fmt.Fprintf(out, "ok %d - %s\n", number, id)
		case Skip:
			fmt.Fprintf(out, "ok %d - %s # SKIP %s\n", number, id, tapEscapes.Replace(res.Reason))
		default:
			fmt.Fprintf(out, "not ok %d - %s\n  ---\n  message: %s\n  severity: %s\n", number, id, strconv.Quote(res.Reason), res.Verdict)
			if pos := res.Check.Place(); pos.Line > 0 {
				fmt.Fprintf(out, "  at:\n    file: %s\n    line: %d\n", strconv.Quote(r.File), pos.Line)
			}
			fmt.Fprint(out, "  ...\n")
		}
	}
	return number
}
