package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/net/bpf"

	"netlab/trace"
	"netlab/trace/capture"
)

func captureCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "capture",
		Usage:     "show the packets that pass a pod, a node or a bridge",
		ArgsUsage: "LAB NAME[:IFACE] [FILTER...]",
		Description: `Without IFACE all interfaces are watched, so that a packet shows up once for each
that it passes. FILTER is written as for tcpdump, which must be installed to
compile it. It goes on until interrupted, or for as long as --count and
--duration say. With -w the packets go to a file that Wireshark opens.

Examples:
   netlab capture two-node client
   netlab capture two-node node-a:eth0 udp port 8472
   netlab capture two-node node-a -w node-a.pcapng
   netlab capture two-node client -w - | tshark -r -`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "write", Aliases: []string{"w"}, Usage: "write the packets to `FILE`, in the format pcapng; - is standard output"},
			&cli.UintFlag{Name: "count", Aliases: []string{"c"}, Usage: "stop after `N` packets"},
			&cli.DurationFlag{Name: "duration", Usage: "stop after `DURATION`"},
			outputFlag("text", "json"),
		},
		Action: func(c *cli.Context) error {
			if c.NArg() < 2 {
				return sys.argsOfLab(c, "LAB", "NAME")
			}
			if c.String("write") != "" && c.IsSet("output") {
				return usageError("-o and -w: packets are printed or written\n    hint: leave one of them out")
			}
			return captureIn(c.Context, sys, c)
		},
	}
}

// packetView is a packet in JSON, one object a line. It is part of the
// interface.
type packetView struct {
	Time      time.Time `json:"time"`
	Namespace string    `json:"netns"`
	Interface string    `json:"interface"`
	Direction string    `json:"direction"` // in or out
	Text      string    `json:"text"`
	Bytes     []byte    `json:"bytes"` // base64, from the Ethernet header on
}

func captureIn(ctx context.Context, sys system, c *cli.Context) error {
	lab, _, err := sys.load(c.Args().First())
	if err != nil {
		return err
	}
	name, iface, _ := strings.Cut(c.Args().Get(1), ":")
	ns, err := namespaceOf(lab, name)
	if err != nil {
		return err
	}
	if err := sys.mustBeUp(lab); err != nil {
		return err
	}
	filter, err := compileFilter(ctx, strings.Join(c.Args().Slice()[2:], " "))
	if err != nil {
		return err
	}
	if limit := c.Duration("duration"); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	out := sys.output(c)
	sink, err := out.packets(c.String("write"), trace.NamesOf(lab), lab.Network.VXLANPort)
	if err != nil {
		return err
	}
	var seen uint
	enough := errors.New("enough")
	ready := func() {
		fmt.Fprintf(sys.stderr, "capturing in %s; Ctrl-C ends it\n", ns)
	}
	lost, err := capture.Sniff(ctx, ns, iface, filter, ready, func(f trace.Frame) error {
		if err := sink.add(&f); err != nil {
			return err
		}
		if seen++; seen == c.Uint("count") {
			return enough
		}
		return nil
	})
	if errors.Is(err, enough) {
		err = nil
	}
	if err = errors.Join(err, sink.close()); err != nil {
		return err
	}
	text := fmt.Sprintf("%d packets", seen)
	if lost > 0 {
		text += fmt.Sprintf(", %d more were lost, because they came too fast", lost)
	}
	fmt.Fprintln(sys.stderr, text)
	return nil
}

// compileFilter has tcpdump turn a filter into what the kernel runs. The
// language is libpcap's, and nobody speaks it better.
func compileFilter(ctx context.Context, text string) ([]bpf.RawInstruction, error) {
	if text == "" {
		return nil, nil
	}
	path, err := lookPath("tcpdump")
	if err != nil {
		return nil, fmt.Errorf("a filter is compiled by tcpdump, which is not installed\n    hint: apt-get install tcpdump; or capture without a filter")
	}
	cmd := exec.CommandContext(ctx, path, "-y", "EN10MB", "-ddd", "--", text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	listing, err := cmd.Output()
	if err != nil {
		reason := strings.TrimPrefix(strings.TrimSpace(stderr.String()), "tcpdump: ")
		return nil, usageError("filter %q: %s\n    hint: man pcap-filter describes what can be written", text, reason)
	}
	var count int
	lines := bytes.NewReader(listing)
	if _, err := fmt.Fscanln(lines, &count); err != nil {
		return nil, fmt.Errorf("tcpdump -ddd: %w", err)
	}
	program := make([]bpf.RawInstruction, count)
	for i := range program {
		p := &program[i]
		if _, err := fmt.Fscanln(lines, &p.Op, &p.Jt, &p.Jf, &p.K); err != nil {
			return nil, fmt.Errorf("tcpdump -ddd: %w", err)
		}
	}
	return program, nil
}

// packetSink is where packets go.
type packetSink struct {
	add   func(*trace.Frame) error
	close func() error
}

// packets returns the sink for file, or standard output in a format that can be
// read as they come.
func (o output) packets(file string, names trace.Names, vxlanPort uint16) (packetSink, error) {
	if file != "" {
		return pcapngSink(file, o.stdout, names)
	}
	add := func(f *trace.Frame) error {
		_, err := fmt.Fprintln(o.stdout, f.Line(vxlanPort))
		return err
	}
	if o.format == "json" {
		add = func(f *trace.Frame) error {
			direction := "in"
			if f.Out {
				direction = "out"
			}
			return o.jsonLine(packetView{f.Time, f.NS, f.Iface, direction, f.Text(vxlanPort), f.Data})
		}
	}
	return packetSink{add, func() error { return nil }}, nil
}

// pcapngSink writes to a file so that somebody who reads along sees each packet
// at once.
func pcapngSink(file string, stdout io.Writer, names trace.Names) (packetSink, error) {
	w, closeFile := stdout, func() error { return nil }
	if file != "-" {
		f, err := os.Create(file)
		if err != nil {
			return packetSink{}, err
		}
		w, closeFile = f, f.Close
	}
	p := trace.NewPcapng(w, names, "netlab capture", "")
	return packetSink{
		add:   func(f *trace.Frame) error { return errors.Join(p.Add(f), p.Flush()) },
		close: func() error { return errors.Join(p.Flush(), closeFile()) },
	}, nil
}
