package netns

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrForbidden says that the host lets no ordinary user make namespaces.
var ErrForbidden = errors.New("this host does not let you have labs without root")

// obstacles are the settings of a host that forbid it: what they say then, and
// how they are changed.
var obstacles = []struct {
	file, forbids, remedy string
}{
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
		"AppArmor restricts user namespaces: \"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0\" lifts that until the next boot, and a line kernel.apparmor_restrict_unprivileged_userns=0 in /etc/sysctl.d/60-netlab.conf for good; or run netlab as root"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0",
		"user namespaces are for root only: \"sudo sysctl -w kernel.unprivileged_userns_clone=1\" changes that; or run netlab as root"},
	{"/proc/sys/user/max_user_namespaces", "0",
		"no user namespaces are allowed: \"sudo sysctl -w user.max_user_namespaces=15000\" changes that; or run netlab as root"},
	{"/proc/sys/user/max_net_namespaces", "0",
		"no network namespaces are allowed: \"sudo sysctl -w user.max_net_namespaces=15000\" changes that; or run netlab as root"},
}

// forbidden adds to an error which setting of the host is the reason, if one
// is.
func forbidden(err error) error { return forbiddenBy(err, os.ReadFile) }

// forbiddenBy is forbidden with a reader of the host's settings.
func forbiddenBy(err error, read func(file string) ([]byte, error)) error {
	for _, o := range obstacles {
		if value, readErr := read(o.file); readErr == nil && strings.TrimSpace(string(value)) == o.forbids {
			return fmt.Errorf("%w: %w\n    hint: %s", ErrForbidden, err, o.remedy)
		}
	}
	return fmt.Errorf("%w: %w\n    hint: in a container, its runtime may forbid it (seccomp, --security-opt); or run netlab as root", ErrForbidden, err)
}
