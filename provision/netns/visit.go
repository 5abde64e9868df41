package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"golang.org/x/sys/unix"
)

// Visitor is a thread that goes from namespace to namespace. It is only good
// within the call of [Pool.Visit] that handed it out, and for one goroutine.
type Visitor struct{}

// Visit runs fn on a thread of the pool. fn enters as many namespaces as it
// likes, which is cheaper than a call of [Pool.Enter] for each: nothing has to
// wait for another thread. fn must not call the pool's other methods, which may
// wait for the thread that it runs on.
func (p *Pool) Visit(fn func(v *Visitor) error) error {
	return p.run(func() error { return fn(&Visitor{}) })
}

// Enter moves the calling thread into the namespace that is open as fd.
func (*Visitor) Enter(fd int) error {
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter a namespace: %w", err)
	}
	return nil
}

// Create does what [Pool.Create] does. The thread stays in the new namespace.
func (*Visitor) Create(name string, init func() error) error {
	path, err := Path(name)
	if err != nil {
		return err
	}
	if err := unshare(); err != nil {
		return err
	}
	if err := init(); err != nil {
		return err
	}
	return bind(path)
}

// OpenFD is [Open] for those who open many: a descriptor without what [os.File]
// adds to it. The caller closes it.
func OpenFD(name string) (int, error) {
	path, err := Path(name)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return -1, fmt.Errorf("%s %w", path, ErrNoNamespace)
	}
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE) // ENOTTY unless it is in nsfs
	if err != nil || kind != unix.CLONE_NEWNET {
		unix.Close(fd)
		return -1, fmt.Errorf("%s %w", path, ErrNoNamespace)
	}
	return fd, nil
}

// Threads is how many threads of a [Pool] have something to do at the same time:
// one lock in the kernel makes more of them useless.
func Threads() int { return max(2, min(4, runtime.NumCPU())) }
