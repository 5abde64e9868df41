package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision"
	"netlab/trace"
	"netlab/trace/capture"
)

// tracer is one run of netlab trace.
type tracer struct {
	sys      system
	c        *cli.Context
	out      output
	lab      *labs.Lab
	from, to string
	ends     trace.Ends

	question trace.Question
	ways     []trace.Way
	watch    []string
}

func (t *tracer) run(ctx context.Context) error {
	t.out.clock.start("paper")
	desired := provision.Desired(trace.Concerning(t.lab, t.ends.Dst))
	t.question = trace.Question{
		NS: t.ends.NS, Dst: t.ends.Dst, SrcPort: uint16(t.c.Uint("from-port")), Proto: t.ends.Proto,
		VXLANPort: portOf(t.lab), OneWay: !t.c.Bool("reply"),
	}
	t.ways = trace.Expected(desired, t.question)
	t.watch = trace.Watch(desired, t.ways)
	var reports []trace.Report
	var first trace.Evidence
	for i := range t.c.Uint("count") {
		r, ev, err := t.one(ctx)
		if err != nil {
			return err
		}
		if reports = append(reports, r); i == 0 {
			first = ev
		}
	}
	t.out.clock.stop()
	if file := t.c.String("write"); file != "" {
		if err := writeCapture(file, &first, &reports[0]); err != nil {
			return err
		}
	}
	if err := t.print(reports); err != nil {
		return err
	}
	if slices.ContainsFunc(reports, func(r trace.Report) bool { return !r.AsExpected() }) {
		return &codeError{exitDiffers, nil}
	}
	return nil
}

// one traces one packet.
func (t *tracer) one(ctx context.Context) (trace.Report, trace.Evidence, error) {
	t.out.clock.start("trace")
	ev, err := capture.Run(ctx, capture.Request{
		From: t.ends.NS, To: t.ends.Dst, Proto: t.ends.Proto, FromPort: uint16(t.c.Uint("from-port")), Size: int(t.c.Uint("size")),
		HTTP: t.c.String("http"), OneWay: !t.c.Bool("reply"), Wait: t.c.Duration("wait"), Watch: t.watch,
		VXLANPort: portOf(t.lab), AnswerPorts: t.answerPorts(), Listen: t.listeners(), Rules: saveRules,
	})
	r := trace.Report{Lab: t.lab.Name, From: t.from, To: t.to, Names: trace.NamesOf(t.lab), Expected: t.ways, VXLANPort: portOf(t.lab)}
	if errors.Is(err, fs.ErrPermission) {
		h, why := t.sys.open(t.lab.Name)
		if why != nil { // it says what to do
			return r, ev, why
		}
		h.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		if down := t.sys.mustBeUp(t.lab); down != nil {
			return r, ev, down
		}
		return r, ev, fmt.Errorf("%w\n    hint: netlab up %s", err, callAs(t.lab))
	}
	if err != nil {
		return r, ev, err
	}
	t.out.clock.start("explain")
	r.Trace = trace.Seen(&ev)
	r.Judge()
	if !r.AsExpected() {
		err = t.diagnose(ctx, &r)
	}
	return r, ev, err
}

// diagnose looks at the whole lab for what is to blame.
func (t *tracer) diagnose(ctx context.Context, r *trace.Report) error {
	h, err := t.sys.open(t.lab.Name)
	if err != nil {
		return err
	}
	defer h.Close()
	desired := provision.Desired(t.lab)
	observed, err := h.Observe(ctx, desired.Hint())
	if err != nil {
		return err
	}
	r.Diagnose(desired, observed, t.question)
	return nil
}

// answerPorts lists the ports that answers may come from.
func (t *tracer) answerPorts() []uint16 {
	if t.ends.Proto != trace.ProtoUDP {
		return nil
	}
	ports := []uint16{t.ends.Dst.Port()}
	for _, w := range t.ways {
		if p := w.Target().Port(); p != 0 && !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	return ports
}

// listeners lists where servers have to be for the packet to be answered.
func (t *tracer) listeners() []capture.Listener {
	if !t.c.Bool("listen") || t.ends.Dst.Port() == 0 {
		return nil
	}
	var list []capture.Listener
	for _, w := range t.ways {
		l := capture.Listener{NS: w.There.End.NS, At: w.Target(), Proto: t.ends.Proto}
		if w.There.End.Kind == trace.Delivered && !slices.Contains(list, l) {
			list = append(list, l)
		}
	}
	return list
}

// print shows the reports in the format that was asked for.
func (t *tracer) print(reports []trace.Report) error {
	w := t.out.stdout
	switch t.out.format {
	case "json":
		if len(reports) == 1 {
			return trace.WriteJSON(w, reports[0])
		}
		return trace.WriteJSONList(w, reports)
	case "mermaid":
		return trace.WriteMermaid(w, reports[0])
	case "html":
		return trace.WriteHTML(w, reports[0])
	}
	opts := trace.TextOptions{Color: t.out.color, Explain: t.c.Bool("explain"), Verbose: t.c.Bool("verbose")}
	if err := trace.WriteText(w, reports[0], opts); err != nil {
		return err
	}
	for i, r := range reports[1:] {
		if i == 0 {
			fmt.Fprintln(w)
		}
		if _, err := fmt.Fprintln(w, r.Verdict()); err != nil {
			return err
		}
	}
	return nil
}

// writeCapture writes the packets that were seen to a file.
func writeCapture(path string, ev *trace.Evidence, r *trace.Report) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(trace.WritePcapng(f, ev, r.Names, r.Verdict()), f.Close())
}
