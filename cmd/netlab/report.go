package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"
)

func reportCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "all evidence of a failure in one archive",
		ArgsUsage: "LAB",
		Description: `The archive begins with a summary: what is wrong and what the rest is. It holds
the lab file, the plan, what was observed, the checks' report with explanations,
what containers printed, what the usual tools print in every namespace, the
kernel's last messages, versions, the host's limits and the lab's journal with
the last errors. It changes nothing, and can be made of a lab that is not up.

Example:
   netlab report two-node                 writes netlab-report-two-node-<time>.tar.gz
   netlab report two-node -w broken.tar.gz`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "write", Aliases: []string{"w"}, Usage: "write the archive to `FILE`; - is standard output"},
			outputFlag("text", "json"),
		},
		Action: func(c *cli.Context) error {
			if err := args(c, "LAB"); err != nil {
				return err
			}
			out := sys.output(c)
			return report(c.Context, sys, c.Args().First(), c.String("write"), out)
		},
	}
}

// report collects evidence and writes the archive. What cannot be collected is
// itself evidence: the reason stands in the archive, under the same name.
func report(ctx context.Context, sys system, labArg, file string, out output) error {
	name, err := sys.name(labArg)
	if err != nil {
		return err
	}
	if err := sys.knows(name, labArg); err != nil {
		return err
	}
	now := time.Now()
	if file == "" {
		file = fmt.Sprintf("netlab-report-%s-%s.tar.gz", name, now.UTC().Format("20060102T150405Z"))
	}
	e := &evidence{root: "netlab-report-" + name, lab: name, now: now, findings: []string{}}
	e.collect(ctx, sys, labArg, out)

	archive, err := e.archive()
	if err != nil {
		return err
	}
	if file == "-" {
		_, err := out.stdout.Write(archive)
		return err
	}
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		return err
	}
	if out.format == "json" {
		return out.json(struct {
			Lab      string   `json:"lab"`
			File     string   `json:"file"`
			Parts    []string `json:"parts"`
			Findings []string `json:"findings"`
		}{name, file, e.names(), e.findings})
	}
	_, err = fmt.Fprintf(out.stdout, "%s: %d parts, %d kB\n%s", file, len(e.parts), (len(archive)+1023)/1024, e.verdict())
	return err
}

// knows refuses a name under which there is neither a lab file nor anything on
// this host. It takes the right to look.
func (sys system) knows(name, labArg string) error {
	h, err := sys.open(name)
	if err != nil {
		return err
	}
	defer h.Close()
	up, err := h.Labs()
	if err != nil || contains(up, name) {
		return err
	}
	_, err = sys.find(labArg)
	return err
}

// archive packs the evidence. The summary comes first, the rest in the order in
// which it was collected, so that a reader of a truncated archive has the most
// telling parts.
func (e *evidence) archive() ([]byte, error) {
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zip)
	for _, p := range append([]part{{summaryName, e.summary()}}, e.parts...) {
		head := &tar.Header{Name: e.root + "/" + p.name, Mode: 0o600, Size: int64(len(p.data)), ModTime: e.now}
		if err := tw.WriteHeader(head); err != nil {
			return nil, err
		}
		if _, err := tw.Write(p.data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(tw.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
