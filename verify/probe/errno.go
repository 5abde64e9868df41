package probe

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"netlab/labs"
)

var errTableFull = errors.New("the neighbour table of the host is full; raise net.ipv4.neigh.default.gc_thresh3")

// temporary reports whether a packet that could not be sent may be sent later.
func temporary(err error) bool {
	return errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM)
}

// meaning returns what an error of a system call tells about the way to the
// other end, or trouble if it tells nothing.
func meaning(err error) (outcome labs.Outcome, detail string, trouble error) {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return "", "", err
	}
	switch errno {
	case unix.ECONNREFUSED, unix.ECONNRESET:
		return labs.Refused, errno.Error(), nil
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EHOSTDOWN, unix.ENETDOWN, unix.ENONET, unix.EACCES, unix.EINVAL,
		unix.EADDRNOTAVAIL, unix.ENOPROTOOPT, unix.EPROTO, unix.EMSGSIZE:
		return labs.Unreachable, errno.Error(), nil
	case unix.ETIMEDOUT:
		return labs.Timeout, errno.Error(), nil
	case unix.EPERM: // a filter of the sender itself swallows it
		return labs.Timeout, "dropped by a filter where it was sent", nil
	case unix.ENOBUFS:
		return "", "", fmt.Errorf("%w (%w)", errTableFull, err)
	}
	return "", "", err
}
