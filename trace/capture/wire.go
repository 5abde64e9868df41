package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// wire is a netlink socket of subsystem netfilter. It belongs to the namespace
// it was opened in.
type wire struct {
	fd  int
	seq uint32
	buf []byte
}

// answerTime is how long the kernel may take for an answer, in seconds. It
// answers while it is asked; a socket that stays silent is broken.
const answerTime = 5

// openWire opens a socket in the namespace of the calling thread that hears
// what is sent to groups.
func openWire(groups uint32) (*wire, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if groups != 0 {
		enlarge(fd)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: answerTime}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return &wire{fd: fd, buf: make([]byte, 1<<16)}, nil
}

func (w *wire) close() { unix.Close(w.fd) }

// send sends messages in one go and returns the number of the last.
func (w *wire) send(messages ...message) (uint32, error) {
	var all []byte
	for _, m := range messages {
		w.seq++
		all = append(all, m.finish(w.seq)...)
	}
	return w.seq, os.NewSyscallError("sendto", unix.Sendto(w.fd, all, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
}

// receive reads one datagram and calls each for its messages. With wait it
// waits for one, otherwise the error is EAGAIN if there is none.
func (w *wire) receive(wait bool, each func(kind uint16, seq uint32, body []byte)) error {
	flags := unix.MSG_DONTWAIT
	if wait {
		flags = 0
	}
	n, _, err := unix.Recvfrom(w.fd, w.buf, flags)
	for err == unix.EINTR {
		n, _, err = unix.Recvfrom(w.fd, w.buf, flags)
	}
	if err != nil {
		return os.NewSyscallError("recvfrom", err)
	}
	for b := w.buf[:n]; len(b) >= unix.SizeofNlMsghdr; {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			break
		}
		each(binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:]), b[unix.SizeofNlMsghdr:size])
		b = b[min(len(b), (size+3)&^3):]
	}
	return nil
}

// ask sends a request for a dump and calls each for every answer.
func (w *wire) ask(m message, each func(body []byte)) error {
	seq, err := w.send(m)
	if err != nil {
		return err
	}
	for done := false; !done; {
		var failed error
		err := w.receive(true, func(kind uint16, s uint32, body []byte) {
			switch {
			case s != seq:
			case kind == unix.NLMSG_DONE:
				done = true
			case kind == unix.NLMSG_ERROR:
				done, failed = true, netlinkError(body)
			default:
				each(body)
			}
		})
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	return nil
}

// get sends a request for one thing and calls each for the answer.
func (w *wire) get(m message, each func(body []byte)) error {
	seq, err := w.send(m)
	if err != nil {
		return err
	}
	for done := false; !done; {
		var failed error
		err := w.receive(true, func(kind uint16, s uint32, body []byte) {
			switch {
			case s != seq:
			case kind == unix.NLMSG_ERROR: // also says that all is well
				done, failed = true, netlinkError(body)
			default:
				each(body)
			}
		})
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	return nil
}

// transact sends a batch of messages that the kernel carries out all or not at
// all.
func (w *wire) transact(messages ...message) error {
	const subsystem = unix.NFNL_SUBSYS_NFTABLES
	batch := []message{newMessage(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, subsystem)}
	batch = append(batch, messages...)
	batch = append(batch, newMessage(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, subsystem))
	last, err := w.send(batch...)
	if err != nil {
		return err
	}
	// Every message of the batch but its brackets asks for an answer.
	for answered := 0; answered < len(messages); {
		var failed error
		err := w.receive(true, func(kind uint16, seq uint32, body []byte) {
			if kind != unix.NLMSG_ERROR || seq > last {
				return
			}
			answered++
			failed = errors.Join(failed, netlinkError(body))
		})
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	return nil
}

// netlinkError reads an answer that says how a request went.
func netlinkError(body []byte) error {
	if len(body) < 4 {
		return errors.New("the kernel's answer is cut off")
	}
	if code := int32(binary.NativeEndian.Uint32(body)); code != 0 {
		return fmt.Errorf("netfilter: %w", unix.Errno(-code))
	}
	return nil
}
