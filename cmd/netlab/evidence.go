package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netns"
	"netlab/provision/runtime"
	"netlab/verify"
)

// evidence is what goes into the archive of a report. What cannot be collected
// is evidence too: the reason stands in its place.
type evidence struct {
	root     string
	lab      string
	now      time.Time
	parts    []part
	findings []string // what is wrong, as far as it was found, the first cause first
}

type part struct {
	name string
	data []byte
}

// summaryName is the first part of the archive.
const summaryName = "summary.txt"

// partsTold says what each part is, in the order of the archive.
var partsTold = [][2]string{
	{"version.json", "of netlab"},
	{"host.txt", "kernel, distribution, user, programs, limits, what forbids user namespaces"},
	{"lab.yaml", "the lab file as it is"},
	{"applied.yaml", "the lab file that was applied last"},
	{"journal.txt", "what was done to the lab, and what went wrong"},
	{"diagnostics.txt", "mistakes in the lab file"},
	{"plan.txt, plan.json", "what \"netlab up\" would change"},
	{"observed.txt, desired.txt", "what the kernel has, and what the lab file implies"},
	{"people.json", "processes and netfilter rules that are not the lab's"},
	{"containers.json, supervisor.log", "how containers are, and what their supervisor says"},
	{"logs/NETNS/CONTAINER.log", "what containers printed"},
	{"namespaces/NETNS.txt", "what ip, bridge, iptables-save, nft, conntrack, ss and nstat print there, and its names"},
	{"kernel.log", "the last messages of the kernel"},
	{"verify.txt, verify.json, verify.xml", "the checks, and why some fail"},
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

// found adds to what is wrong.
func (e *evidence) found(format string, args ...any) {
	e.findings = append(e.findings, fmt.Sprintf(format, args...))
}

func (e *evidence) names() []string {
	names := []string{summaryName}
	for _, p := range e.parts {
		names = append(names, p.name)
	}
	return names
}

// verdict is what is wrong, a line each.
func (e *evidence) verdict() string {
	if len(e.findings) == 0 {
		return "nothing is wrong with the lab\n"
	}
	return strings.Join(e.findings, "\n") + "\n"
}

// summary says what is wrong and what is in the archive.
func (e *evidence) summary() []byte {
	v := programVersion()
	var b bytes.Buffer
	fmt.Fprintf(&b, "lab %s, %s\nnetlab %s, %s, %s\n\n%s\n", e.lab, e.now.UTC().Format(time.RFC3339), v.Version, v.Go, v.Platform, e.verdict())
	for _, p := range partsTold {
		fmt.Fprintf(&b, "%-36s %s\n", p[0], p[1])
	}
	return b.Bytes()
}

func (e *evidence) collect(ctx context.Context, sys system, labArg string, out output) {
	e.try("version.json", func() ([]byte, error) { return json.MarshalIndent(programVersion(), "", "  ") })
	e.add("host.txt", hostFacts(ctx))
	e.try("lab.yaml", func() ([]byte, error) {
		src, err := sys.find(labArg)
		return src.data, err
	})
	h, err := sys.open(e.lab)
	if err != nil {
		e.found("the kernel could not be opened: %v", err)
		return
	}
	defer h.Close()
	e.try("applied.yaml", func() ([]byte, error) {
		_, data, err := h.LoadLab(e.lab)
		return data, err
	})
	e.try("journal.txt", func() ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(h.RunDir(e.lab), journalName))
		if last := lastEntry(string(data)); strings.Contains(last, ": exit code ") {
			e.found("what was done last went wrong: %s", last)
		}
		return data, err
	})

	lab, _, err := sys.load(labArg)
	if err != nil {
		e.add("diagnostics.txt", []byte(err.Error()+"\n"))
		e.found("the lab file cannot be used: %v", err)
	}
	stands := e.state(ctx, h, lab)
	e.runtime(ctx, h)
	e.namespaces(ctx)
	e.try("kernel.log", func() ([]byte, error) { return kernelLog(ctx) })
	if lab != nil && stands {
		e.checks(ctx, sys, lab, out)
	}
}

// state adds what the kernel has of the lab, and what it should have. It reports
// whether there is anything.
func (e *evidence) state(ctx context.Context, h host, lab *labs.Lab) bool {
	want := provision.State{Lab: e.lab}
	if lab != nil {
		want = wanted(h, lab)
	}
	have, err := h.Observe(ctx, want.Hint())
	if err != nil {
		e.add("observed.txt", []byte("could not be observed: "+err.Error()+"\n"))
		e.found("the lab could not be observed: %v", err)
		return false
	}
	plan := provision.Diff(have, want)
	e.add("plan.txt", []byte(plan.String()))
	e.try("plan.json", func() ([]byte, error) { return json.MarshalIndent(viewPlan(e.lab, plan), "", "  ") })
	e.add("observed.txt", []byte(have.String()))
	e.add("desired.txt", []byte(want.String()))
	switch {
	case have.Len() == 0:
		e.found("the lab is not up")
	case lab != nil && len(plan.Steps) > 0:
		places := "1 place"
		if n := len(plan.Steps); n > 1 {
			places = fmt.Sprintf("%d places", n)
		}
		e.found("the kernel differs from the lab file in %s, see plan.txt", places)
	}
	return have.Len() > 0
}

// runtime adds what runs in the lab, and what it printed.
func (e *evidence) runtime(ctx context.Context, h host) {
	e.try("people.json", func() ([]byte, error) {
		names, err := netns.List(e.lab + ".")
		if err != nil {
			return nil, err
		}
		v, err := peopleIn(ctx, h, names)
		if err != nil {
			return nil, err
		}
		return json.MarshalIndent(v, "", "  ")
	})
	dir := h.RunDir(e.lab)
	if state, err := runtime.LoadState(runtime.Dir(dir)); !errors.Is(err, fs.ErrNotExist) {
		e.try("containers.json", func() ([]byte, error) {
			if err != nil {
				return nil, err
			}
			return json.MarshalIndent(state, "", "  ")
		})
		e.try("supervisor.log", func() ([]byte, error) { return tail(filepath.Join(dir, "supervisor", "log")) })
	}
	logs := filepath.Join(dir, "logs")
	_ = filepath.WalkDir(logs, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			name, _ := filepath.Rel(logs, path)
			e.try("logs/"+name, func() ([]byte, error) { return tail(path) })
		}
		return nil
	})
}

// maxTail is how much of a log goes into the archive, in bytes.
const maxTail = 256 << 10

// tail returns the end of a file.
func tail(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxTail {
		if _, err := f.Seek(-maxTail, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(f)
}

// checks adds the report of the checks, which is made last since it leaves
// traces in ARP and conntrack tables.
func (e *evidence) checks(ctx context.Context, sys system, lab *labs.Lab, out output) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	lab = sys.asReady(lab)
	r, err := verify.Run(ctx, lab, sys.prober(lab), verify.Options{})
	if err != nil {
		e.add("verify.txt", []byte("could not be run: "+err.Error()+"\n"))
		return
	}
	if err := sys.explainFailures(ctx, lab, &r, out); err != nil {
		e.found("not everything that failed could be looked at: %v", err)
	}
	for _, as := range []struct{ name, format string }{{"verify.txt", "text"}, {"verify.json", "json"}, {"verify.xml", "junit"}} {
		e.try(as.name, func() ([]byte, error) {
			var b bytes.Buffer
			err := writers[as.format](&b, r)
			return b.Bytes(), err
		})
	}
	if n := r.Counts(); !n.Well() {
		e.found("%d checks: %s, see verify.txt", n.Total(), n)
	}
	for _, x := range r.Explanations {
		e.found("%s", x.Fault)
	}
}
