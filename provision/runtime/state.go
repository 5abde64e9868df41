package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"netlab/labs"
	"netlab/provision/runfile"
)

// State is what the supervisor of a lab knows. It is written to a file whenever
// it changes.
type State struct {
	Supervisor Identity   `json:"supervisor"`
	Spec       string     `json:"spec"` // digest of what it was told to run
	Pods       []PodState `json:"pods"`
}

// PodState is a pod with containers.
type PodState struct {
	ID         string           `json:"id"` // NAMESPACE/NAME
	NS         string           `json:"netns"`
	Containers []ContainerState `json:"containers"`
}

// Ready reports whether all containers of the pod are.
func (p PodState) Ready() bool {
	for _, c := range p.Containers {
		if !c.Ready {
			return false
		}
	}
	return true
}

// Phase is what a container is doing, in Kubernetes' words.
type Phase string

// The phases.
const (
	Waiting    Phase = "Waiting"
	Running    Phase = "Running"
	Terminated Phase = "Terminated"
)

// Reasons for a phase, in Kubernetes' words.
const (
	Creating   = "ContainerCreating"
	BackOff    = "CrashLoopBackOff"
	StartError = "StartError"
	Completed  = "Completed"
	Failed     = "Error"
)

// ContainerState is one container. Its JSON is part of the interface.
type ContainerState struct {
	Name     string     `json:"name"`
	Phase    Phase      `json:"phase"`
	Reason   string     `json:"reason,omitempty"`
	Message  string     `json:"message,omitempty"` // what went wrong last
	Ready    bool       `json:"ready"`
	Restarts int        `json:"restarts"`
	ExitCode *int       `json:"exitCode,omitempty"` // of the last time it ended; 128 and more: by a signal
	Identity            // of its first process, while it runs
	Started  *time.Time `json:"startedAt,omitempty"`
	Ended    *time.Time `json:"endedAt,omitempty"`
	Digest   string     `json:"digest"`
}

// Describe says on one line what the container is doing and what went wrong
// last.
func (c ContainerState) Describe() string {
	text := string(c.Phase)
	if c.Reason != "" {
		text = c.Reason
	}
	if c.ExitCode != nil && c.Phase != Running {
		text += fmt.Sprintf(", exit code %d", *c.ExitCode)
	}
	if c.Message != "" {
		text += ": " + c.Message
	}
	return text
}

// settled reports whether the container was started, or could not be.
func (c ContainerState) settled() bool { return c.Phase != Waiting || c.Reason != Creating }

// LoadState returns what the supervisor of a lab wrote last. The error is
// [fs.ErrNotExist] if there was none.
func LoadState(dir Dir) (State, error) {
	var s State
	data, err := runfile.Read(dir.supervisor("state"))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}

// LastChange returns when the supervisor of a lab wrote its state last; the zero
// time if there is none.
func LastChange(dir Dir) time.Time {
	fi, err := os.Lstat(dir.supervisor("state"))
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
}

func (s State) save(dir Dir) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return dir.writeFile(dir.supervisor("state"), data)
}

// Pod returns the pod with that ID, or nil.
func (s State) Pod(id string) *PodState {
	for i := range s.Pods {
		if s.Pods[i].ID == id {
			return &s.Pods[i]
		}
	}
	return nil
}

func (s State) container(pod, name string) (ContainerState, bool) {
	if p := s.Pod(pod); p != nil {
		for _, c := range p.Containers {
			if c.Name == name {
				return c, true
			}
		}
	}
	return ContainerState{}, false
}

// starting counts the containers that are still being started.
func (s State) starting() (n int) {
	for _, p := range s.Pods {
		for _, c := range p.Containers {
			if !c.settled() {
				n++
			}
		}
	}
	return n
}

// beginnings is a wait for containers to be started. How long all of them take is
// the machine's affair: it is over when for a time no further one was.
type beginnings struct {
	since    time.Time // when one was started last, or the wait began
	starting int       // then; 0 is not known
}

// stuck takes notice of a state and reports whether it has been like that for too
// long.
func (b *beginnings) stuck(s State, now time.Time) bool {
	if n := s.starting(); b.starting == 0 || n < b.starting {
		b.since, b.starting = now, n
	}
	return now.Sub(b.since) > startsWithin
}

// Readiness returns which pods of lab are ready: as their supervisor says, and
// for those that it does not know yet as the lab file lets expect.
func Readiness(dir Dir, lab *labs.Lab) func(podID string) bool {
	s, err := LoadState(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s = State{}
	}
	ready := map[string]bool{}
	for _, p := range s.Pods {
		ready[p.ID] = p.Ready()
	}
	return func(id string) bool {
		if is, known := ready[id]; known {
			return is
		}
		return lab.Predicted(id)
	}
}
