package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/graph"
	"netlab/labs"
)

// lookable is what netlab graph writes.
type lookable interface {
	WriteText(io.Writer) error
	WriteMermaid(io.Writer) error
	WriteDot(io.Writer) error
	WriteSVG(io.Writer) error
	WriteHTML(io.Writer) error
}

func graphCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "graph",
		Usage:     "the lab as a picture",
		ArgsUsage: "LAB",
		Description: labHelp + `

Where the lab is up, the picture shows how it is: what differs from the lab file
and which checks fail. --live=false draws the lab file alone, and needs neither
root nor a lab that is up.

--chains draws the netfilter chains of a node instead: from the kernel's hooks
through KUBE-SERVICES to the DNAT rule of each endpoint.

Examples:
   netlab graph two-node
   netlab graph three-node -w lab.html
   netlab graph two-node --show all -o svg > lab.svg
   netlab graph two-node -o dot | dot -Tpdf > lab.pdf
   netlab graph two-node --chains node-a -w chains.html`,
		Flags: []cli.Flag{
			outputFlag("text", "mermaid", "dot", "svg", "html"),
			&cli.StringFlag{Name: "write", Aliases: []string{"w"}, Usage: "write the picture to `FILE`, in the format of its name (.mmd, .dot, .svg, .html) unless -o says otherwise; - is standard output"},
			&cli.StringSliceFlag{Name: "show", Usage: "show `DETAILS` beside names: " + strings.Join(pictureDetails, ", ")},
			&cli.StringFlag{Name: "chains", Usage: "the netfilter chains of `NODE` instead"},
			&cli.BoolFlag{Name: "live", Usage: "show how the lab is: by default where it is up; --live=false never"},
			&cli.BoolFlag{Name: "checks", Value: true, Usage: "run the lab's checks; --checks=false only compares with the lab file"},
			timingsFlag(),
		},
		Action: func(c *cli.Context) error {
			if err := args(c, "LAB"); err != nil {
				return err
			}
			out := sys.output(c)
			opt, err := graphOptions(c, &out)
			if err != nil {
				return err
			}
			lab, _, err := sys.load(c.Args().First())
			if err != nil {
				return err
			}
			p, err := drawLab(c.Context, sys, c, lab, out, opt)
			if err != nil {
				return err
			}
			return writePicture(p, out, c.String("write"))
		},
	}
}

// pictureDetails are what --show takes.
var pictureDetails = []string{"addresses", "macs", "interfaces", "all"}

// graphOptions reads the flags, and takes the format from the name of the file
// if -o is not given.
func graphOptions(c *cli.Context, out *output) (graph.Options, error) {
	var opt graph.Options
	details := map[string][]*bool{
		"addresses": {&opt.Addresses}, "macs": {&opt.MACs}, "interfaces": {&opt.Interfaces},
		"all": {&opt.Addresses, &opt.MACs, &opt.Interfaces},
	}
	for _, word := range c.StringSlice("show") {
		flags, ok := details[strings.TrimSpace(word)]
		if !ok {
			return opt, usageError("--show %s: there is no such detail\n    hint: %s", word, didYouMean(word, pictureDetails))
		}
		for _, f := range flags {
			*f = true
		}
	}
	if file := c.String("write"); file != "" {
		out.color = false
		ending := strings.ToLower(filepath.Ext(file))
		format, known := map[string]string{
			".mmd": "mermaid", ".mermaid": "mermaid", ".dot": "dot", ".gv": "dot", ".svg": "svg", ".html": "html", ".htm": "html", ".txt": "text",
		}[ending]
		switch {
		case c.IsSet("output"):
		case known:
			out.format = format
		case file != "-":
			return opt, usageError("-w %s: the name does not say which format is meant\n    hint: add -o, or end the name in .mmd, .dot, .svg, .html or .txt", file)
		}
	}
	opt.Color = out.color
	return opt, nil
}

// drawLab prepares the picture that was asked for.
func drawLab(ctx context.Context, sys system, c *cli.Context, lab *labs.Lab, out output, opt graph.Options) (lookable, error) {
	look, err := wantsLive(sys, c, lab)
	if err != nil {
		return nil, err
	}
	if name := c.String("chains"); name != "" {
		return drawChains(ctx, sys, lab, name, look, out, opt)
	}
	if !look {
		return graph.New(lab, opt, nil), nil
	}
	lab = sys.asReady(lab)
	live, err := seeLab(ctx, sys, lab, out, c.Bool("checks"))
	if err != nil {
		return nil, err
	}
	return graph.New(lab, opt, live), nil
}

// wantsLive decides whether to look at the kernel: if asked to, or if the lab
// is up and can be looked at.
func wantsLive(sys system, c *cli.Context, lab *labs.Lab) (bool, error) {
	if c.IsSet("live") && !c.Bool("live") {
		return false, nil
	}
	err := sys.mustBeUp(lab)
	if err != nil && c.Bool("live") {
		return false, err
	}
	return err == nil, nil
}

// writePicture writes p in the format that was asked for. Nothing is written
// before the picture is complete.
func writePicture(p lookable, out output, file string) error {
	var b bytes.Buffer
	write := map[string]func(io.Writer) error{
		"text": p.WriteText, "mermaid": p.WriteMermaid, "dot": p.WriteDot, "svg": p.WriteSVG, "html": p.WriteHTML,
	}[out.format]
	if err := write(&b); err != nil {
		return err
	}
	if file == "" || file == "-" {
		_, err := out.stdout.Write(b.Bytes())
		return err
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out.stderr, "%s: %s, %d KB\n", file, out.format, (b.Len()+1023)/1024)
	return nil
}

// clusterNode finds a node that has chains, by what a user calls it.
func clusterNode(lab *labs.Lab, name string) (*labs.Node, error) {
	ref, err := lab.Find(name)
	if err != nil {
		return nil, usageError("--chains: %v", err)
	}
	var members []string
	for _, n := range lab.Nodes {
		members = append(members, n.Name)
	}
	i := slices.IndexFunc(lab.Nodes, func(n labs.Node) bool { return ref.Kind == labs.RefNode && n.Name == ref.Name })
	if i < 0 {
		return nil, usageError("--chains %s: only nodes have chains\n    hint: one of %s", name, strings.Join(members, ", "))
	}
	return &lab.Nodes[i], nil
}
