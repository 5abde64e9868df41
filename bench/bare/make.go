package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const netnsDir = "/run/netns"

// threads is how many work at the same time; one lock in the kernel makes more
// useless.
const threads = 4

// each calls fn for all spaces, on threads that may enter namespaces.
func each(all []*space, fn func(s *space) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, threads)
	for t := range min(threads, len(all)) {
		wg.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends
			for {
				i := int(next.Add(1)) - 1
				if i >= len(all) {
					return
				}
				if err := fn(all[i]); err != nil {
					errs[t] = fmt.Errorf("%s: %w", all[i].name, err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// up makes a recipe: first the hubs with what others have cables to, then the
// leaves, then what on the hubs needs the cables.
func up(all []*space) error {
	if err := prepare(); err != nil {
		return err
	}
	var hubs, leaves []*space
	for _, s := range all {
		if s.leaf {
			leaves = append(leaves, s)
		} else {
			hubs = append(hubs, s)
		}
	}
	var mu sync.Mutex
	sockets, files := map[string]int{}, map[string]int{}
	peer := func(name string) int { return files[name] }
	if err := each(hubs, func(s *space) error {
		fd, err := born(s)
		if err != nil {
			return err
		}
		ns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		mu.Lock()
		defer mu.Unlock()
		sockets[s.name], files[s.name] = fd, ns
		return err
	}); err != nil {
		return err
	}
	if err := each(hubs, func(s *space) error {
		var b batch
		b.lo(s.mark)
		for _, w := range s.early {
			b.add(w, peer)
		}
		return b.send(sockets[s.name])
	}); err != nil {
		return err
	}
	if err := each(leaves, func(s *space) error {
		fd, err := born(s)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var b batch
		b.lo(s.mark)
		for _, w := range append(s.early, s.late...) {
			b.add(w, peer)
		}
		return b.send(fd)
	}); err != nil {
		return err
	}
	return each(hubs, func(s *space) error {
		var b batch
		for _, w := range s.late {
			b.add(w, peer)
		}
		return b.send(sockets[s.name])
	})
}

// prepare makes the directory of names as ip netns add does.
func prepare() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	if unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "") == nil {
		return nil
	}
	if err := unix.Mount(netnsDir, netnsDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "")
}

// born makes the namespace, gives it its name and sets its parameters. It
// returns a socket inside; the calling thread stays in it, too.
func born(s *space) (int, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return -1, err
	}
	path := filepath.Join(netnsDir, s.name)
	f, err := unix.Open(path, unix.O_RDONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	unix.Close(f)
	if err := unix.Mount("/proc/thread-self/ns/net", path, "none", unix.MS_BIND, ""); err != nil {
		return -1, err
	}
	for _, set := range s.sysctls {
		fd, err := unix.Open(set[0], unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, fmt.Errorf("%s: %w", set[0], err)
		}
		_, err = unix.Write(fd, []byte(set[1]))
		unix.Close(fd)
		if err != nil {
			return -1, fmt.Errorf("%s: %w", set[0], err)
		}
	}
	return dial()
}

// drop takes the names away.
func drop(all []*space) error {
	return each(all, func(s *space) error {
		path := filepath.Join(netnsDir, s.name)
		if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return err
		}
		return unix.Unlink(path)
	})
}
