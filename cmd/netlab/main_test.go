package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"netlab/provision/netns"
)

// TestMain lets the scripts run this program as netlab.
func TestMain(m *testing.M) {
	if code, ok := netns.Main(os.Args); ok {
		os.Exit(code)
	}
	// Programs that look for races sleep for a second before they end.
	os.Setenv(raceOptions, "atexit_sleep_ms=0")
	testscript.Main(cleaning{m}, map[string]func(){"netlab": main})
}

// raceOptions is the variable with the options of the race detector.
const raceOptions = "GORACE"

// atEnd is done when all tests are over.
var atEnd []func()

// cleaning is all tests and what is to be done after them.
type cleaning struct{ *testing.M }

func (c cleaning) Run() int {
	code := c.M.Run()
	for _, fn := range atEnd {
		fn()
	}
	return code
}

// TestScript runs testdata/script. Scripts that need the kernel begin with
// [!root] skip and use lab names of their own.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(cond string) (bool, error) {
			return cond == "root" && os.Geteuid() == 0, nil
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", e.Getenv("PATH")+":/usr/sbin:/sbin")
			e.Setenv(raceOptions, os.Getenv(raceOptions))
			return nil
		},
	})
}

// netlab runs netlab in this process on the real machine and returns what it
// printed.
func netlab(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.WithoutCancel(t.Context()), append([]string{"netlab"}, args...), system{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
		getenv: utf8Env, open: openMachine,
	})
	return code, out.String(), errs.String()
}

// must runs netlab and fails the test unless it exits with want.
func must(t *testing.T, want int, args ...string) string {
	t.Helper()
	code, stdout, stderr := netlab(t, patient(want, args)...)
	if code != want {
		t.Fatalf("netlab %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, stdout, stderr)
	}
	return stdout
}

func TestReorder(t *testing.T) {
	app := newApp(system{getenv: utf8Env})
	for _, tt := range []struct{ in, want string }{
		{"netlab verify lab -o json", "netlab verify -o json -- lab"},
		{"netlab up --timings lab", "netlab up --timings -- lab"},
		{"netlab exec lab pod ls -l", "netlab exec -- lab pod ls -l"},
		{"netlab exec -it lab pod -- ls -l -- x", "netlab exec -it -- lab pod ls -l -- x"},
		{"netlab exec lab -i pod -- sh", "netlab exec -i -- lab pod sh"},
		{"netlab plan - --exit-code", "netlab plan --exit-code -- -"},
		{"netlab validate --output=json a b", "netlab validate --output=json -- a b"},
		{"netlab", "netlab"},
		{"netlab nonsense -x", "netlab nonsense -x"},
	} {
		got, err := reorder(app, strings.Fields(tt.in))
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("reorder(%q) = %q, %v; want %q", tt.in, strings.Join(got, " "), err, tt.want)
		}
	}
	if _, err := reorder(app, strings.Fields("netlab verify lab -o")); exitCode(err) != exitUsage {
		t.Errorf("a flag without its value: %v, want a usage error", err)
	}
}

// TestFailedProgramIsNoMistakeOfTheUser holds exit codes of programs that netlab
// runs apart from its own.
func TestFailedProgramIsNoMistakeOfTheUser(t *testing.T) {
	err := exec.Command("sh", "-c", "exit 4").Run()
	if got := exitCode(fmt.Errorf("iptables-restore: %w", err)); got != exitFailed {
		t.Errorf("exit code %d, want %d", got, exitFailed)
	}
	if code := run(t.Context(), []string{"netlab", "help", "nonsense"}, system{stdout: io.Discard, stderr: io.Discard, getenv: os.Getenv}); code != exitUsage {
		t.Errorf("help nonsense: exit code %d, want %d", code, exitUsage)
	}
}
