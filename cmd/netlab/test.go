package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/verify"
)

func testCommand(sys system) *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "bring labs up under names of their own, run their checks, take them down",
		ArgsUsage: "FILE|DIRECTORY...",
		Description: `What a CI job or the author of labs runs over a folder of them. Each lab comes up
beside whatever else is up, also beside a lab of its own name, and nothing of it
is left, also after Ctrl-C. Of a directory every lab file in it and below is
taken: what ends in .yaml or .yml and has nodes.

There is one report and one exit code: 3 if a check failed, otherwise 2 if a
file has a mistake, otherwise 1 if a lab did not come up or a check could not be
made.

Examples:
   netlab test labs/
   netlab test labs/*.yaml --jobs 4 -o junit > report.xml
   netlab test two-node flat            labs that ship`,
		Flags: []cli.Flag{
			outputFlag(reportFormats...),
			&cli.StringSliceFlag{Name: "save", Usage: "also write the report as `FORMAT=FILE`; may be repeated"},
			&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Value: runtime.NumCPU(), Usage: "`N` labs at a time"},
			&cli.StringSliceFlag{Name: "only", Usage: "only these `GROUPS`: " + groupNames()},
			&cli.StringSliceFlag{Name: "skip", Usage: "not these `GROUPS`"},
			&cli.DurationFlag{Name: "wait", Value: 5 * time.Second, Usage: "look again for up to `DURATION` at what is not well"},
			&cli.BoolFlag{Name: "no-exec", Usage: "run no containers: the network only, of files that are not trusted"},
			allowUsersFlag(),
		},
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return args(c, "FILE")
			}
			opts, err := verifyFlags(c)
			if err != nil {
				return err
			}
			saves, err := saveFlags(c)
			if err != nil {
				return err
			}
			files, err := labFiles(c.Args().Slice())
			if err != nil {
				return err
			}
			t := tester{sys: sys, out: sys.output(c), opts: opts, jobs: max(c.Int("jobs"), 1), noExec: c.Bool("no-exec"), allowUsers: c.Bool("allow-users")}
			suite, err := t.run(c.Context, files)
			if werr := t.write(suite, saves); werr != nil {
				return werr
			}
			return err
		},
	}
}

// labFiles returns the lab files that arguments mean: of a directory those in
// it and below, in the order of their names.
func labFiles(words []string) ([]string, error) {
	var files []string
	for _, arg := range words {
		info, err := os.Stat(arg)
		if err != nil || !info.IsDir() {
			files = append(files, arg)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != arg && strings.HasPrefix(d.Name(), "."):
				return fs.SkipDir
			case !d.IsDir() && isLabFile(path):
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, usageError("%s: there is no lab file in it\n    hint: lab files end in .yaml and have nodes", arg)
		}
	}
	return files, nil
}

// isLabFile reports whether a file is meant to be a lab. A folder of labs may
// hold other YAML.
func isLabFile(path string) bool {
	if ext := filepath.Ext(path); ext != ".yaml" && ext != ".yml" {
		return false
	}
	data, err := readLabFile(path)
	if err != nil {
		return true // it is told why it cannot be read
	}
	spec, found := labs.Parse(path, data)
	return spec != nil && spec.Nodes.Written() || spec == nil && found.HasErrors()
}

// tester tests labs.
type tester struct {
	sys    system
	out    output
	opts   verify.Options
	jobs   int
	noExec bool

	allowUsers bool // as in upOptions
}

// trial is one lab of a test.
type trial struct {
	file   string
	report verify.Report
	err    error // why there are no checks, or not all; also why something was left
}

// run tests labs, some at a time. When ctx ends no more are begun, and those
// under way are taken down.
func (t tester) run(ctx context.Context, files []string) (verify.Suite, error) {
	suite := verify.Suite{Started: time.Now()}
	trials := make([]trial, len(files))
	progress := t.out.progress(len(files))
	progress.what = "labs"
	slots := make(chan struct{}, t.jobs)
	var wg sync.WaitGroup
	for i, file := range files {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			trials[i] = t.try(ctx, i, file)
			progress.one()
		})
	}
	wg.Wait()
	progress.done()
	suite.Took = time.Since(suite.Started)
	code := exitOK
	worse := func(c int) {
		if rank := []int{exitOK, exitFailed, exitUsage, exitDiffers}; slices.Index(rank, c) > slices.Index(rank, code) {
			code = c
		}
	}
	for _, one := range trials {
		suite.Reports = append(suite.Reports, one.report)
		switch n := one.report.Counts(); {
		case n.Failed > 0:
			worse(exitDiffers)
		case one.err != nil && exitCode(one.err) == exitUsage:
			worse(exitUsage)
		case n.Errors > 0:
			worse(exitFailed)
		}
	}
	if err := ctx.Err(); err != nil {
		return suite, err
	}
	if code == exitOK {
		return suite, nil
	}
	return suite, &codeError{code, nil}
}

// errNotTried says that the user did not want to wait for this lab.
var errNotTried = errors.New("not tried: interrupted")

// settleDown bounds how long taking a lab down may take, also when the user has
// asked to stop.
const settleDown = 2 * time.Minute

// try tests one lab.
func (t tester) try(ctx context.Context, number int, file string) (one trial) {
	start := time.Now()
	one = trial{file: file, report: verify.Report{Lab: file, File: file, Started: start}}
	pos := labs.Pos{}
	defer func() {
		one.report.Took = time.Since(start)
		one.report = one.report.Raised(pos, one.err)
	}()
	if ctx.Err() != nil {
		one.err = errNotTried
		return one
	}
	src, err := t.sys.find(file)
	if err != nil {
		one.err = err
		return one
	}
	// The lab keeps its name in the report, so that this is the same every time.
	named, found := labs.Load(src.file, src.data)
	if named == nil {
		if len(found) > 0 {
			pos = found[0].Pos
		}
		if spec, _ := labs.Parse(src.file, src.data); spec != nil && labs.ValidName(spec.Name.Value) {
			one.report.Lab = spec.Name.Value
		}
		one.err = found
		return one
	}
	one.report.Lab = named.Name
	name := trialName(number, named.Name)
	lab, _ := labs.LoadAs(name, src.file, src.data)
	if lab == nil {
		one.err = fmt.Errorf("lab %s cannot be called %s", named.Name, name)
		return one
	}
	report, err := t.check(ctx, lab, src)
	report.Lab, report.File, report.Started = named.Name, src.file, start
	one.report, one.err = report.Renamed(name, named.Name), err
	return one
}

// trialName is a name that no other lab has, as long as a lab may be called.
func trialName(number int, name string) string {
	prefix := fmt.Sprintf("test-%d-%d-", os.Getpid(), number)
	return strings.TrimRight(prefix+name[:min(len(name), maxTrialName-len(prefix))], "-")
}

// maxTrialName is how long the name of a lab may be.
const maxTrialName = 40

// check brings a lab up, checks it, and takes it down, whatever happens in
// between.
func (t tester) check(ctx context.Context, lab *labs.Lab, src source) (report verify.Report, err error) {
	quiet := t.out.of(&strings.Builder{})
	quiet.quiet = true
	h, err := t.sys.openFor(lab)
	if err != nil {
		return report, err
	}
	defer h.Close()
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleDown)
		defer cancel()
		if _, derr := takeDown(end, h, lab.Name, quiet, lockTimeout); derr != nil {
			err = errors.Join(err, fmt.Errorf("something of lab %s is left: %w\n    hint: netlab down %s", lab.Name, derr, lab.Name))
		}
	}()
	done, err := raise(ctx, h, lab, src, upOptions{out: quiet, noExec: t.noExec, allowUsers: t.allowUsers, lockTimeout: lockTimeout})
	if err != nil {
		return report, err
	}
	if t.noExec {
		lab = lab.WithoutContainers()
	}
	p := prober(h, lab)
	p.Share = t.jobs
	if report, err = check(ctx, asReady(h, done.lab), p, quiet, t.opts); err != nil {
		return report, err
	}
	if eerr := t.sys.explainFailures(ctx, done.lab, &report, quiet); eerr != nil && ctx.Err() == nil {
		fmt.Fprintf(t.out.stderr, "netlab: %s: not everything that failed could be looked at: %v\n", src.file, eerr)
	}
	return report, ctx.Err()
}

// suiteWriters write a report of several labs in each format.
var suiteWriters = map[string]func(w io.Writer, s verify.Suite) error{
	"text": verify.WriteSuiteText, "json": verify.WriteSuiteJSON, "junit": verify.WriteSuiteJUnit, "tap": verify.WriteSuiteTAP,
	"github": verify.WriteSuiteGitHub, "gitlab": verify.WriteSuiteGitLab, "markdown": verify.WriteSuiteMarkdown,
}

// write prints the report and writes it to files.
func (t tester) write(suite verify.Suite, saves []savedReport) error {
	if err := suiteWriters[t.out.format](t.out.stdout, suite); err != nil {
		return err
	}
	for _, save := range saves {
		if err := save.replace(func(w io.Writer) error { return suiteWriters[save.format](w, suite) }); err != nil {
			return err
		}
	}
	return t.sys.stepSummary(t.out.format, func(w io.Writer) error { return verify.WriteSuiteMarkdown(w, suite) })
}
