package verify

import (
	"bufio"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

// junitSuite has the attributes and elements that one or the other of the
// schemas in use demands, in the order they demand.
type junitSuite struct {
	Name       string      `xml:"name,attr"`
	Package    string      `xml:"package,attr"`
	ID         int         `xml:"id,attr"`
	Timestamp  string      `xml:"timestamp,attr"`
	Hostname   string      `xml:"hostname,attr"`
	Tests      int         `xml:"tests,attr"`
	Failures   int         `xml:"failures,attr"`
	Errors     int         `xml:"errors,attr"`
	Skipped    int         `xml:"skipped,attr"`
	Time       string      `xml:"time,attr"`
	Properties struct{}    `xml:"properties"`
	Cases      []junitCase `xml:"testcase"`
	Out        string      `xml:"system-out"`
	Err        string      `xml:"system-err"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Skipped *junitMessage `xml:"skipped"`
	Error   *junitMessage `xml:"error"`
	Failure *junitMessage `xml:"failure"`
}

type junitMessage struct {
	Message string `xml:"message,attr,omitempty"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes r as JUnit XML: one testsuite for each group of checks,
// one testcase for each check.
func WriteJUnit(w io.Writer, r Report) error {
	var doc junitSuites
	doc.add(r, "")
	return doc.write(w)
}

// add appends the suites of r, whose names begin with prefix.
func (doc *junitSuites) add(r Report, prefix string) {
	r = r.reasons()
	for i, results := range r.byGroup() {
		n := count(results)
		s := junitSuite{
			Name: prefix + string(results[0].Check.Group), Package: "netlab." + r.Lab, ID: len(doc.Suites),
			Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05"), Hostname: "localhost",
			Tests: n.Total(), Failures: n.Failed, Errors: n.Errors, Skipped: n.Skipped,
			Time: "0", Cases: make([]junitCase, len(results)),
		}
		if i == 0 { // checks of all groups run at once: the time is the run's
			s.Time = strconv.FormatFloat(r.Took.Seconds(), 'f', 3, 64)
		}
		for k := range results {
			s.Cases[k] = junitCaseOf(r.Lab, &results[k])
		}
		doc.Suites = append(doc.Suites, s)
	}
}

func (doc *junitSuites) write(w io.Writer) error {
	out := bufio.NewWriter(w)
	_, _ = out.WriteString(xml.Header)
	enc := xml.NewEncoder(out)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return err
	}
	_ = out.WriteByte('\n')
	return out.Flush()
}

func junitCaseOf(lab string, r *Result) junitCase {
	c := junitCase{Name: r.Check.ID(), Class: "netlab." + lab + "." + string(r.Check.Group), Time: "0"}
	m := &junitMessage{Message: printable(r.Reason), Type: string(r.Check.Kind), Text: printable(r.Reason)}
	switch r.Verdict {
	case Pass:
	case Skip:
		c.Skipped = &junitMessage{Message: m.Message}
	case Fail:
		c.Failure = m
	default:
		c.Error = m
	}
	return c
}

// printable replaces what XML cannot hold.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}
