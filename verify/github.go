package verify

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"netlab/labs"
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
	r = r.reasons()
	at := map[labs.Pos][]*Result{}
	var order []labs.Pos
	for _, results := range r.byGroup() {
		for _, c := range causes(results, func(int) bool { return false }) {
			pos := c.place()
			if at[pos] == nil {
				order = append(order, pos)
			}
			at[pos] = append(at[pos], c.results...)
		}
	}
	out := bufio.NewWriter(w)
	for _, pos := range order {
		var text []string
		for i, res := range at[pos] {
			if i == maxAnnotated {
				text = append(text, fmt.Sprintf("and %d more", len(at[pos])-i))
				break
			}
			text = append(text, res.Check.ID()+": "+res.Reason)
		}
		place := ""
		if r.File != "" && r.File != "-" {
			place = "file=" + githubValue.Replace(r.File) + ","
			if pos.Line > 0 {
				place += fmt.Sprintf("line=%d,col=%d,", pos.Line, pos.Column)
			}
		}
		title := fmt.Sprintf("netlab verify %s", r.Lab)
		fmt.Fprintf(out, "::error %stitle=%s::%s\n", place, githubValue.Replace(title), githubData.Replace(strings.Join(text, "\n")))
	}
	return out.Flush()
}
