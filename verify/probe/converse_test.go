package probe

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOverdue reads when time is over: what has arrived counts, silence does not.
func TestOverdue(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	here, there := os.NewFile(uintptr(pair[0]), "here"), os.NewFile(uintptr(pair[1]), "there")
	defer here.Close()
	defer there.Close()
	if _, err := there.WriteString("pod=web"); err != nil {
		t.Fatal(err)
	}
	if err := here.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	if n, err := (overdue{here}).Read(buf); string(buf[:n]) != "pod=web" || err != nil {
		t.Errorf("what had arrived: %q, %v", buf[:n], err)
	}
	if n, err := (overdue{here}).Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nothing: %q, %v", buf[:n], err)
	}
}
