package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/runfile"
)

// superviseWord is the command of netlab that is a lab's supervisor. It is
// given the name of the lab and the directory that holds the labs' runtime
// directories.
const superviseWord = "supervise"

// Intervals of whoever waits for a supervisor.
const (
	startsWithin = 30 * time.Second // a further container started, or known not to start
	beginsWithin = 5 * time.Second  // from taking the lock to being known
)

// supervisorOf returns the supervisor of a lab that runs. One that is just
// beginning is waited for.
func supervisorOf(dir Dir) (Identity, bool) {
	deadline := time.Now().Add(beginsWithin)
	for {
		f, err := os.Open(dir.supervisor("lock"))
		if err != nil {
			return Identity{}, false
		}
		var id Identity
		err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
		held := errors.Is(err, unix.EWOULDBLOCK)
		readable := json.NewDecoder(f).Decode(&id) == nil
		f.Close()
		switch {
		case !held || time.Now().After(deadline):
			return Identity{}, false
		case readable && id.Alive():
			return id, true
		}
		pace(context.Background(), 0)
	}
}

// StartSupervisor has the supervisor of a lab run what sup says; it starts one
// if there is none. program is netlab. It waits until every container was
// started or is known not to start.
func StartSupervisor(ctx context.Context, dir Dir, sup provision.Supervisor, program string) error {
	if err := dir.writeFile(dir.supervisor("spec"), []byte(sup.Spec)); err != nil {
		return err
	}
	for {
		id, running := supervisorOf(dir)
		if running {
			if err := id.signal(unix.SIGHUP); err != nil {
				return err
			}
		} else {
			if _, err := endStrays(ctx, dir, sup.Lab); err != nil {
				return err
			}
			pid, err := forkSupervisor(dir, sup.Lab, program)
			if err != nil {
				return err
			}
			if id, err = identify(pid); err != nil {
				id = Identity{PID: pid} // it has ended already
			}
		}
		err := awaitSupervisor(ctx, dir, sup, id)
		if _, another := supervisorOf(dir); !errors.Is(err, errEnded) || !another && !running {
			return err
		}
		// A netlab up that was killed had started another, which was faster;
		// or the one that ran has ended just now.
	}
}

// awaitSupervisor waits until the supervisor runs what it was told to.
func awaitSupervisor(ctx context.Context, dir Dir, sup provision.Supervisor, id Identity) error {
	begun := beginnings{since: time.Now()}
	for {
		began := time.Now()
		s, err := LoadState(dir)
		known := err == nil && s.Supervisor == id && s.Spec == sup.Digest()
		if known && s.starting() == 0 {
			return nil
		}
		if !id.Alive() {
			reap(id.PID)
			return supervisorEnded(dir)
		}
		if known && begun.stuck(s, began) || !known && began.Sub(begun.since) > startsWithin {
			return fmt.Errorf("containers are still being started: none was in %v", startsWithin)
		}
		if pace(ctx, time.Since(began)); ctx.Err() != nil {
			return fmt.Errorf("containers are still being started: %w", ctx.Err())
		}
	}
}

func forkSupervisor(dir Dir, lab, program string) (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	log, err := runfile.Open(dir.supervisor("log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	if program == "" {
		program = self
	}
	pid, err := syscall.ForkExec(program, []string{"netlab", superviseWord, lab, filepath.Dir(string(dir))}, &syscall.ProcAttr{
		Dir: "/", Env: []string{"PATH=" + os.Getenv("PATH"), reexecEnv + "=1"},
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("start the supervisor: %w", err)
	}
	return pid, nil
}

// supervisorEnded says that the supervisor ended, and its last words.
func supervisorEnded(dir Dir) error {
	words := ""
	if text, err := runfile.Read(dir.supervisor("log")); err == nil {
		lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		words = ": " + string(lines[len(lines)-1])
	}
	return fmt.Errorf("the supervisor cannot run%s: %w", words, errEnded)
}

// EndSupervisor ends the supervisor of a lab and all containers, also those
// whose supervisor has died, and returns how many processes it ended; the
// containers' own are one each. What was kept of them goes, but for the logs.
func EndSupervisor(ctx context.Context, dir Dir, lab string) (int, error) {
	ended := 0
	s, _ := LoadState(dir)
	if id, running := supervisorOf(dir); running {
		for _, p := range s.Pods {
			for _, c := range p.Containers {
				if c.Phase == Running {
					ended++
				}
			}
		}
		if err := endSupervisor(ctx, id); err != nil {
			return 0, err
		}
		ended++
	}
	// One that is just beginning must not begin any more.
	if lock, err := os.Open(dir.supervisor("lock")); err == nil {
		defer lock.Close()
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return ended, fmt.Errorf("lab %s has a supervisor that cannot be ended: %w", lab, err)
		}
	}
	more, err := endStrays(ctx, dir, lab)
	if ended += more; err != nil {
		return ended, err
	}
	left, err := endContainers(dir)
	if ended += left; err != nil {
		return ended, err
	}
	RemoveGroups(lab)
	return ended, errors.Join(os.RemoveAll(filepath.Join(string(dir), "containers")), os.RemoveAll(filepath.Join(string(dir), "supervisor")))
}

// endSupervisor has the supervisor end everything, and ends it by force if that
// takes too long.
func endSupervisor(ctx context.Context, id Identity) error {
	fd, err := id.open()
	if errors.Is(err, errEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, try := range []struct {
		signal unix.Signal
		grace  time.Duration
	}{{unix.SIGTERM, Grace + 3*time.Second}, {unix.SIGKILL, Grace}} {
		if err := unix.PidfdSendSignal(fd, try.signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("end the supervisor: %w", err)
		}
		n, err := wait(ctx, []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, try.grace)
		if err != nil || n == 1 {
			reap(id.PID)
			return err
		}
	}
	return fmt.Errorf("supervisor %d does not end", id.PID)
}

// strays are the supervisors of a lab that run, by what they were started with:
// one whose directory was removed is in no file, and another cannot be told to
// end until it has begun.
func strays(dir Dir, lab string) ([]Identity, error) {
	runs := filepath.Dir(string(dir))
	own, err := os.Stat(runs)
	if err != nil {
		return nil, err
	}
	want := []string{"netlab", superviseWord, lab, runs}
	var found []Identity
	err = eachProcess(func(pid int, words []string) {
		if !slices.Equal(words, want) {
			return
		}
		// Somebody else's, or in a mount namespace where the path is another directory.
		var st unix.Stat_t
		if unix.Stat(procPath(pid, ""), &st) != nil || int(st.Uid) != os.Geteuid() {
			return
		}
		if its, err := os.Stat(filepath.Join(procPath(pid, "root"), runs)); err != nil || !os.SameFile(its, own) {
			return
		}
		if id, err := identify(pid); err == nil {
			found = append(found, id)
		}
	})
	return found, err
}

// endStrays ends the supervisors of a lab that has none, as far as anybody knows,
// and returns how many it were. Their containers run on.
func endStrays(ctx context.Context, dir Dir, lab string) (int, error) {
	found, err := strays(dir, lab)
	if err != nil {
		return 0, fmt.Errorf("look for supervisors: %w", err)
	}
	var fds []unix.PollFd
	defer func() {
		for _, p := range fds {
			unix.Close(int(p.Fd))
		}
	}()
	for _, id := range found {
		fd, err := id.open()
		if errors.Is(err, errEnded) {
			continue
		}
		if err != nil {
			return 0, err
		}
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, fmt.Errorf("end supervisor %d: %w", id.PID, err)
		}
	}
	ended, err := wait(ctx, fds, Grace)
	for _, id := range found {
		reap(id.PID)
	}
	if err == nil && ended < len(fds) {
		err = fmt.Errorf("%d supervisors that nobody knows do not end", len(fds)-ended)
	}
	return ended, err
}

// endContainers ends the containers of a lab that nobody keeps, and returns how
// many it were.
func endContainers(dir Dir) (int, error) {
	ended := 0
	deadline := time.Now().Add(beginsWithin)
	for {
		left, starting, err := containers(dir)
		if err != nil || (len(left) == 0 && starting == 0) {
			return ended, err
		}
		if time.Now().After(deadline) {
			return ended, fmt.Errorf("%d containers do not end", len(left)+starting)
		}
		var all sync.WaitGroup
		for _, p := range left {
			ended++
			all.Go(func() { p.stop(Grace) })
		}
		all.Wait()
		pace(context.Background(), 0)
	}
}
