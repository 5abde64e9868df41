package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// World is where the labs of a user live who is not root: a user namespace, in
// which the user is root, with mounts and a network of its own. A process that
// does nothing, the holder, keeps it. There is one for each user; it begins with
// the first lab and ends with the last.
//
// In a directory of the user's there are
//
//	labs/   the runtime directory of the labs, see package kernel
//	holder  who the holder is
//	lock    shared by every netlab that is in the world or on its way there;
//	        whoever makes or ends the world has it alone
type World struct {
	dir      string
	volatile []string // what a lab's runtime directory holds of its processes and namespaces
	lock     *os.File // of a process inside
	inside   bool
}

// worldEnv says, in a process that is inside, which world it is in: the inode of
// the user namespace and the directory. doorEnv is for its first moments: the
// descriptors that it was handed, and its working directory.
const (
	worldEnv = "NETLAB_WORLD"
	doorEnv  = "NETLAB_DOOR"
)

// worldFlags are the namespaces that a world is made of.
const worldFlags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET

// CurrentWorld returns the world that this process is in, or else the world of
// its user, which need not exist. Call it once, before other goroutines run: it
// takes over what [World.Enter] hands on. volatile names what the runtime
// directory of a lab must not have any more when everything that ran is gone.
func CurrentWorld(volatile ...string) (*World, error) {
	inode, dir, ok := strings.Cut(os.Getenv(worldEnv), ":")
	if !ok {
		return &World{dir: worldDir(os.Geteuid(), os.Getenv("XDG_RUNTIME_DIR")), volatile: volatile}, nil
	}
	w := &World{dir: dir, volatile: volatile, inside: true}
	if handed := os.Getenv(doorEnv); handed != "" {
		_ = os.Unsetenv(doorEnv)
		if err := w.takeOver(handed); err != nil {
			return w, err
		}
	}
	if strconv.FormatUint(userSpaceOf("self"), 10) != inode {
		return w, errors.New("this process was not let into the user namespace of your labs\n    hint: was netlab started in another container or user namespace than before?")
	}
	return w, nil
}

// worldDir returns the directory of the world of a user: below the user's
// runtime directory, if there is one.
func worldDir(uid int, runtime string) string {
	if uid == 0 {
		return "/run/netlab-rootless"
	}
	for _, dir := range []string{runtime, fmt.Sprintf("/run/user/%d", uid)} {
		var st unix.Stat_t
		if filepath.IsAbs(dir) && unix.Stat(dir, &st) == nil && st.Uid == uint32(uid) && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return filepath.Join(dir, "netlab")
		}
	}
	return fmt.Sprintf("/tmp/netlab-%d", uid)
}

// Inside reports whether this process is in the world.
func (w *World) Inside() bool { return w.inside }

// RunDir is the runtime directory of the world's labs.
func (w *World) RunDir() string { return filepath.Join(w.dir, "labs") }

func (w *World) file(name string) string { return filepath.Join(w.dir, name) }

// Leave ends the world if there is no lab in it and nobody else needs it. A
// process inside calls it last.
func (w *World) Leave() error {
	if !w.inside || w.lock == nil {
		return nil
	}
	defer w.lock.Close()
	// Whoever holds the lock now gives it up here, too, and looks afterwards: the
	// last one sees what all others have left. So nobody looks before.
	if unix.Flock(int(w.lock.Fd()), unix.LOCK_UN) != nil || unix.Flock(int(w.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil
	}
	if labs, err := os.ReadDir(w.RunDir()); err == nil && len(labs) > 0 {
		return nil
	}
	if h, ok := w.find(); ok {
		if err := h.end(); err != nil {
			return err
		}
	}
	return w.removeIfIdle()
}

// makeDir makes the directory of the world and refuses one that others could
// write to.
func (w *World) makeDir() error {
	if err := os.Mkdir(w.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(w.dir, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: w.dir, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR, st.Uid != uint32(os.Geteuid()), st.Mode&0o022 != 0:
		return fmt.Errorf("%s is not a directory that only you can write to\n    hint: remove it, or set XDG_RUNTIME_DIR to a directory of yours", w.dir)
	}
	return nil
}

// locked returns the locked lock, and not one that was removed meanwhile.
func (w *World) locked(how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(w.file("lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if errors.Is(err, fs.ErrNotExist) { // the directory, too, was removed
			if err := w.makeDir(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		for {
			err = unix.Flock(int(f.Fd()), how)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if err != nil {
			f.Close()
			return nil, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
		now, err := os.Lstat(f.Name())
		if is, statErr := f.Stat(); err == nil && statErr == nil && os.SameFile(now, is) {
			return f, nil
		}
		f.Close()
	}
}

// removeIfIdle removes the files of a world that is no more, unless labs have
// left something. The caller has the lock alone.
func (w *World) removeIfIdle() error {
	dir, err := filepath.EvalSymlinks(w.dir) // inside, root's is a link in the copy of /run
	if err != nil {
		return err
	}
	for _, name := range []string{"labs", "holder", "lock"} {
		err := os.Remove(w.file(name))
		if errors.Is(err, unix.ENOTEMPTY) {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	return nil
}
