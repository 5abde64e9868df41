// Package runfile makes and reads files in directories that belong to netlab,
// in such a way that nothing that somebody has planted there is followed or
// written through: no symbolic link, no FIFO, no second name of another file,
// and no directory in which others may write.
//
// Its functions are safe for concurrent use, as far as the file system is.
package runfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// dirMode and fileMode are what this package gives to what it makes.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// UnsafeError says that something is not as netlab would have made it.
type UnsafeError struct {
	Path string
	What string // what is wrong with it
	Hint string // what to do
}

// Error implements [error].
func (e *UnsafeError) Error() string {
	return fmt.Sprintf("%s %s, and netlab does not trust it\n    hint: %s", e.Path, e.What, e.Hint)
}

// Check returns an [*UnsafeError] unless path is a directory of this user in
// which nobody else may write. What is not there is an error that is
// [fs.ErrNotExist].
func Check(path string) error { return check(path, false) }

// CheckShared is [Check] for a directory in which others may have files of their
// own, as in /tmp.
func CheckShared(path string) error { return check(path, true) }

func check(path string, shared bool) error {
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	remove := fmt.Sprintf("look at it, and remove it with \"rm -r %s\"", path)
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		return &UnsafeError{path, "is a symbolic link", remove}
	case !fi.IsDir():
		return &UnsafeError{path, "is no directory", remove}
	case owner(fi) != os.Geteuid():
		return &UnsafeError{path, fmt.Sprintf("belongs to user %d", owner(fi)), remove}
	case fi.Mode()&0o022 != 0 && (!shared || fi.Mode()&fs.ModeSticky == 0):
		return &UnsafeError{path, fmt.Sprintf("can be written by others (mode %04o)", fi.Mode().Perm()), remove}
	}
	return nil
}

// MakeDir makes the directory path and those between root and it, root
// included, and checks those that are there. root's parent must be there. path
// is root or lies in it.
func MakeDir(root, path string) error {
	rel, err := filepath.Rel(root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return fmt.Errorf("%s is not in %s", path, root)
	}
	dir := root
	if err := makeOne(dir); err != nil || rel == "." {
		return err
	}
	for name := range strings.SplitSeq(rel, "/") {
		dir = filepath.Join(dir, name)
		if err := makeOne(dir); err != nil {
			return err
		}
	}
	return nil
}

func makeOne(dir string) error {
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return Check(dir)
}

// Write writes a file so that it is there as a whole or not at all. What had its
// name, a symbolic link too, is replaced, unless it is such a file already.
func Write(path string, data []byte) error {
	if holds(path, data) {
		return nil
	}
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// holds reports whether path is a file as Write makes it, with that content.
func holds(path string, data []byte) bool {
	f, err := Open(path, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.Mode().Perm() != fileMode || fi.Size() != int64(len(data)) {
		return false
	}
	old, err := io.ReadAll(io.LimitReader(f, int64(len(data))+1))
	return err == nil && bytes.Equal(old, data)
}

// Open opens a file, and makes it if flags have [os.O_CREATE]. The error is an
// [*UnsafeError] unless it is a regular file of this user with one name.
// [os.O_TRUNC] takes effect only then.
func Open(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags&^os.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK, fileMode)
	if errors.Is(err, unix.ELOOP) {
		return nil, &UnsafeError{path, "is a symbolic link", fmt.Sprintf("remove it with \"rm %s\"", path)}
	}
	if err != nil {
		return nil, err
	}
	if err := sound(f); err != nil {
		f.Close()
		return nil, err
	}
	if flags&os.O_TRUNC != 0 {
		if err := f.Truncate(0); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

func sound(f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	remove := fmt.Sprintf("remove it with \"rm -r %s\"", f.Name())
	switch {
	case !fi.Mode().IsRegular():
		return &UnsafeError{f.Name(), "is no regular file", remove}
	case owner(fi) != os.Geteuid():
		return &UnsafeError{f.Name(), fmt.Sprintf("belongs to user %d", owner(fi)), remove}
	case links(fi) > 1:
		return &UnsafeError{f.Name(), "has another name", remove}
	}
	return nil
}

// Limit bounds what Read reads, in bytes: no file of netlab's is as long.
const Limit = 64 << 20

// planted is an [UnsafeError] about a file that is to be read: what somebody put
// in its place is as if it were not there.
type planted struct{ *UnsafeError }

func (p planted) Unwrap() []error { return []error{p.UnsafeError, fs.ErrNotExist} }

// Read returns what a file holds. The error is [fs.ErrNotExist] also if
// something unsafe is in its place, which Write would replace.
func Read(path string) ([]byte, error) {
	f, err := Open(path, os.O_RDONLY)
	if e := new(UnsafeError); errors.As(err, &e) {
		return nil, planted{e}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, Limit))
}
