package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"netlab/provision"
	"netlab/provision/runfile"
)

// containers lists the containers of a lab that run, and counts those that are
// just being started and not known yet.
func containers(dir Dir) (running []*process, starting int, err error) {
	found, err := filepath.Glob(filepath.Join(globQuote(string(dir)), "containers", "*", "*", "lock"))
	if err != nil {
		return nil, 0, err
	}
	for _, path := range found {
		p, err := containerDir(filepath.Dir(path)).find()
		switch {
		case err == nil:
			go p.watch()
			running = append(running, p)
		case errors.Is(err, errHeld):
			starting++
		case errors.Is(err, fs.ErrNotExist):
		default:
			return nil, 0, err
		}
	}
	return running, starting, nil
}

func globQuote(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}

// ObserveSupervisor returns what of a lab's supervisor is there.
func ObserveSupervisor(dir Dir, lab string) (provision.Supervisor, bool, error) {
	sup := provision.Supervisor{Lab: lab, Process: provision.NoProcess}
	text, err := runfile.Read(dir.supervisor("spec"))
	there := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sup, false, err
	}
	s, err := LoadState(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s = State{} // written by another version, or by hand: start anew
	}
	if id, running := supervisorOf(dir); running && id == s.Supervisor {
		sup.Process = provision.Running
		there = true
	}
	if sup.Spec = string(text); sup.Digest() != s.Spec {
		sup.Spec = "" // nobody runs that yet
	}
	var stray []string
	for _, p := range s.Pods {
		for _, c := range p.Containers {
			if c.Alive() && !inNamespace(c.PID, p.NS) {
				stray = append(stray, p.ID+"/"+c.Name)
			}
		}
	}
	sort.Strings(stray)
	sup.Stray = strings.Join(stray, " ")
	if there {
		return sup, true, nil
	}
	left, starting, err := containers(dir)
	return sup, len(left)+starting > 0, err
}

// AwaitReady waits until all containers of a lab were started, and then for a
// time until they are ready, if they may still become so. It returns what is not
// ready, and why.
func AwaitReady(ctx context.Context, dir Dir, within time.Duration) ([]string, error) {
	begun := beginnings{since: time.Now()}
	deadline := time.Time{}
	for {
		began := time.Now()
		s, err := LoadState(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		not, hope := s.unready()
		settled := s.starting() == 0
		if settled && deadline.IsZero() {
			deadline = began.Add(within)
		}
		if len(not) == 0 || (settled && (!hope || began.After(deadline))) || !settled && begun.stuck(s, began) {
			return not, nil
		}
		if pace(ctx, time.Since(began)); ctx.Err() != nil {
			return not, ctx.Err()
		}
	}
}

// unready describes the containers that are not ready. hope says that one of
// them may soon be.
func (s State) unready() (not []string, hope bool) {
	for _, p := range s.Pods {
		for _, c := range p.Containers {
			if c.Ready || c.Reason == Completed {
				continue
			}
			text := fmt.Sprintf("container %s of pod %s: %s", c.Name, p.ID, c.Describe())
			not = append(not, text)
			hope = hope || c.Phase == Running
		}
	}
	return not, hope
}
