package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netlab/labs"
	"netlab/provision"
)

var updateDrift = flag.Bool("update-drift", false, "rewrite the plans in testdata/drift; read the diff before you commit")

// driftCase is one thing that people do to a lab, and what plan says then.
type driftCase struct {
	title    string
	commands []string // for sh; LAB stands for the lab's name
	plan     string
	optional bool // not every kernel can
}

// driftFile is a lab and what happens to it: a file in testdata/drift.
type driftFile struct {
	path  string
	lab   string // name
	text  string // of the lab file
	cases []driftCase
}

func readDrift(t *testing.T, path string) driftFile {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, rest, ok := strings.Cut(string(data), "---\n")
	if !ok {
		t.Fatalf("%s holds no lab", path)
	}
	f := driftFile{path: path, text: text}
	for line := range strings.Lines(rest) {
		last := len(f.cases) - 1
		switch {
		case strings.HasPrefix(line, "# "):
			f.cases = append(f.cases, driftCase{title: strings.TrimSpace(line[2:])})
		case strings.HasPrefix(line, "$ "):
			f.cases[last].commands = append(f.cases[last].commands, strings.TrimSpace(line[2:]))
		case strings.HasPrefix(line, "? "):
			f.cases[last].commands = append(f.cases[last].commands, strings.TrimSpace(line[2:]))
			f.cases[last].optional = true
		case strings.TrimSpace(line) != "":
			f.cases[last].plan += line
		}
	}
	return f
}

func (f driftFile) write(t *testing.T) {
	t.Helper()
	var b strings.Builder
	b.WriteString(f.text + "---\n")
	for _, c := range f.cases {
		fmt.Fprintf(&b, "\n# %s\n", c.title)
		for _, command := range c.commands {
			fmt.Fprintf(&b, "%s %s\n", map[bool]string{false: "$", true: "?"}[c.optional], command)
		}
		b.WriteString(c.plan)
	}
	if err := os.WriteFile(f.path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPrivilegedDrift does what people do to a lab, one thing after the other.
// Each time plan must say exactly that, up must mend it and leave everything
// else alone, and then there must be nothing left to do. At the end every
// attribute of every object must have been changed by somebody.
func TestPrivilegedDrift(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	files, err := filepath.Glob("testdata/drift/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases (%v)", err)
	}
	seen := coverage{}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) { readDrift(t, path).run(t, fmt.Sprintf("t%d%s", os.Getpid(), name), seen) })
	}
	if !t.Failed() {
		seen.check(t)
	}
}

func (f driftFile) run(t *testing.T, name string, seen coverage) {
	f.lab = name
	file, lab := writeLab(t, strings.ReplaceAll(f.text, "LAB", name))
	bringUp(t, file, lab)
	h, err := openMachine(name)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	d := drifter{f, h, file, lab, provision.Desired(lab), openEars(t, lab)}
	seen.wanted(d.want)
	d.ears.hush(t) // a namespace that is heard stays until it is forgotten
	for i := range f.cases {
		t.Run(f.cases[i].title, func(t *testing.T) { d.try(t, &f.cases[i], seen) })
	}
	if *updateDrift {
		f.write(t)
	}
}

// drifter tries the cases of a file.
type drifter struct {
	driftFile
	h    host
	file string
	l    *labs.Lab
	want provision.State
	ears *ears
}

func (d drifter) observe(t *testing.T) (provision.State, provision.Plan) {
	t.Helper()
	have, err := d.h.Observe(context.WithoutCancel(t.Context()), d.want.Hint())
	if err != nil {
		t.Fatal(err)
	}
	return have, provision.Diff(have, d.want)
}

func (d drifter) try(t *testing.T, c *driftCase, seen coverage) {
	before := identities(t, d.l)
	for _, command := range c.commands {
		if err := d.shell(t, command); err != nil && c.optional {
			t.Skip("this kernel cannot do it: ", err)
		} else if err != nil {
			t.Error(err)
		}
	}
	have, plan := d.observe(t)
	got := strings.ReplaceAll(plan.String(), d.lab, "LAB")
	if *updateDrift && !c.optional {
		c.plan = got
	} else if diff := cmp.Diff(c.plan, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	seen.saw(have, d.want)
	d.ears.hush(t)
	must(t, exitOK, "up", d.file)
	if _, rest := d.observe(t); !rest.Empty() {
		t.Errorf("left to do:\n%v", rest)
		must(t, exitOK, "down", d.l.Name)
		must(t, exitOK, "up", d.file)
	}
	d.ears.check(t, plan)
	identities(t, d.l).check(t, before, plan)
}

// shell runs a command as people type it.
func (d drifter) shell(t *testing.T, command string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hung)
	defer cancel()
	command = strings.ReplaceAll(command, "LAB", d.lab)
	if out, err := exec.CommandContext(ctx, "sh", "-c", command).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return nil
}
