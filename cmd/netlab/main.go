// Command netlab makes Kubernetes-like networks out of network namespaces: it
// reads a lab file, makes the kernel equal to it, and proves that it works.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	goruntime "runtime"
	"runtime/debug"
	"syscall"

	"netlab/labs"
	"netlab/provision/kernel"
	"netlab/provision/netns"
	"netlab/provision/runtime"
)

// Exit codes. Scripts rely on them; do not renumber.
const (
	exitOK      = 0
	exitFailed  = 1 // it could not be done
	exitUsage   = 2 // the command line or the lab file is wrong
	exitDiffers = 3 // the lab is not as its file says
	exitExec    = 125
)

func main() {
	if code, ok := runtime.Main(os.Args); ok {
		os.Exit(code)
	}
	if code, ok := netns.Main(os.Args); ok {
		os.Exit(code)
	}
	debug.SetGCPercent(collectLater)
	if os.Getenv("GOMAXPROCS") == "" {
		// A thread that talks to the kernel keeps its share of the scheduler: one for
		// the rest, so that programs are started while namespaces are made.
		goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(0) + 1)
	}
	sys, err := realSystem()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitFailed)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	sys.interrupted = ctx.Done()
	code := run(ctx, os.Args, sys)
	stop()
	if err := sys.world.Leave(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, exitFailed)
	}
	os.Exit(code)
}

// collectLater is how much, in percent of what is in use, the heap may grow before
// garbage is collected. Most commands are over before it would matter; a lab of a
// thousand pods takes about 100 MB.
const collectLater = 400

// realSystem is the one that netlab runs on.
func realSystem() (system, error) {
	sys := system{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, args: os.Args,
	}
	w, err := netns.CurrentWorld(kernel.Volatile...)
	if err != nil {
		return sys, err
	}
	sys.world = w
	if w.Inside() || os.Geteuid() != 0 {
		sys.runDir = w.RunDir()
	}
	sys.open = func(string) (host, error) { return openMachineIn(sys.runDir) }
	return sys, nil
}

// system is everything that a run touches.
type system struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	interrupted    <-chan struct{} // closed when the user has lost patience
	getenv         func(string) string
	open           func(lab string) (host, error)

	args   []string // of the command line, the program's name included
	world  world    // of labs without root; nil where there can be none
	runDir string   // of the labs; "" means root's
}

// run is main without the process. It returns the exit code.
func run(ctx context.Context, args []string, sys system) int {
	if !utf8Locale(sys.getenv) {
		sys.stderr = asciiWriter{sys.stderr}
	}
	app := newApp(sys)
	if len(args) > 1 && args[1] == completeWord {
		complete(sys, app, args[2:])
		return exitOK
	}
	ordered, err := reorder(app, args)
	if err == nil {
		err = app.RunContext(ctx, ordered)
	}
	if err == nil {
		return exitOK
	}
	if errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(sys.stderr, text)
	}
	return exitCode(err)
}

// codeError is an error that decides the exit code. With a nil err the reason
// has been printed already.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &codeError{exitUsage, fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	var coded *codeError
	var diagnostics labs.Diagnostics
	var reference *labs.RefError
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &diagnostics), errors.As(err, &reference):
		return exitUsage
	}
	return exitFailed
}
