package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netlab/provision/netns"
	"netlab/trace"
)

// wholePacket is more than any packet of a lab has, in bytes.
const wholePacket = 256 << 10

// Sniff calls each with every packet that passes an interface of the network
// namespace ns, in the order of their arrival, until ctx is done or each returns
// an error, which Sniff returns. iface is the interface, or "" for all of them.
// filter, if any, says which packets are wanted; it may be nil. ready, if not
// nil, is called when nothing is missed any more.
//
// The second result is the number of packets that were lost because each was too
// slow.
func Sniff(ctx context.Context, ns, iface string, filter []bpf.RawInstruction, ready func(), each func(trace.Frame) error) (lost int, err error) {
	stop, err := startClock()
	if err != nil {
		return 0, err
	}
	defer stop()
	var t *tap
	var wake int
	names := map[int]string{}
	err = netns.Do(ns, func() (err error) {
		if names, err = interfaceNames(); err != nil {
			return err
		}
		t, err = openSniffer(iface, names, filter)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("capture in %s: %w", ns, err)
	}
	defer t.close()
	if wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return 0, os.NewSyscallError("eventfd", err)
	}
	defer unix.Close(wake)
	defer context.AfterFunc(ctx, func() { _, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })()
	if ready != nil {
		ready()
	}
	for ctx.Err() == nil && err == nil {
		fds := []unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
		if _, err = unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, os.NewSyscallError("poll", err)
		}
		err = t.drain(ns, names, each)
	}
	if stats, statErr := unix.GetsockoptTpacketStats(t.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); statErr == nil {
		lost = int(stats.Drops)
	}
	return lost, err
}

// openSniffer opens a tap on one interface, or on all, of the calling thread's
// namespace.
func openSniffer(iface string, names map[int]string, filter []bpf.RawInstruction) (*tap, error) {
	index := 0
	for i, name := range names {
		if name == iface {
			index = i
		}
	}
	if iface != "" && index == 0 {
		return nil, fmt.Errorf("there is no interface %s", iface)
	}
	var program []unix.SockFilter
	for _, ins := range filter {
		program = append(program, unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K})
	}
	t, err := openTapOn(index, program)
	if err == nil {
		t.buf = make([]byte, wholePacket)
	}
	return t, err
}

// interfaceNames returns the names of the interfaces of the calling thread's
// namespace by their index.
func interfaceNames() (map[int]string, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	names := map[int]string{}
	for _, i := range list {
		names[i.Index] = i.Name
	}
	return names, nil
}

// drain hands on what has arrived.
func (t *tap) drain(ns string, names map[int]string, each func(trace.Frame) error) error {
	var failed error
	err := t.frames(ns, names, func(f trace.Frame) {
		if failed == nil {
			failed = each(f)
		}
	})
	return errors.Join(failed, err)
}
