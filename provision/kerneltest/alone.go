package kerneltest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

const aloneEnv = "NETLAB_TEST_ALONE" // what the process has in which the tests run

// Alone runs the tests of a package in a process with mounts of its own, where
// /run and /etc are its own copies, and ends this one with its exit code. The
// directories that all labs of a host share come and go with the first and the
// last of them: tests of another package would remove them, or be surprised by
// them. Without root the tests run here.
func Alone(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(aloneEnv) != "" {
		os.Exit(m.Run())
	}
	program, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	const prepare = `mount --make-rprivate / && { while umount -R /run/netns 2>/dev/null; do :; done; mount -t tmpfs -o mode=755 tmpfs /run; } && mkdir /run/etc && cp -a /etc/. /run/etc &&
mount --bind /run/etc /etc && rm -rf /etc/netns && exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", prepare, "sh", program}, os.Args[1:]...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), aloneEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // whose death is that of the process
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "run the tests with mounts of their own:", err)
		os.Exit(1)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}
