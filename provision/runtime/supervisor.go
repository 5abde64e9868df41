package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/runfile"
)

// Supervision is one run of a lab's supervisor.
type Supervision struct {
	Lab string
	Dir Dir

	// Endpoints makes the rules of services fit the pods that are ready. It is
	// called after each change, never twice at the same time, and again after
	// a while if it fails.
	Endpoints func(context.Context) error

	// Signals delivers SIGHUP when there is something else to run and anything
	// else when all is to end. It must be listening before Run is called.
	Signals <-chan os.Signal

	Log io.Writer // nil: a bounded file beside the state
}

// supervisor is the process that keeps the containers of a lab.
type supervisor struct {
	Supervision
	lock    *os.File
	board   *board
	keepers map[string]*keeper // by NAMESPACE/POD/CONTAINER
	turns   chan struct{}
	saving  sync.Mutex
}

// maxStarting is how many containers are started at the same time.
const maxStarting = 8

// supervisorLogSize bounds what a supervisor writes down of its own doings: twice
// as many bytes.
const supervisorLogSize = 128 << 10

// Intervals of a supervisor.
const (
	retryEndpoints = time.Second
	checkDir       = 2 * time.Second
)

// Run runs the containers of a lab until a signal says that all is to end. Those
// that run already, because an earlier supervisor died, are taken over.
func (v Supervision) Run(ctx context.Context) error {
	callMyself("netlab")
	lock, id, err := v.claim()
	if err != nil {
		return err
	}
	defer lock.Close()
	if v.Log == nil {
		log, err := openLog(v.Dir.supervisor("log"), supervisorLogSize)
		if err != nil {
			return err
		}
		defer func() { _ = log.Close() }()
		v.Log = log
	}
	before, err := LoadState(v.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(v.Log, "what was known before cannot be read: %v\n", err)
		before = State{}
	}
	before.Supervisor, before.Spec = id, ""
	s := &supervisor{Supervision: v, lock: lock, board: newBoard(before), keepers: map[string]*keeper{}, turns: make(chan struct{}, maxStarting)}
	fmt.Fprintf(v.Log, "%s supervisor of lab %s, process %d\n", stamp(), v.Lab, id.PID)

	working, stop := context.WithCancel(ctx)
	done := make(chan struct{}, 2)
	go func() { s.write(working); done <- struct{}{} }()
	go func() { s.endpoints(working); done <- struct{}{} }()
	s.loop(ctx)
	stop()
	<-done
	<-done
	return nil
}

// claim makes this process the only supervisor of the lab.
func (v Supervision) claim() (*os.File, Identity, error) {
	path := v.Dir.supervisor("lock")
	f, err := runfile.Open(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, Identity{}, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, Identity{}, fmt.Errorf("lab %s has a supervisor already: %w", v.Lab, err)
	}
	if there, err := os.Lstat(path); err != nil || !sameFile(f, there) {
		f.Close()
		return nil, Identity{}, fmt.Errorf("lab %s is gone", v.Lab)
	}
	id, err := identify(os.Getpid())
	if err != nil {
		f.Close()
		return nil, id, err
	}
	text, err := json.Marshal(id)
	if err == nil {
		err = errors.Join(f.Truncate(0), writeAt(f, text))
	}
	return f, id, err
}

func writeAt(f *os.File, text []byte) error {
	_, err := f.WriteAt(text, 0)
	return err
}

// loop follows the signals until all is to end.
func (s *supervisor) loop(ctx context.Context) {
	s.reload()
	tick := time.NewTicker(checkDir)
	defer tick.Stop()
	for {
		select {
		case sig := <-s.Signals:
			if sig == unix.SIGHUP {
				s.reload()
				continue
			}
			fmt.Fprintf(s.Log, "%s %v: everything ends\n", stamp(), sig)
		case <-ctx.Done():
		case <-tick.C:
			if s.ours() {
				continue
			}
			fmt.Fprintf(s.Log, "%s the lab is gone: everything ends\n", stamp())
		}
		s.apply(provision.Workload{})
		return
	}
}

// ours reports whether the lab's directory is still the one this supervisor
// began in.
func (s *supervisor) ours() bool {
	there, err := os.Lstat(s.Dir.supervisor("lock"))
	return err == nil && sameFile(s.lock, there)
}

func sameFile(f *os.File, there os.FileInfo) bool {
	fi, err := f.Stat()
	return err == nil && os.SameFile(fi, there)
}

// reload reads what is to run, and runs it.
func (s *supervisor) reload() {
	text, err := runfile.Read(s.Dir.supervisor("spec"))
	var w provision.Workload
	if err == nil {
		w, err = provision.ParseWorkload(string(text))
	}
	if err != nil {
		fmt.Fprintf(s.Log, "%s what is to run cannot be read, all goes on as it is: %v\n", stamp(), err)
		return
	}
	s.apply(w)
	s.board.edit(func(state *State) { state.Spec = provision.Supervisor{Spec: string(text)}.Digest() })
}

// apply makes the keepers those of w. Containers that are the same in w are
// left alone. It returns when those that are not have ended.
func (s *supervisor) apply(w provision.Workload) {
	known := s.board.get()
	wanted := map[string]spec{}
	policy := map[string]provision.PodWorkload{}
	for _, p := range w.Pods {
		for _, c := range p.Containers {
			sp := newSpec(s.Dir, s.Lab, p, c)
			wanted[sp.name()], policy[sp.name()] = sp, p
		}
	}
	var ending []*keeper
	for name, k := range s.keepers {
		sp, stays := wanted[name]
		switch {
		case stays && k.same(sp, policy[name].RestartPolicy):
			notify(k.check)
			continue
		case stays && k.spec.Digest == sp.Digest:
			k.end(errLeave)
		default:
			k.end(errStop)
		}
		ending = append(ending, k)
		delete(s.keepers, name)
	}
	for _, k := range ending {
		<-k.ended
	}
	s.forget(known, wanted)
	known = s.board.get()
	next := State{Supervisor: known.Supervisor, Spec: known.Spec}
	var starting []*keeper
	kept := map[string]bool{}
	for _, p := range w.Pods {
		pod := PodState{ID: p.ID, NS: p.NS}
		before := make(chan struct{})
		close(before)
		var turn <-chan struct{} = before
		for _, c := range p.Containers {
			sp := wanted[newSpec(s.Dir, s.Lab, p, c).name()]
			state, there := known.container(p.ID, c.Name)
			k := s.keepers[sp.name()]
			kept[sp.name()] = k != nil
			if k == nil {
				k = newKeeper(sp, p.RestartPolicy, s.board, state, s.turns, turn)
				s.keepers[sp.name()] = k
				starting = append(starting, k)
				if !there || state.Digest != sp.Digest {
					state = ContainerState{Name: c.Name}
				}
				if state.Phase != Terminated {
					state.Phase, state.Reason = Waiting, Creating
				}
				state.Digest = sp.Digest
			}
			turn = k.begun
			pod.Containers = append(pod.Containers, state)
		}
		next.Pods = append(next.Pods, pod)
	}
	s.board.edit(func(state *State) {
		// Containers that were left alone may have moved on meanwhile.
		for i := range next.Pods {
			for j := range next.Pods[i].Containers {
				c := &next.Pods[i].Containers[j]
				if now, ok := state.container(next.Pods[i].ID, c.Name); ok && kept[next.Pods[i].ID+"/"+c.Name] {
					*c = now
				}
			}
		}
		next.Spec = state.Spec
		*state = next
	})
	for _, k := range starting {
		k.start()
	}
}

// forget ends containers that an earlier supervisor knew, nobody keeps and
// nobody wants.
func (s *supervisor) forget(known State, wanted map[string]spec) {
	for _, p := range known.Pods {
		for _, c := range p.Containers {
			name := p.ID + "/" + c.Name
			if _, stays := wanted[name]; stays || s.keepers[name] != nil {
				continue
			}
			if left, err := s.Dir.container(p.NS, c.Name).adopt(); err == nil {
				left.stop(Grace)
			}
		}
	}
}

// write keeps the state file true.
func (s *supervisor) write(ctx context.Context) {
	for {
		select {
		case <-s.board.changed:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		if err := s.save(); err != nil && !errors.Is(err, errNotOurs) {
			fmt.Fprintf(s.Log, "%s write the state: %v\n", stamp(), err)
		}
		pace(ctx, time.Since(began))
	}
}

// errNotOurs says that the lab's directory is removed, or another supervisor's
// already.
var errNotOurs = errors.New("the lab is gone")

// save writes the state file as of now.
func (s *supervisor) save() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	if !s.ours() {
		return errNotOurs
	}
	return s.board.get().save(s.Dir)
}

// endpoints keeps the rules of services true.
func (s *supervisor) endpoints(ctx context.Context) {
	retry := time.NewTimer(0)
	<-retry.C
	for {
		select {
		case <-s.board.flipped:
		case <-retry.C:
		case <-ctx.Done():
			return
		}
		// The rules are made from what stands in the file.
		err := s.save()
		if errors.Is(err, errNotOurs) {
			continue // all ends presently
		}
		if err == nil {
			err = s.Endpoints(ctx)
			if err == nil || ctx.Err() != nil {
				continue
			}
			fmt.Fprintf(s.Log, "%s endpoints: %v\n", stamp(), err)
		}
		retry.Reset(retryEndpoints)
	}
}
