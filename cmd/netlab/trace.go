package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision"
	"netlab/trace"
	"netlab/trace/capture"
)

func traceCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "trace",
		Usage:     "send one real packet and show its whole way, out and back",
		ArgsUsage: "LAB FROM TO[:PORT]",
		Description: labHelp + `

FROM is a pod, a node or a bridge; TO is one of these, a service, or an address.
Without a port TO is pinged. :PORT makes a TCP connection, :PORT/UDP sends one
UDP packet.

Examples:
   netlab trace two-node client web
   netlab trace two-node client pod/web --explain
   netlab trace two-node node-a 10.244.2.2:8080 -o html > way.html`,
		Flags: []cli.Flag{
			outputFlag("text"),
			&cli.BoolFlag{Name: "explain", Usage: "teach: a sentence about every decision"},
			&cli.BoolFlag{Name: "v", Usage: "show the bytes of the packets, decoded"},
			&cli.StringFlag{Name: "w", Usage: "also write the packets to `FILE`.pcapng, every interface by its name"},
			&cli.IntFlag{Name: "from-port", Usage: "source `PORT`"},
			&cli.IntFlag{Name: "size", Usage: "`BYTES` of payload of a ping or a UDP packet"},
			&cli.IntFlag{Name: "count", Value: 1, Usage: "trace `N` packets, one after the other"},
			&cli.StringFlag{Name: "http", Usage: "ask for `PATH` once the connection stands"},
			&cli.BoolFlag{Name: "reply", Value: true, Usage: "wait for an answer; --reply=false for one way"},
			&cli.BoolFlag{Name: "ipv6", Aliases: []string{"6"}, Usage: "prefer IPv6"},
			&cli.DurationFlag{Name: "wait", Value: time.Second, Usage: "how long to wait for an answer"},
			timingsFlag(),
		},
		Action: func(c *cli.Context) error {
			if err := args(c, "LAB", "FROM", "TO"); err != nil {
				return err
			}
			out := sys.output(c)
			lab, _, err := sys.load(c.Args().First())
			if err != nil {
				return err
			}
			return runTrace(c.Context, sys, lab, c, out)
		},
	}
}

func runTrace(ctx context.Context, sys system, lab *labs.Lab, c *cli.Context, out output) error {
	from, err := lab.Find(c.Args().Get(1))
	if err != nil {
		return usageError("FROM: %v", err)
	}
	to, err := lab.Target(c.Args().Get(2))
	if err != nil {
		return usageError("TO: %v", err)
	}
	ends, err := trace.EndsOf(lab, from, to, c.Bool("ipv6"))
	if err != nil {
		return usageError("%v", err)
	}
	desired := provision.Desired(lab)
	question := trace.Question{
		NS: ends.NS, Dst: ends.Dst, SrcPort: uint16(c.Int("from-port")), Proto: ends.Proto, VXLANPort: lab.Network.VXLANPort, OneWay: !c.Bool("reply"),
	}
	out.clock.start("paper")
	report := trace.Report{Lab: lab.Name, From: c.Args().Get(1), To: c.Args().Get(2), Names: trace.NamesOf(lab)}
	report.Expected = trace.Expected(desired, question)
	watch := trace.Watch(desired, report.Expected)
	out.clock.start("trace")
	ev, err := capture.Run(ctx, capture.Request{
		From: ends.NS, To: ends.Dst, Proto: ends.Proto, FromPort: uint16(c.Int("from-port")), Size: c.Int("size"), HTTP: c.String("http"),
		OneWay: !c.Bool("reply"), Wait: c.Duration("wait"), Watch: watch, VXLANPort: lab.Network.VXLANPort, Rules: saveRules,
	})
	if err != nil {
		return err
	}
	out.clock.start("explain")
	report.Trace = trace.Seen(&ev)
	report.Judge()
	if report.Lost() {
		h, err := sys.open(lab.Name)
		if err != nil {
			return err
		}
		defer h.Close()
		observed, err := h.Observe(ctx, desired.Hint())
		if err != nil {
			return err
		}
		report.Diagnose(desired, observed, question)
	}
	out.clock.stop()
	return trace.WriteText(out.stdout, report, trace.TextOptions{Color: out.color, Explain: c.Bool("explain"), Bytes: c.Bool("v")})
}
