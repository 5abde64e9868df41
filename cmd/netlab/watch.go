package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// leastInterval bounds how often a watch looks.
const leastInterval = 100 * time.Millisecond

func watchFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "look again and again until interrupted; on a terminal in place, otherwise a line for each change"},
		&cli.DurationFlag{Name: "interval", Value: 2 * time.Second, Usage: "with --watch: look every `DURATION`"},
		&cli.BoolFlag{Name: "verify", Usage: "run the checks, too"},
	}
}

// watch shows the labs that list returns and how they are, until ctx ends.
func (sys system) watch(c *cli.Context, out output, list func(host) (class, error)) error {
	if out.format == "yaml" || out.format == "wide" {
		return usageError("--watch has no -o %s\n    hint: -o json writes a line for each look that found something else", out.format)
	}
	h, err := sys.open("")
	if err != nil {
		return err
	}
	defer h.Close()
	w := watcher{
		out: out, h: h, list: list, jobs: parallel(c), look: healthOf(c.Bool("verify"), parallel(c)),
		now: time.Now, known: map[string]string{},
	}
	screen := isTerminal(out.stdout) && sys.getenv("TERM") != "dumb" && out.format != "json"
	tick := time.NewTicker(max(c.Duration("interval"), leastInterval))
	defer tick.Stop()
	for {
		view, err := w.once(c.Context)
		if c.Err() != nil {
			return nil // that is how people end it
		}
		if err != nil {
			return err
		}
		if screen {
			err = w.draw(view)
		} else {
			err = w.tell(view)
		}
		if err != nil {
			return err
		}
		h.Rest() // what is held open, others could not remove
		select {
		case <-c.Done():
			return nil
		case <-tick.C:
		}
	}
}

// watcher looks at labs and remembers what it saw.
type watcher struct {
	out   output
	h     host
	list  func(host) (class, error)
	look  work
	jobs  int
	now   func() time.Time
	known map[string]string // state and detail, by name
}

// once looks at all labs. One that was there and is gone is down.
func (w *watcher) once(ctx context.Context) (classView, error) {
	cl, err := w.list(w.h)
	if err != nil {
		return classView{}, err
	}
	quiet := w.out
	quiet.terminal, quiet.clock = false, &clock{}
	view := cl.run(ctx, w.h, quiet, w.jobs, w.look)
	for name := range w.known {
		if !slices.ContainsFunc(view.Instances, func(i instanceView) bool { return i.Name == name }) {
			view.Instances = append(view.Instances, instanceView{Name: name, State: "down"})
		}
	}
	slices.SortStableFunc(view.Instances, func(a, b instanceView) int { return strings.Compare(a.Name, b.Name) })
	return view, nil
}

// tell writes a line for each lab that is not as it was.
func (w *watcher) tell(view classView) error {
	var changed []instanceView
	for _, i := range view.Instances {
		text := strings.TrimSpace(i.State + "  " + i.Detail)
		if w.known[i.Name] == text {
			continue
		}
		w.known[i.Name] = text
		changed = append(changed, i)
		if w.out.format == "json" {
			continue
		}
		if _, err := fmt.Fprintf(w.out.stdout, "%s  %s  %s\n", w.now().Format(time.TimeOnly), i.Name, text); err != nil {
			return err
		}
	}
	if w.out.format != "json" || len(changed) == 0 {
		return nil
	}
	view.Instances = changed
	e := json.NewEncoder(w.out.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(view)
}

// draw writes the table over the last one. Where the screen is too small for
// all labs, those that are not well come first.
func (w *watcher) draw(view classView) error {
	for _, i := range view.Instances {
		w.known[i.Name] = i.State
	}
	width, height := 80, 24
	if x, y, err := term.GetSize(int(fileOf(w.out.stdout).Fd())); err == nil && x > 0 && y > 0 {
		width, height = x, y
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s  %s  (Ctrl-C ends)\n\n", w.now().Format(time.TimeOnly), view.summary())
	more := 0
	if room := height - 5; len(view.Instances) > room && room > 0 {
		slices.SortStableFunc(view.Instances, func(a, b instanceView) int { return order(a) - order(b) })
		more = len(view.Instances) - room
		view.Instances = view.Instances[:room]
	}
	unfolded := w.out
	unfolded.stdout = io.Discard
	b.WriteString(view.table(unfolded))
	if more > 0 {
		fmt.Fprintf(&b, "… and %d more\n", more)
	}
	return paintOver(w.out.stdout, b.String(), width)
}

// order is where a lab stands on a screen that is too small: trouble first.
func order(i instanceView) int {
	switch {
	case i.State == "up" && i.Detail == "":
		return 2
	case i.State == "up":
		return 1
	}
	return 0
}

// paintOver writes text from the top left corner and leaves nothing of what
// was there. It goes out in one piece, so that nothing flickers.
func paintOver(w io.Writer, text string, width int) error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for line := range strings.Lines(text) {
		b.WriteString(cut(strings.TrimSuffix(line, "\n"), width) + "\x1b[K\r\n")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(w, b.String())
	return err
}

// cut shortens a line to what a terminal shows in one, colours not counted.
func cut(line string, width int) string {
	seen, inside := 0, false
	for i, r := range line {
		switch {
		case r == '\x1b':
			inside = true
		case inside:
			inside = r != 'm'
		default:
			if seen++; seen > width {
				return line[:i] + "\x1b[0m"
			}
		}
	}
	return line
}

// watchLabs shows how a lab is, or all on this host, in one line each: once, or
// with --watch again and again.
func (sys system) watchLabs(c *cli.Context, out output) error {
	list := sys.labsUp
	if c.NArg() == 1 {
		lab, src, err := sys.load(c.Args().First())
		if err != nil {
			return err
		}
		list = func(h host) (class, error) {
			names, err := h.Labs()
			return class{lab: lab.Name, members: []member{{name: lab.Name, up: contains(names, lab.Name), src: src, lab: lab}}}, err
		}
	}
	if c.Bool("watch") {
		return sys.watch(c, out, list)
	}
	h, err := sys.open("")
	if err != nil {
		return err
	}
	defer h.Close()
	cl, err := list(h)
	if err != nil {
		return err
	}
	view := cl.run(c.Context, h, out, parallel(c), healthOf(true, parallel(c)))
	if out.format == "yaml" {
		return out.yaml(view)
	}
	return out.class(view)
}

// labsUp lists the labs that are on this host, for a watch over all of them.
func (sys system) labsUp(h host) (class, error) {
	names, err := h.Labs()
	if err != nil {
		return class{}, err
	}
	var cl class
	for _, name := range names {
		cl.members = append(cl.members, sys.memberOf(h, name))
	}
	return cl, nil
}

// memberOf is a lab that is no instance of another, or may be one.
func (sys system) memberOf(h host, name string) member {
	m := member{name: name, up: true}
	file, data, err := h.LoadLab(name)
	if err != nil {
		m.err = fmt.Errorf("its file is not known; \"netlab down %s\" removes it", name)
		return m
	}
	m.src = source{file: file, data: data, name: name}
	lab, diagnostics := m.src.lab()
	if m.lab = lab; lab == nil {
		m.err = diagnostics
	}
	return m
}
