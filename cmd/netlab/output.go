package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
	"gopkg.in/yaml.v3"

	"netlab/provision"
)

func outputFlag(formats ...string) cli.Flag {
	return &cli.StringFlag{
		Name: "output", Aliases: []string{"o"}, Value: formats[0],
		Usage: "`FORMAT` of the result: " + strings.Join(formats, ", "),
		Action: func(_ *cli.Context, v string) error {
			if !slices.Contains(formats, v) {
				return usageError("-o %s: there is no such format\n    hint: %s", v, didYouMean(v, formats))
			}
			return nil
		},
	}
}

func timingsFlag() cli.Flag {
	return &cli.BoolFlag{Name: "timings", Usage: "say where the time went"}
}

func commandsFlag() cli.Flag {
	return &cli.BoolFlag{Name: "print-commands", Usage: "show the ip, bridge, sysctl and iptables commands that would do the same by hand"}
}

// output is how one run speaks: data to stdout, everything else to stderr.
type output struct {
	stdout, stderr io.Writer
	format         string
	quiet          bool
	verbose        bool
	commands       bool
	color          bool // stdout is a terminal that wants colours
	terminal       bool // stderr is a terminal: progress may be shown
	clock          *clock
	program        string // how the user calls this program
	rootless       bool   // the labs are in a user namespace
}

func (sys system) output(c *cli.Context) output {
	o := output{
		stdout: sys.forPeople(sys.stdout, c.String("output")), stderr: sys.stderr, format: c.String("output"),
		quiet: c.Bool("quiet"), verbose: c.Bool("verbose"), commands: c.Bool("print-commands"),
		color:    isTerminal(sys.stdout) && sys.getenv("NO_COLOR") == "" && sys.getenv("TERM") != "dumb",
		terminal: isTerminal(sys.stderr) && sys.getenv("TERM") != "dumb",
		clock:    &clock{},
		program:  programName(),
		rootless: sys.world != nil && sys.world.Inside(),
	}
	if c.Bool("timings") {
		o.clock.out = sys.stderr
	}
	return o
}

// forPeople returns w for output of some format. Text keeps to ASCII where the
// locale has nothing else; what programs read is UTF-8 everywhere.
func (sys system) forPeople(w io.Writer, format string) io.Writer {
	if !utf8Locale(sys.getenv) && (format == "" || format == "text" || format == "table" || format == "wide") {
		return asciiWriter{w}
	}
	return w
}

// programName returns the name by which this program can be called again.
func programName() string {
	if _, err := exec.LookPath("netlab"); err != nil && strings.Contains(os.Args[0], "/") {
		return os.Args[0]
	}
	return "netlab"
}

// confirm asks on the terminal. Where nobody can answer it means no.
func (sys system) confirm(question string) bool {
	in, ok := sys.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return false
	}
	fmt.Fprintf(sys.stderr, "%s [y/N] ", question)
	line, _ := bufio.NewReader(in).ReadString('\n')
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y")
}

func (o output) json(v any) error {
	e := json.NewEncoder(o.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// jsonLine prints a value on a line of its own, for output that has no end.
func (o output) jsonLine(v any) error {
	e := json.NewEncoder(o.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// clock tells where the time of a run went.
type clock struct {
	out   io.Writer // nil: nobody wants to know
	began time.Time
	phase string
	since time.Time
}

// start ends the phase that runs and begins another.
func (c *clock) start(phase string) {
	c.stop()
	c.phase, c.since = phase, time.Now()
	if c.began.IsZero() {
		c.began = c.since
	}
}

// stop ends the phase that runs.
func (c *clock) stop() {
	if c.phase != "" && c.out != nil {
		fmt.Fprintf(c.out, "%-10s %8.1f ms\n", c.phase, float64(time.Since(c.since).Microseconds())/1000)
	}
	c.phase = ""
}

// elapsed is the time since the first phase began.
func (c *clock) elapsed() time.Duration {
	if c.began.IsZero() {
		return 0
	}
	return time.Since(c.began)
}

// progress shows on a terminal how far a plan has come. It appears only when
// the work takes long enough to be noticed.
type progress struct {
	mu       sync.Mutex
	out      io.Writer
	what     string // is counted
	total    int
	steps    int
	began    time.Time
	drawn    time.Time
	commands io.Writer
}

const (
	progressAfter = 300 * time.Millisecond
	progressEvery = 100 * time.Millisecond
)

func (o output) progress(total int) *progress {
	p := &progress{what: "steps", total: total, began: time.Now()}
	if o.terminal && !o.quiet && o.format == "text" {
		p.out = o.stderr
	}
	if o.commands {
		p.commands = o.stderr
	}
	return p
}

func (p *progress) step(s provision.Step, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.commands != nil && err == nil {
		for _, line := range provision.Commands(s) {
			fmt.Fprintln(p.commands, line)
		}
	}
	p.count()
}

// one counts one more.
func (p *progress) one() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count()
}

// count counts one more. The caller holds mu.
func (p *progress) count() {
	p.steps++
	now := time.Now()
	if p.out != nil && now.Sub(p.began) > progressAfter && now.Sub(p.drawn) > progressEvery {
		p.drawn = now
		fmt.Fprintf(p.out, "\r\x1b[K%d of %d %s", p.steps, p.total, p.what)
	}
}

// done takes the progress line away.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.drawn.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

func join(list []string) string { return strings.Join(list, ", ") }

// yaml prints v with the keys that it has in JSON.
func (o output) yaml(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var node yaml.Node // JSON is YAML; the node keeps the order of the keys
	if err := yaml.Unmarshal(data, &node); err != nil {
		return err
	}
	blockStyle(&node)
	e := yaml.NewEncoder(o.stdout)
	e.SetIndent(2)
	return e.Encode(&node)
}

// blockStyle takes JSON's braces and quotes off a document.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		blockStyle(c)
	}
}
