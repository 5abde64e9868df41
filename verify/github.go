package verify

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

var (
	githubData  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubValue = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// maxAnnotated is how many failures one annotation tells.
const maxAnnotated = 5

// WriteGitHub writes an annotation for each line of the lab file of which
// something failed, as GitHub Actions reads them. GitHub shows only a few
// annotations of a step, so failures of one line are told together.
func WriteGitHub(w io.Writer, r Report) error {
	out := bufio.NewWriter(w)
	for pos, text := range r.lines() {
		place := ""
		if r.File != "" && r.File != "-" {
			place = "file=" + githubValue.Replace(r.File) + ","
			if pos.Line > 0 {
				place += fmt.Sprintf("line=%d,col=%d,", pos.Line, pos.Column)
			}
		}
		title := fmt.Sprintf("netlab verify %s", r.Lab)
		fmt.Fprintf(out, "::error %stitle=%s::%s\n", place, githubValue.Replace(title), githubData.Replace(text))
	}
	return out.Flush()
}
