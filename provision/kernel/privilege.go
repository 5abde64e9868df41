package kernel

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrPrivilege says that the process may not manage network namespaces.
var ErrPrivilege = errors.New("not permitted to manage network namespaces")

// privileged checks what every other call depends on.
func privileged() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read the process's capabilities: %w", err)
	}
	has := func(c int) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
	admin, net := has(unix.CAP_SYS_ADMIN), has(unix.CAP_NET_ADMIN)
	switch {
	case admin && net:
		return nil
	case os.Geteuid() != 0:
		return fmt.Errorf("%w: run it as root, with sudo", ErrPrivilege)
	case !admin:
		return fmt.Errorf("%w: CAP_SYS_ADMIN is missing; start the container with --privileged", ErrPrivilege)
	}
	return fmt.Errorf("%w: CAP_NET_ADMIN is missing; start the container with --cap-add NET_ADMIN", ErrPrivilege)
}
