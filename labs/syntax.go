package labs

import (
	"regexp"
	"strconv"
	"strings"
)

var yamlLine = regexp.MustCompile(`^line ([0-9]+): `)

// syntax reports an error of the YAML library in the author's words.
func (r *report) syntax(data []byte, err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := Place{}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		at.Pos.Line, _ = strconv.Atoi(m[1])
		at.Pos.Column = 1
		text = strings.TrimPrefix(text, m[0])
	}
	r.errorf(at, "", "is no YAML: %s", text)
}
