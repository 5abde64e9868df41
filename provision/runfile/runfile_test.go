package runfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func unsafe(t *testing.T, err error, what string) {
	t.Helper()
	var e *UnsafeError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), what) {
		t.Errorf("got %v, want an error about what %q", err, what)
	}
}

func TestMakeDir(t *testing.T) {
	root := filepath.Join(t.TempDir(), "run")
	if err := MakeDir(root, filepath.Join(root, "a/b")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{root, root + "/a", root + "/a/b"} {
		if fi, err := os.Lstat(dir); err != nil || fi.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%s: %v, %v", dir, fi.Mode(), err)
		}
	}
	elsewhere := t.TempDir()
	for name, tt := range map[string]struct {
		plant func(path string) error
		what  string
	}{
		"link": {func(p string) error { return os.Symlink(elsewhere, p) }, "is a symbolic link"},
		"file": {func(p string) error { return os.WriteFile(p, nil, 0o600) }, "is no directory"},
		"wide": {func(p string) error { return errors.Join(os.Mkdir(p, 0o700), os.Chmod(p, 0o777)) }, "can be written by others (mode 0777)"},
		"grp":  {func(p string) error { return errors.Join(os.Mkdir(p, 0o700), os.Chmod(p, 0o770)) }, "can be written by others (mode 0770)"},
	} {
		if err := tt.plant(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
		unsafe(t, MakeDir(root, filepath.Join(root, name)), tt.what)
		unsafe(t, MakeDir(root, filepath.Join(root, name, "below")), tt.what)
	}
	if left, _ := os.ReadDir(elsewhere); len(left) > 0 {
		t.Errorf("a link was followed: %v", left)
	}
	for _, out := range []string{root + "/..", root + "/../x", "/etc"} {
		if err := MakeDir(root, out); err == nil {
			t.Errorf("made %s", out)
		}
	}
}

func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	root := filepath.Join(t.TempDir(), "run")
	if err := errors.Join(os.Mkdir(root, 0o700), os.Chown(root, 1234, 1234)); err != nil {
		t.Skip(err) // a user namespace with one user
	}
	unsafe(t, MakeDir(root, root), "belongs to user 1234")
}

func TestWriteReplacesWhatIsPlanted(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	for _, plant := range []func(path string) error{
		func(p string) error { return os.Symlink(victim, p) },
		func(p string) error { return os.Link(victim, p) },
		func(p string) error { return unix.Mkfifo(p, 0o600) },
	} {
		if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "file")
		for _, p := range []string{path, path + ".new"} {
			_ = os.Remove(p)
			if err := plant(p); err != nil {
				t.Fatal(err)
			}
		}
		if err := Write(path, []byte("new")); err != nil {
			t.Error(err)
		}
		if got, err := Read(path); err != nil || string(got) != "new" {
			t.Errorf("read %q, %v", got, err)
		}
		if got, _ := os.ReadFile(victim); string(got) != "precious" {
			t.Errorf("the victim holds %q", got)
		}
		if fi, err := os.Lstat(path); err != nil || fi.Mode() != 0o600 {
			t.Errorf("mode %v, %v", fi.Mode(), err)
		}
	}
}

func TestOpenRefusesWhatIsPlanted(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		plant func(path string) error
		what  string
	}{
		"link": {func(p string) error { return os.Symlink(victim, p) }, "is a symbolic link"},
		"hard": {func(p string) error { return os.Link(victim, p) }, "has another name"},
		"fifo": {func(p string) error { return unix.Mkfifo(p, 0o600) }, "is no regular file"},
	} {
		path := filepath.Join(dir, name)
		if err := tt.plant(path); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		unsafe(t, err, tt.what)
		_, err = Read(path)
		unsafe(t, err, tt.what)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v is not as if there were nothing", err)
		}
	}
	if got, _ := os.ReadFile(victim); string(got) != "precious" {
		t.Errorf("the victim holds %q", got)
	}
}

// TestWriteKeepsWhatIsThere writes the same again: the file is the same, and what
// differs in content, mode or kind is replaced.
func TestWriteKeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write := func(text string) os.FileInfo {
		t.Helper()
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Lstat(path)
		if got, _ := os.ReadFile(path); err != nil || string(got) != text || fi.Mode() != 0o600 {
			t.Fatalf("%q, %v (%v)", got, fi.Mode(), err)
		}
		return fi
	}
	first := write("one")
	if !os.SameFile(first, write("one")) {
		t.Error("the file was replaced by an equal one")
	}
	if os.SameFile(first, write("two")) {
		t.Error("the file was changed in place")
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	write("two")
	other := filepath.Join(t.TempDir(), "other")
	if err := errors.Join(os.WriteFile(other, []byte("two"), 0o600), os.Remove(path), os.Symlink(other, path)); err != nil {
		t.Fatal(err)
	}
	write("two")
}
