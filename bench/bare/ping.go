package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// enter moves the calling thread into a namespace.
func enter(name string) error {
	ns, err := unix.Open(filepath.Join(netnsDir, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	return unix.Setns(ns, unix.CLONE_NEWNET)
}

// block is how many destinations are pinged by all before the next ones are:
// what the kernel knows of them stays in the processor's cache.
const block = 64

// ping lets all leaves ping all others once, over one raw socket each, and
// says how many answers came. It knows no retry and no limit of neighbours.
func ping(all []*space, lap func(string)) error {
	leaves := leavesOf(all)
	sockets := make([]int, len(leaves))
	index := map[*space]int{}
	for i, s := range leaves {
		index[s] = i
	}
	if err := each(leaves, func(s *space) error {
		if err := enter(s.name); err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMP)
		if err != nil {
			return err
		}
		filter := uint32(^uint32(1)) // echo replies only
		_ = unix.SetsockoptString(fd, unix.SOL_RAW, 1, string(binary.NativeEndian.AppendUint32(nil, filter)))
		sockets[index[s]] = fd
		return nil
	}); err != nil {
		return err
	}
	lap("open")
	var wg sync.WaitGroup
	answers := make([]int, 2)
	for t := range 2 {
		wg.Go(func() {
			buf := make([]byte, 128)
			drain := func(fd int) {
				for {
					n, _, err := unix.Recvfrom(fd, buf, 0)
					if err != nil || n < 28 {
						return
					}
					answers[t]++
				}
			}
			for from := 0; from < len(leaves); from += block {
				for i := t; i < len(leaves); i += 2 {
					for j := from; j < min(from+block, len(leaves)); j++ {
						if i != j {
							to := unix.SockaddrInet4{Addr: leaves[j].addr.As4()}
							_ = unix.Sendto(sockets[i], echo(uint16(i), uint16(j)), 0, &to)
						}
					}
					drain(sockets[i])
				}
			}
			deadline := time.Now().Add(time.Second)
			want := 0
			for i := t; i < len(leaves); i += 2 {
				want += len(leaves) - 1
			}
			for answers[t] < want && time.Now().Before(deadline) {
				for i := t; i < len(leaves); i += 2 {
					drain(sockets[i])
				}
			}
		})
	}
	wg.Wait()
	lap("ping")
	pairs := len(leaves) * (len(leaves) - 1)
	fmt.Printf("pairs %d\nanswers %d\n", pairs, answers[0]+answers[1])
	if answers[0]+answers[1] > pairs {
		return errors.New("more answers than questions")
	}
	return nil
}

// greeting is what a server of connect says.
var greeting = []byte("bare: a line as long as one of netlab's servers says\n")

// connect makes TCP connections from leaves to others, of as many pairs, which are
// spread evenly: the server says a line, the client reads it, and both let go.
func connect(all []*space, count int, lap func(string)) error {
	leaves := leavesOf(all)
	spaces, listeners := make([]int, len(leaves)), make([]int, len(leaves))
	index := map[*space]int{}
	for i, s := range leaves {
		index[s] = i
	}
	if err := each(leaves, func(s *space) (err error) {
		i := index[s]
		if spaces[i], err = unix.Open(filepath.Join(netnsDir, s.name), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.Setns(spaces[i], unix.CLONE_NEWNET); err != nil {
			return err
		}
		if listeners[i], err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.Bind(listeners[i], &unix.SockaddrInet4{Port: connectPort}); err != nil {
			return err
		}
		return unix.Listen(listeners[i], 128)
	}); err != nil {
		return err
	}
	lap("listen")
	pairs := len(leaves) * (len(leaves) - 1)
	count = min(count, pairs)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for t := range 2 {
		wg.Go(func() {
			runtime.LockOSThread() // it ends with the thread
			for k := t; k < count && errs[t] == nil; k += 2 {
				pair := k * pairs / count
				from, to := pair/(len(leaves)-1), pair%(len(leaves)-1)
				if to >= from {
					to++
				}
				errs[t] = converse(spaces[from], listeners[to], leaves[to].addr.As4())
			}
		})
	}
	wg.Wait()
	lap("connect")
	fmt.Printf("connections %d\n", count)
	return errors.Join(errs...)
}

const connectPort = 8080

// converse makes one connection, of which the calling thread is both ends.
func converse(ns, listener int, to [4]byte) error {
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return err
	}
	client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(client)
	if err := unix.Connect(client, &unix.SockaddrInet4{Port: connectPort, Addr: to}); err != nil {
		return err
	}
	server, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(server)
	for _, fd := range []int{client, server} { // nobody remembers it
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	if _, err := unix.Write(server, greeting); err != nil {
		return err
	}
	_, err = unix.Read(client, make([]byte, 128))
	return err
}

func leavesOf(all []*space) []*space {
	var leaves []*space
	for _, s := range all {
		if s.leaf {
			leaves = append(leaves, s)
		}
	}
	return leaves
}

// echo returns an echo request.
func echo(id, seq uint16) []byte {
	b := []byte{8, 0, 0, 0, byte(id >> 8), byte(id), byte(seq >> 8), byte(seq)}
	sum := uint32(8)<<8 + uint32(id) + uint32(seq)
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return b
}
