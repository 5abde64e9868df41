package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netns"
	"netlab/provision/runfile"
)

// spec is one container as its first process is told of it.
type spec struct {
	Lab       string
	Dir       Dir
	Pod       provision.PodWorkload // without containers
	Container labs.Container
	Digest    string

	names *os.File // of the lab, for its DNS server
}

func newSpec(dir Dir, lab string, p provision.PodWorkload, c labs.Container) spec {
	s := spec{Lab: lab, Dir: dir, Pod: p, Container: c, Digest: p.ContainerDigest(c)}
	s.Pod.Containers = nil
	return s
}

// name is how people know the container.
func (s spec) name() string { return s.Pod.ID + "/" + s.Container.Name }

func (s spec) dir() containerDir { return s.Dir.container(s.Pod.NS, s.Container.Name) }

// record is what the first process of a container writes into its lock.
type record struct {
	Identity
	Digest  string    `json:"digest"`
	Started time.Time `json:"started"`
	Up      bool      `json:"up"` // it said that the container runs
}

// errHeld says that a container runs that this process did not start.
var errHeld = errors.New("the container is running")

// claim locks a container. The error is errHeld if its first process has the
// lock.
func (d containerDir) claim() (*os.File, error) {
	if err := d.lab().makeDir(string(d)); err != nil {
		return nil, err
	}
	f, err := runfile.Open(d.file("lock"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errHeld
		}
		return nil, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return f, nil
}

// adopt returns the container that runs. The error is [fs.ErrNotExist] if none
// does; errHeld if one is just being started.
func (d containerDir) adopt() (*process, error) {
	p, err := d.find()
	if err != nil {
		return nil, err
	}
	if !p.Up {
		p.handle.Close()
		return nil, errHeld
	}
	go p.watch()
	return p, nil
}

// find is adopt for a container that need not have come far.
func (d containerDir) find() (*process, error) {
	lock, err := d.claim()
	if err == nil {
		lock.Close()
		return nil, fs.ErrNotExist
	}
	if !errors.Is(err, errHeld) {
		return nil, err
	}
	p := &process{dir: d, done: make(chan struct{})}
	data, err := runfile.Read(d.file("lock"))
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(data, &p.record) != nil || p.PID == 0 {
		return nil, errHeld
	}
	fd, err := p.open()
	if errors.Is(err, errEnded) {
		return nil, errHeld // whoever holds the lock has not written its record yet
	}
	if err != nil {
		return nil, err
	}
	p.handle = os.NewFile(uintptr(fd), "pidfd")
	return p, nil
}

// start runs a container whose lock the caller has, and waits until it runs or
// has said why it cannot.
func (s spec) start(lock *os.File) (*process, error) {
	d := s.dir()
	for _, old := range []string{"exit", "spec"} {
		if err := os.Remove(d.file(old)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if err := lock.Truncate(0); err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if err := d.lab().writeFile(d.file("spec"), text); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	pid, handle, err := s.fork(lock, w)
	w.Close()
	if err != nil {
		return nil, err
	}
	p := &process{dir: d, handle: os.NewFile(uintptr(handle), "pidfd"), done: make(chan struct{}), child: true}
	p.PID = pid
	if err := p.await(r); err != nil {
		go p.watch()
		return p, err
	}
	go p.watch()
	return p, nil
}

// The open files that the first process of a container finds.
const (
	lockFD   = 3
	statusFD = 4
)

// fork starts the first process of the container in the namespaces of its pod.
func (s spec) fork(lock, status *os.File) (pid, handle int, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, 0, err
	}
	defer null.Close()
	stderr, err := runfile.Open(s.dir().file("stderr"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return 0, 0, err
	}
	defer stderr.Close()
	handle = -1
	err = s.Dir.Pins(s.Pod.NS).Enter(s.Pod.NS, func() (err error) {
		pid, err = syscall.ForkExec(self, []string{"netlab", containerWord, s.name(), string(s.dir())}, &syscall.ProcAttr{
			Dir: "/", Env: []string{reexecEnv + "=1", "GOMAXPROCS=2"},
			Files: []uintptr{null.Fd(), null.Fd(), stderr.Fd(), lock.Fd(), status.Fd()},
			Sys: &syscall.SysProcAttr{
				Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, PidFD: &handle,
			},
		})
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, netns.ErrNoNamespace):
		return 0, 0, fmt.Errorf("the pod's namespaces are not there: %w", err)
	case err != nil:
		return 0, 0, fmt.Errorf("start the container: %w", err)
	case handle < 0:
		return 0, 0, errors.New("the kernel gave no handle of a process: Linux 5.4 or later is needed")
	}
	return pid, handle, unix.SetNonblock(handle, true)
}

// startTimeout bounds the wait for a container to say that it runs.
const startTimeout = 20 * time.Second

// await reads what the container's first process says: its record, and then ok
// or what went wrong.
func (p *process) await(r *os.File) error {
	_ = r.SetReadDeadline(time.Now().Add(startTimeout))
	var said struct {
		record
		Err string
	}
	if err := json.NewDecoder(r).Decode(&said); err != nil {
		if words, _ := runfile.Read(p.dir.file("stderr")); len(words) > 0 {
			return errors.New(strings.TrimSpace(string(words)))
		}
		return fmt.Errorf("the container ended before it said a word, or says none: %w", err)
	}
	p.record = said.record
	if said.Err != "" {
		return errors.New(said.Err)
	}
	return nil
}

// hostPID returns the number by which the rest of the system knows this
// process, as long as /proc is still the one it was started with.
func hostPID() (int, error) {
	link, err := os.Readlink("/proc/self")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(link))
}
