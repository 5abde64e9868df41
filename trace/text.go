package trace

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// TextOptions say how much a text tells.
type TextOptions struct {
	Color   bool
	Explain bool // a sentence about every decision
	Verbose bool // every rule that was met, and the packets' bytes
}

// WriteText writes a report for people: the verdict, then hop by hop the way
// there and back.
func WriteText(w io.Writer, r Report, opts TextOptions) error {
	t := text{w: bufio.NewWriter(w), r: &r, opts: opts}
	t.line("%s", t.strong(r.Verdict()))
	if r.Trace.Result.Answer != "" {
		t.line("it says: %s", r.Trace.Result.Answer)
	}
	t.path(r.Trace.There, "")
	if len(r.Trace.Back.Hops) > 0 {
		t.line("")
		t.line("%s", t.strong("and back"))
		t.path(r.Trace.Back, "")
	}
	t.close()
	return t.w.Flush()
}

// text writes one report.
type text struct {
	w    *bufio.Writer
	r    *Report
	opts TextOptions
	hops int
}

func (t *text) line(format string, args ...any) {
	fmt.Fprintln(t.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// path writes the hops of one direction, grouped by namespace.
func (t *text) path(p Path, _ string) {
	ns := ""
	var before *Header
	for i := range p.Hops {
		h := &p.Hops[i]
		if h.NS != ns {
			ns = h.NS
			t.line("")
			t.line("%s", t.strong(t.r.Names.Title(ns)))
		}
		t.hops++
		t.hop(h, before)
		before = &h.Header
	}
}

// hop writes one hop and what was decided there.
func (t *text) hop(h *Hop, before *Header) {
	where := "makes"
	if h.Dir != Made {
		where = string(h.Dir) + " " + h.Iface
	}
	dir := map[Dir]string{Made: "●", Out: "→", In: "←"}[h.Dir]
	t.line("%4d %s %-20s %s  %s", t.hops, dir, where, t.header(&h.Header, before), t.faint(duration(h.After)))
	for _, f := range h.Facts {
		lines := describe(f)
		if rules, ok := f.(Filtered); ok && t.opts.Verbose {
			lines = rules.every()
		}
		for _, l := range lines {
			t.line("         %s  %s", t.faint(fmt.Sprintf("%-10s", l.label)), l.text)
		}
		if t.opts.Explain {
			for _, l := range explain(f) {
				t.line("         %s  %s", strings.Repeat(" ", 10), t.faint(l))
			}
		}
	}
	if t.opts.Verbose && h.Data != nil {
		for line := range strings.Lines(Dump(h.Data, t.r.VXLANPort)) {
			t.line("         %s", t.faint(strings.TrimRight(line, "\n")))
		}
	}
}

// header writes a packet and marks what changed since the hop before.
func (t *text) header(h, before *Header) string {
	src, dst, ttl := endText(h.source()), endText(h.destination()), fmt.Sprintf("ttl %d", h.TTL)
	if before != nil && (before.Inner == nil) == (h.Inner == nil) && before.Proto == h.Proto {
		src = t.mark(src, before.Src.IsValid() && before.source() != h.source())
		dst = t.mark(dst, before.destination() != h.destination())
		ttl = t.mark(ttl, before.TTL != h.TTL)
	}
	s := src + " → " + dst
	if h.TTL != 0 {
		s += "  " + ttl
	}
	s += "  " + t.mark(h.What(), before != nil && before.Inner == nil && h.Inner != nil)
	if h.Inner != nil {
		s += fmt.Sprintf(" vni %d [%s]", h.VNI, t.header(h.Inner, nil))
	}
	return s
}

// close writes the last line: what became of the packet where it was lost, and
// where the way differs from the expected one.
func (t *text) close() {
	if last := t.r.LastLine(); last != "" {
		t.line("")
		t.line("%s", t.strong(last))
	}
}

func (t *text) style(code, s string) string {
	if !t.opts.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *text) strong(s string) string { return t.style("1", s) }

func (t *text) faint(s string) string {
	if s == "" {
		return ""
	}
	return t.style("2", s)
}

// mark shows that something changed, also to those who see no colours.
func (t *text) mark(s string, changed bool) string {
	if !changed {
		return s
	}
	return t.style("1;33", "*"+s+"*")
}

func duration(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf("%.3f ms", float64(d.Nanoseconds())/1e6)
}
