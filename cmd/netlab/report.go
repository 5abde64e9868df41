package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netns"
	"netlab/verify"
)

func reportCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "all evidence of a failure in one archive",
		ArgsUsage: "LAB",
		Description: `The archive holds the lab file, the plan, what was observed, the checks' report,
what the usual tools print in every namespace, versions, the host's limits and
the lab's journal with the last errors. It changes nothing.

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
	e := &evidence{root: "netlab-report-" + name, now: now}
	e.collect(ctx, sys, labArg, name)

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
			Lab   string   `json:"lab"`
			File  string   `json:"file"`
			Parts []string `json:"parts"`
		}{name, file, e.names()})
	}
	_, err = fmt.Fprintf(out.stdout, "%s: %d parts, %d kB\n", file, len(e.parts), (len(archive)+1023)/1024)
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

// evidence is what goes into the archive.
type evidence struct {
	root  string
	now   time.Time
	parts []part
}

type part struct {
	name string
	data []byte
}

func (e *evidence) add(name string, data []byte) { e.parts = append(e.parts, part{name, data}) }

// try adds what f returns, or why it returned nothing.
func (e *evidence) try(name string, f func() ([]byte, error)) {
	data, err := f()
	if err != nil {
		data = append(data, []byte("could not be collected: "+err.Error()+"\n")...)
	}
	e.add(name, data)
}

func (e *evidence) names() []string {
	names := make([]string, len(e.parts))
	for i, p := range e.parts {
		names[i] = p.name
	}
	return names
}

func (e *evidence) collect(ctx context.Context, sys system, labArg, name string) {
	e.try("version.json", func() ([]byte, error) { return json.MarshalIndent(programVersion(), "", "  ") })
	e.add("host.txt", hostFacts(ctx))
	e.try("lab.yaml", func() ([]byte, error) {
		src, err := sys.find(labArg)
		return src.data, err
	})
	h, err := sys.open(name)
	if err != nil {
		e.add("kernel.txt", []byte("could not be opened: "+err.Error()+"\n"))
		return
	}
	defer h.Close()
	e.try("applied.yaml", func() ([]byte, error) {
		_, data, err := h.LoadLab(name)
		return data, err
	})
	e.try("journal.txt", func() ([]byte, error) { return os.ReadFile(filepath.Join(h.RunDir(name), journalName)) })

	want := provision.State{Lab: name}
	lab, _, err := sys.load(labArg)
	if err != nil {
		e.add("diagnostics.txt", []byte(err.Error()+"\n"))
	} else {
		want = wanted(h, lab)
	}
	have, err := h.Observe(ctx, want.Hint())
	if err != nil {
		e.add("observed.txt", []byte("could not be observed: "+err.Error()+"\n"))
	} else {
		e.add("observed.txt", []byte(have.String()))
		e.add("desired.txt", []byte(want.String()))
		e.add("plan.txt", []byte(provision.Diff(have, want).String()))
		e.try("plan.json", func() ([]byte, error) {
			return json.MarshalIndent(viewPlan(name, provision.Diff(have, want)), "", "  ")
		})
	}
	e.namespaces(ctx, name)
	if lab != nil {
		e.checks(ctx, sys, lab)
	}
}

// checks adds the report of the checks, which is made last since it leaves
// traces in ARP and conntrack tables.
func (e *evidence) checks(ctx context.Context, sys system, lab *labs.Lab) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := verify.Run(ctx, lab, sys.prober(lab), verify.Options{})
	if err != nil {
		e.add("verify.txt", []byte("could not be run: "+err.Error()+"\n"))
		return
	}
	for name, write := range map[string]func(io.Writer, verify.Report) error{"verify.txt": verify.WriteText, "verify.json": verify.WriteJSON} {
		e.try(name, func() ([]byte, error) {
			var b bytes.Buffer
			err := write(&b, r)
			return b.Bytes(), err
		})
	}
}

// maxNamespaces is how many namespaces are looked into one by one.
const maxNamespaces = 60

// namespaces adds what tools other than netlab see in each namespace.
func (e *evidence) namespaces(ctx context.Context, lab string) {
	names, err := netns.List(lab + ".")
	if err != nil {
		e.add("namespaces.txt", []byte(err.Error()+"\n"))
		return
	}
	e.add("namespaces.txt", []byte(strings.Join(names, "\n")+"\n"))
	for _, ns := range names[:min(len(names), maxNamespaces)] {
		var b bytes.Buffer
		for _, cmd := range [][]string{
			{"ip", "-d", "-s", "link"}, {"ip", "addr"}, {"ip", "rule"}, {"ip", "route", "show", "table", "all"},
			{"ip", "neigh"}, {"bridge", "-d", "link"}, {"bridge", "fdb"}, {"iptables-save", "-c"}, {"conntrack", "-L"},
			{"ss", "-tunlp"},
		} {
			fmt.Fprintf(&b, "$ %s\n%s\n", strings.Join(cmd, " "), outputOf(ctx, ns, cmd))
		}
		e.add("namespaces/"+ns+".txt", b.Bytes())
	}
}

// outputOf runs a command in a namespace, "" for the host's.
func outputOf(ctx context.Context, ns string, argv []string) []byte {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	path, err := lookPath(argv[0])
	if err != nil {
		return []byte(err.Error() + "\n")
	}
	var b bytes.Buffer
	cmd := exec.CommandContext(ctx, path, argv[1:]...)
	cmd.Stdout, cmd.Stderr = &b, &b
	if ns == "" {
		err = cmd.Run()
	} else if err = netns.Start(ns, cmd); err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		fmt.Fprintln(&b, err)
	}
	return b.Bytes()
}

// limits are the kernel parameters of the host that labs run into.
var limits = []string{
	"net/ipv4/neigh/default/gc_thresh1", "net/ipv4/neigh/default/gc_thresh2", "net/ipv4/neigh/default/gc_thresh3",
	"net/netfilter/nf_conntrack_max", "net/netfilter/nf_conntrack_count", "kernel/pid_max", "kernel/threads-max",
	"user/max_net_namespaces", "user/max_user_namespaces", "fs/file-max", "fs/nr_open", "net/core/devconf_inherit_init_net",
	"net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables",
}

// hostFacts describes the host: kernel, programs and limits.
func hostFacts(ctx context.Context) []byte {
	var b bytes.Buffer
	for _, cmd := range [][]string{{"uname", "-a"}, {"iptables", "--version"}, {"ip", "-V"}, {"nproc"}, {"free", "-m"}} {
		fmt.Fprintf(&b, "$ %s\n%s\n", strings.Join(cmd, " "), outputOf(ctx, "", cmd))
	}
	for _, name := range limits {
		data, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err != nil {
			data = []byte(errors.Unwrap(err).Error())
		}
		fmt.Fprintf(&b, "%s = %s\n", strings.ReplaceAll(name, "/", "."), bytes.TrimSpace(data))
	}
	if data, err := os.ReadFile("/proc/net/stat/arp_cache"); err == nil {
		fmt.Fprintf(&b, "\nneighbour table (hexadecimal, a line a processor):\n%s", data)
	}
	return b.Bytes()
}

// archive packs the evidence. The parts are in the order in which they were
// collected, so that a reader of a truncated archive has the most telling ones.
func (e *evidence) archive() ([]byte, error) {
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zip)
	for _, p := range e.parts {
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
