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
	r = r.reasons()
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "TAP version 14\n1..%d\n", len(r.Results))
	for i := range r.Results {
		res := &r.Results[i]
		id := tapEscapes.Replace(res.Check.ID())
		switch res.Verdict {
		case Pass:
			fmt.Fprintf(out, "ok %d - %s\n", i+1, id)
		case Skip:
			fmt.Fprintf(out, "ok %d - %s # SKIP %s\n", i+1, id, tapEscapes.Replace(res.Reason))
		default:
			fmt.Fprintf(out, "not ok %d - %s\n  ---\n  message: %s\n  severity: %s\n", i+1, id, strconv.Quote(res.Reason), res.Verdict)
			if pos := res.Check.Place(); pos.Line > 0 {
				fmt.Fprintf(out, "  at:\n    file: %s\n    line: %d\n", strconv.Quote(r.File), pos.Line)
			}
			fmt.Fprint(out, "  ...\n")
		}
	}
	return out.Flush()
}
