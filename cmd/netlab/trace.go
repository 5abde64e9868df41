package main

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/trace"
)

func traceCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "trace",
		Usage:     "send one real packet and show its whole way, out and back",
		ArgsUsage: "LAB FROM TO[:PORT]",
		Description: labHelp + `

FROM is a pod, a node or a bridge; TO is one of these, a service, or an address.
Without a port TO is pinged. :PORT makes a TCP connection, :PORT/UDP sends one
UDP packet. Exit code 3 if the packet's way is not the one that follows from the
lab file.

Examples:
   netlab trace two-node client svc/web
   netlab trace two-node client pod/web --explain
   netlab trace two-node node-a 10.244.2.2:8080 -o html > way.html
   netlab trace two-node client svc/web -w way.pcapng`,
		Flags: []cli.Flag{
			outputFlag("text", "json", "mermaid", "html"),
			&cli.BoolFlag{Name: "explain", Usage: "teach: what every decision means, with the numbers of this packet"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "show every rule that was met, and the packets' bytes, decoded"},
			&cli.StringFlag{Name: "write", Aliases: []string{"w"}, Usage: "also write the packets to `FILE`, in the format pcapng, with one interface for each of the lab's"},
			&cli.UintFlag{Name: "from-port", Usage: "source `PORT`"},
			&cli.UintFlag{Name: "size", Usage: "`BYTES` of payload of a ping or a UDP packet"},
			&cli.UintFlag{Name: "count", Value: 1, Usage: "trace `N` packets one after the other, and show the way of the first"},
			&cli.StringFlag{Name: "http", Usage: "ask for `PATH` once the connection stands"},
			&cli.BoolFlag{Name: "reply", Value: true, Usage: "wait for an answer; --reply=false for one way"},
			&cli.BoolFlag{Name: "listen", Usage: "put a server at the destination for as long as the trace takes, where nothing listens"},
			&cli.BoolFlag{Name: "ipv6", Aliases: []string{"6"}, Usage: "prefer IPv6 where both ends have it"},
			&cli.DurationFlag{Name: "wait", Value: time.Second, Usage: "wait `DURATION` for an answer"},
			timingsFlag(),
		},
		Action: func(c *cli.Context) error {
			if err := sys.argsOfLab(c, "LAB", "FROM", "TO"); err != nil {
				return err
			}
			t := tracer{sys: sys, c: c, out: sys.output(c)}
			var err error
			if t.lab, _, err = sys.load(c.Args().First()); err != nil {
				return err
			}
			t.lab = sys.asReady(t.lab)
			if err := t.read(); err != nil {
				return err
			}
			return t.run(c.Context)
		},
	}
}

// read reads the ends and the flags.
func (t *tracer) read() error {
	t.from, t.to = t.c.Args().Get(1), t.c.Args().Get(2)
	from, err := t.sender()
	if err != nil {
		return usageError("FROM: %v", err)
	}
	to, err := t.lab.Target(t.to)
	if err != nil {
		return usageError("TO: %v", err)
	}
	if t.ends, err = trace.EndsOf(t.lab, from, to, t.c.Bool("ipv6")); err != nil {
		return usageError("%v", err)
	}
	const longest = 65000
	switch {
	case t.c.Uint("from-port") > 65535:
		return usageError("--from-port %d: ports go up to 65535", t.c.Uint("from-port"))
	case t.c.Uint("from-port") != 0 && to.Port == 0:
		return usageError("--from-port: a ping has no ports\n    hint: write %s:PORT", t.to)
	case t.c.Uint("size") > longest:
		return usageError("--size %d: a packet takes %d bytes at most", t.c.Uint("size"), longest)
	case t.c.Uint("size") != 0 && t.ends.Proto == trace.ProtoTCP:
		return usageError("--size: the first packet of a TCP connection carries nothing\n    hint: --size is for pings and for TO:PORT/UDP")
	case t.c.String("http") != "" && t.ends.Proto != trace.ProtoTCP:
		return usageError("--http: only a TCP connection carries a request\n    hint: write %s:PORT", t.to)
	case t.c.Uint("count") == 0:
		return usageError("--count 0: there is nothing to do")
	case t.c.Uint("count") > 1 && (t.out.format == "html" || t.out.format == "mermaid"):
		return usageError("--count: -o %s shows one packet", t.out.format)
	case t.c.Duration("wait") <= 0:
		return usageError("--wait %v: it has to be more than nothing", t.c.Duration("wait"))
	}
	return nil
}

// sender finds what FROM stands for. A service sends nothing: where a name is
// that of a service too, the other is meant.
func (t *tracer) sender() (labs.Ref, error) {
	ref, err := t.lab.Find(t.from)
	if err == nil && ref.Kind != labs.RefService || strings.ContainsAny(t.from, "/.:") {
		return ref, err
	}
	for _, kind := range []string{"pod/", "node/", "bridge/"} {
		if other, e := t.lab.Find(kind + t.from); e == nil {
			return other, nil
		}
	}
	return ref, err
}

// vxlanPort is where tunnels are looked for in labs that have none of their
// own: where flannel's are.
const vxlanPort = 8472

func portOf(lab *labs.Lab) uint16 {
	if lab.Network.VXLANPort != 0 {
		return lab.Network.VXLANPort
	}
	return vxlanPort
}
