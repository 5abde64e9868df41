package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"netlab/provision/netns"
	"netlab/provision/runfile"
)

// ErrNoProgram says that a command cannot be found.
var ErrNoProgram = errors.New("there is no such program")

// Exec runs a command in a container, as the container's user and with its
// environment, on the caller's terminal, and returns its exit code. The error
// is [fs.ErrNotExist] if the container does not run.
func Exec(dir Dir, ns, container string, argv []string, term string) (int, error) {
	d := dir.container(ns, container)
	if _, err := os.Stat(d.file("lock")); err != nil {
		return 0, err
	}
	p, err := d.adopt()
	if errors.Is(err, errHeld) {
		err = fs.ErrNotExist // it is just being started
	}
	if err != nil {
		return 0, err
	}
	var s spec
	text, err := runfile.Read(d.file("spec"))
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return 0, err
	}
	handle, err := p.open()
	if err != nil {
		return 0, fs.ErrNotExist
	}
	defer unix.Close(handle)

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP)
	defer signal.Stop(signals)
	if _, err := enterGroup(s.Lab, ns, container); err != nil {
		return 0, err
	}
	pid, err := s.enter(handle, argv, term)
	if err != nil {
		return 0, err
	}
	go func() {
		for sig := range signals {
			// The terminal itself sends the others to both of us.
			if sig == unix.SIGTERM || sig == unix.SIGHUP {
				_ = unix.Kill(pid, sig.(syscall.Signal))
			}
		}
	}()
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, err
		}
		break
	}
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// enter starts a command in the namespaces of a process of the container.
func (s spec) enter(handle int, argv []string, term string) (pid int, err error) {
	who, err := userOf(s.Container.User)
	if err != nil {
		return 0, err
	}
	err = netns.Join(handle, func() error {
		env := s.environment(who)
		if term != "" {
			env = append(env, "TERM="+term)
		}
		dir := s.Container.WorkingDir
		if dir == "" {
			dir = "/"
		}
		path, err := lookPath(argv[0], dir, env)
		if err != nil {
			return fmt.Errorf("%s: %w", argv[0], ErrNoProgram)
		}
		if err := who.confine(limits{group: true}); err != nil {
			return err
		}
		pid, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{
			Dir: dir, Env: env,
			Files: []uintptr{0, 1, 2},
			Sys:   &syscall.SysProcAttr{Credential: who.credential()},
		})
		return err
	})
	return pid, err
}
