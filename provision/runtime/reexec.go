package runtime

import (
	"os"

	"golang.org/x/sys/unix"
)

// self is the program that runs, also when its file was replaced meanwhile.
const self = "/proc/self/exe"

// reexecEnv marks the processes that are started from our own program.
const reexecEnv = "NETLAB_REEXEC"

// containerWord is the first argument of the first process of a container.
const containerWord = "container"

// Main does the work of this process if it is one of those that this package
// starts from its own program: main must call it before anything else. ok
// reports whether it was. The supervisor of a lab is left to the caller, which
// must go on to call [Supervision.Run] for it.
func Main(args []string) (code int, ok bool) {
	if os.Getenv(reexecEnv) == "" {
		return 0, false
	}
	_ = os.Unsetenv(reexecEnv)
	switch {
	case len(args) == 2 && args[0] == PauseName:
		callMyself(PauseName)
		for {
			_ = unix.Pause()
		}
	case len(args) == 4 && args[1] == containerWord:
		callMyself("netlab")
		return containerMain(args[2], args[3]), true
	}
	return 0, false
}

// Misled reports whether this process was started to do this package's work,
// by a program that does not know how: it never called [Main]. It must not go
// on, or it would start others like itself.
func Misled() bool { return os.Getenv(reexecEnv) != "" }

// callMyself sets the name that ps shows; it would be "exe" otherwise.
func callMyself(name string) {
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0)
}
