package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision/netns"
)

// Settle waits until the kernel has let go of namespaces that were deleted
// before: until then the names of links at their other ends are taken, and
// everything new is several times slower. What a process still holds it does
// not wait for.
//
// The kernel takes dropped namespaces apart one batch after the other, in the
// background, and tells nobody when. So two that only serve to be watched are
// sent after them. The first leaves with the batch that is being collected
// now; the second, sent when the first is gone, leaves only after all of that
// batch was released.
func (h *Host) Settle(ctx context.Context) error {
	h.spaces.forgetAll()
	for range 2 {
		if err := h.sentinel(ctx); err != nil {
			return fmt.Errorf("wait for the kernel to release namespaces: %w", err)
		}
	}
	return nil
}

// sentinel makes and drops a namespace with one end of a cable in it and waits
// for the other end to go.
func (h *Host) sentinel(ctx context.Context) error {
	const watched, dropped = "sentinel", "sentinel"
	var here *conn
	var events int
	err := netns.Fresh(func() (err error) {
		if events, err = linkEvents(); err != nil {
			return err
		}
		here, err = dial()
		if err != nil {
			return err
		}
		mine, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		defer mine.Close()
		return netns.Fresh(func() error {
			there, err := dial()
			if err != nil {
				return err
			}
			defer there.close()
			info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
			info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
			peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
			peer.AddChild(nl.NewIfInfomsg(unix.AF_UNSPEC))
			peer.AddChild(nameAttr(watched))
			peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(mine.Fd())))
			return there.do(request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL,
				nl.NewIfInfomsg(unix.AF_UNSPEC), nameAttr(dropped), info), nil)
		})
	})
	if here != nil {
		defer here.close()
	}
	if events > 0 {
		defer unix.Close(events)
	}
	if err != nil {
		return err
	}
	return awaitDelete(ctx, events)
}

// linkEvents opens a socket that hears of links that come and go in the calling
// thread's namespace.
func linkEvents() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return 0, fmt.Errorf("open a netlink socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("listen for links: %w", err)
	}
	return fd, nil
}

// awaitDelete returns when a link was deleted.
func awaitDelete(ctx context.Context, fd int) error {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	defer unix.Close(wake)
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	defer func() {
		if !stop() {
			<-stopped // it must not write to whatever gets the number next
		}
	}()
	buf := make([]byte, receiveBuffer)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == nil:
			for h := range messages(buf[:n]) {
				if h.Type == unix.RTM_DELLINK {
					return nil
				}
			}
		case errors.Is(err, unix.EAGAIN):
			if ctx.Err() != nil {
				return ctx.Err()
			}
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}, -1)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
		case errors.Is(err, unix.EINTR):
		default:
			return err
		}
	}
}
