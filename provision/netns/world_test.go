package netns

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestForbiddenNamesTheSetting(t *testing.T) {
	cause := errors.New("operation not permitted")
	for file, value := range map[string]string{
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
		"/proc/sys/kernel/unprivileged_userns_clone":             "0\n",
		"/proc/sys/user/max_user_namespaces":                     "0\n",
		"/proc/sys/user/max_net_namespaces":                      "0\n",
	} {
		err := forbiddenBy(cause, func(asked string) ([]byte, error) {
			if asked == file {
				return []byte(value), nil
			}
			return nil, fs.ErrNotExist
		})
		setting := filepath.Base(filepath.Dir(file)) + "." + filepath.Base(file)
		if !errors.Is(err, ErrForbidden) || !errors.Is(err, cause) || !strings.Contains(err.Error(), "sysctl -w "+setting+"=") {
			t.Errorf("%s: %v", file, err)
		}
	}
	allowed := func(string) ([]byte, error) { return []byte("1000\n"), nil }
	if err := forbiddenBy(cause, allowed); !errors.Is(err, cause) || strings.Contains(err.Error(), "sysctl") {
		t.Errorf("nothing forbids it, but: %v", err)
	}
}

func TestSubordinates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	text := "other:1:2\nann:100000:65536\nbroken:x:1\n1001:200000:10\nann:300000:1\nzero:5:0\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		names []string
		want  [2]int
	}{
		{[]string{"1000", "ann"}, [2]int{100000, 65536}},
		{[]string{"1001"}, [2]int{200000, 10}},
		{[]string{"broken"}, [2]int{}},
		{[]string{"zero"}, [2]int{}},
		{[]string{"nobody"}, [2]int{}},
	} {
		if got := subordinates(file, tt.names); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.names, got, tt.want)
		}
	}
	if got := subordinates(file+".no", []string{"ann"}); got != [2]int{} {
		t.Errorf("no file: %v", got)
	}
}

func TestWorldDir(t *testing.T) {
	own := t.TempDir()
	uid := os.Getuid()
	if uid == 0 {
		uid = 4321
		if err := os.Chown(own, uid, uid); err != nil {
			t.Skip(err) // this user namespace has only one user
		}
	}
	for _, tt := range []struct{ runtime, want string }{
		{own, own + "/netlab"},
		{"relative", "/tmp/netlab-4321"},
		{"/etc", "/tmp/netlab-4321"}, // somebody else's
		{"", "/tmp/netlab-4321"},
	} {
		if got := worldDir(uid, tt.runtime); uid == 4321 && got != tt.want || tt.runtime == own && got != tt.want {
			t.Errorf("worldDir(%d, %q) = %q, want %q", uid, tt.runtime, got, tt.want)
		}
	}
	if got := worldDir(0, own); got != "/run/netlab-rootless" {
		t.Errorf("root's is %s", got)
	}
}

func TestSystemPath(t *testing.T) {
	if got := systemPath("/usr/bin:/usr/sbin"); got != "/usr/bin:/usr/sbin:/usr/local/sbin:/sbin" {
		t.Error(got)
	}
	if got := systemPath(""); !strings.HasPrefix(got, "/usr/bin:/bin:") {
		t.Error(got)
	}
}
