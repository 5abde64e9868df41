package runtime

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"netlab/provision/netns"
	"netlab/provision/runfile"
)

// Exit is how a container ended.
type Exit struct {
	record
	Code   int       `json:"code"` // 128 and more: by a signal
	Ended  time.Time `json:"ended"`
	Reason string    `json:"reason,omitempty"` // why it could not even start
}

// killedCode is the exit code of what ended without a word.
const killedCode = 128 + int(unix.SIGKILL)

// process is a container that runs: the first process of its PID namespace,
// with which all others end.
type process struct {
	record
	dir    containerDir
	handle *os.File      // pidfd
	done   chan struct{} // closed when it has ended
	child  bool          // of this process
}

// watch closes done when the process has ended.
func (p *process) watch() {
	defer close(p.done)
	defer p.handle.Close()
	raw, err := p.handle.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || (err != nil && !errors.Is(err, unix.EINTR))
	})
	if p.child {
		var status unix.WaitStatus
		_, _ = unix.Wait4(p.PID, &status, 0, nil)
	}
}

// exit returns how a process ended that has: as it wrote down itself, unless it
// had no time to.
func (p *process) exit() Exit {
	if e, err := p.dir.lastExit(); err == nil && e.Identity == p.Identity {
		return e
	}
	return Exit{record: p.record, Code: killedCode, Ended: time.Now()}
}

// lastExit returns how the container ended last.
func (d containerDir) lastExit() (Exit, error) {
	var e Exit
	data, err := runfile.Read(d.file("exit"))
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(data, &e)
}

// stop ends the container: SIGTERM, and SIGKILL if it is still there after
// grace. It waits until it is gone.
func (p *process) stop(grace time.Duration) {
	_ = p.signal(unix.SIGTERM)
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-p.done:
		return
	case <-late.C:
	}
	_ = p.signal(unix.SIGKILL)
	<-p.done
}

// inPod reports whether the process is in the namespace that is the pod's now.
func (p *process) inPod(ns string) bool { return inNamespace(p.PID, ns) }

func inNamespace(pid int, ns string) bool {
	path, err := netns.Path(ns)
	if err != nil {
		return false
	}
	inode := inodeOf(path)
	return inode != 0 && inode == spaceOf(pid, "net")
}
