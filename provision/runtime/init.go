package runtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	goruntime "runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netlab/provision/runfile"
)

// first is the first process of a container. It sets the container up, passes
// signals on, reaps what is left to it, keeps the log, and writes down how the
// container ended.
type first struct {
	spec   spec
	record record
	lock   *os.File // never closed: that it is locked says that this process lives
	log    *rotatedLog
	status *os.File // tells the supervisor that the container runs, or why not
	exit   *os.File
	limits limits
}

// containerMain is the first process of the container called name; all it needs
// to know is in dir. It returns the exit code.
func containerMain(name, dir string) int {
	f, err := newFirst(containerDir(dir))
	if err != nil {
		fmt.Fprintf(os.Stderr, "container %s: %v\n", name, err)
		return 1
	}
	code, err := f.run()
	reason := ""
	if err != nil {
		reason = err.Error()
		fmt.Fprintf(f.log, "netlab: container %s: %v\n", name, err)
		f.say(reason)
	}
	f.finish(code, reason)
	return code
}

// newFirst writes down who this process is and opens all files it will need.
func newFirst(d containerDir) (*first, error) {
	unix.CloseOnExec(lockFD)
	unix.CloseOnExec(statusFD)
	f := &first{status: os.NewFile(statusFD, "status"), lock: os.NewFile(lockFD, "lock")}
	text, err := runfile.Read(d.file("spec"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &f.spec); err != nil {
		return nil, err
	}
	pid, err := hostPID()
	if err != nil {
		return nil, err
	}
	id, err := identify(pid)
	if err != nil {
		return nil, err
	}
	f.record = record{Identity: id, Digest: f.spec.Digest, Started: time.Now()}
	if err := f.sign(); err != nil {
		return nil, err
	}
	log := f.spec.Dir.Log(f.spec.Pod.NS, f.spec.Container.Name)
	if err := f.spec.Dir.makeDir(filepath.Dir(log)); err != nil {
		return nil, err
	}
	if f.log, err = openLog(log, LogSize); err != nil {
		return nil, err
	}
	f.exit, err = runfile.Open(d.file("exit"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	return f, err
}

// sign writes who this process is into the lock. The text never gets shorter.
func (f *first) sign() error {
	text, err := json.Marshal(f.record)
	if err != nil {
		return err
	}
	_, err = f.lock.WriteAt(append(text, bytes.Repeat([]byte{' '}, recordSlack)...), 0)
	return err
}

// recordSlack is by how much a record may become shorter, in bytes.
const recordSlack = 8

// say tells the supervisor, once, that the container runs, or why it does not.
func (f *first) say(problem string) {
	if f.status == nil {
		return
	}
	if f.record.Up = problem == ""; f.record.Up {
		_ = f.sign()
	}
	_ = json.NewEncoder(f.status).Encode(struct {
		record
		Err string
	}{f.record, problem})
	f.status.Close()
	f.status = nil
}

// finish writes down how the container ended.
func (f *first) finish(code int, reason string) {
	text, err := json.Marshal(Exit{f.record, code, time.Now(), reason})
	if err == nil {
		_, err = f.exit.Write(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// startFailed is the exit code of what could not be started.
const startFailed = 128

// run returns when the container has ended, with its exit code. An error says
// that it could not be run.
func (f *first) run() (int, error) {
	var err error
	if f.limits, err = joinLimits(f.spec); err != nil {
		return startFailed, err
	}
	if err := setUpMounts(f.spec.Pod.NS); err != nil {
		return startFailed, err
	}
	who, err := userOf(f.spec.Container.User)
	if err != nil {
		return startFailed, err
	}
	if len(f.spec.Container.Serve) > 0 {
		return f.serve(who)
	}
	return f.command(who)
}

// serve is the container itself: there is no second process.
func (f *first) serve(who user) (int, error) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT)
	if err := f.spec.openNames(); err != nil {
		return startFailed, err
	}
	if err := who.become(); err != nil {
		return startFailed, err
	}
	failed, closeAll, err := f.spec.serve(f.log)
	if err != nil {
		return startFailed, err
	}
	defer closeAll()
	f.say("")
	select {
	case <-signals:
		return 0, nil
	case err := <-failed:
		return 1, err
	}
}

// command starts the command and waits for its end.
func (f *first) command(who user) (int, error) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	r, w, err := os.Pipe()
	if err != nil {
		return startFailed, err
	}
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		_, _ = io.Copy(f.log, r)
	}()
	pid, err := f.spawn(who, w)
	w.Close()
	if err != nil {
		return startFailed, err
	}
	f.say("")
	go func() {
		for s := range signals {
			if sig, ok := s.(syscall.Signal); ok && sig != unix.SIGCHLD && sig != unix.SIGURG && sig != unix.SIGPIPE {
				_ = unix.Kill(pid, sig)
			}
		}
	}()
	code := waitFor(pid)
	// What it started may still hold the other end, and ends with this process.
	_ = r.SetReadDeadline(time.Now().Add(drainTime))
	<-logged
	return code, nil
}

// drainTime is how long output is read that was under way when the command
// ended.
const drainTime = 100 * time.Millisecond

// spawn starts the command as who, with nothing of this process but a place to
// print to.
func (f *first) spawn(who user, output *os.File) (int, error) {
	c := f.spec.Container
	env := f.spec.environment(who)
	argv := append(append([]string{}, c.Command...), c.Args...)
	dir := c.WorkingDir
	if dir == "" {
		dir = "/"
	}
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return 0, fmt.Errorf("workingDir %s: there is no such directory", dir)
	}
	path, err := lookPath(argv[0], dir, env)
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()

	// Some of what the command is not to have belongs to the thread that
	// starts it, which is thrown away.
	type result struct {
		pid int
		err error
	}
	done := make(chan result, 1)
	go func() {
		goruntime.LockOSThread()
		if err := who.confine(f.limits); err != nil {
			done <- result{0, err}
			return
		}
		pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{
			Dir: dir, Env: env,
			Files: []uintptr{null.Fd(), output.Fd(), output.Fd()},
			Sys:   &syscall.SysProcAttr{Setsid: true, Credential: who.credential()},
		})
		done <- result{pid, err}
	}()
	r := <-done
	switch {
	case errors.Is(r.err, unix.EACCES):
		return 0, fmt.Errorf("%s: user %d may not run it in %s", argv[0], who.uid, dir)
	case r.err != nil:
		return 0, fmt.Errorf("%s: %w", argv[0], r.err)
	}
	return r.pid, nil
}

// waitFor reaps every process that is left to this one until pid ends, and
// returns the exit code of that.
func waitFor(pid int) int {
	for {
		var status unix.WaitStatus
		ended, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return startFailed
		case ended == pid && status.Exited():
			return status.ExitStatus()
		case ended == pid && status.Signaled():
			return 128 + int(status.Signal())
		}
	}
}
