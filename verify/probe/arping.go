package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// Of the Address Resolution Protocol (RFC 826) over Ethernet.
const (
	arpSize      = 28
	arpRequest   = 1
	arpReply     = 2
	ethernetType = 1
)

// How ARP is asked: so often, and how long answers are waited for. The kernel
// answers within the call that asks, and a bridge brings the question to one port
// after the other: when everybody has answered who should, the others have, too, or
// do so after a few times as long.
const (
	mostQuestions = 4
	repeatARP     = 150 * time.Millisecond // those that should come
	settleARP     = 20 * time.Millisecond  // those that should not, at most
	leastSettle   = 5 * time.Millisecond
	timesSettle   = 4
)

// askAround asks by ARP for some addresses and notes each answer. Who has an
// address on a bridge is asked without saying who asks, as when looking for
// duplicates, and for a MAC that nobody has: so nobody learns from the question,
// and the answers are those to it and not to what the kernel asks meanwhile.
// Only a router that stands in for others wants to know who asks.
func (r *run) askAround(c *verify.Check) (o verify.Observation, err error) {
	ns := c.From.NS
	if err := r.spaces[ns].err; err != nil {
		return o, err
	}
	var fd, index int
	var mac labs.MAC
	var absent bool
	err = r.in(ns, func() (err error) {
		i, err := net.InterfaceByName(c.More.Iface)
		if err != nil {
			absent = true
			return nil
		}
		index, mac = i.Index, macOf(i.HardwareAddr)
		fd, err = openARP(index)
		return err
	})
	if err != nil {
		return o, fmt.Errorf("open a packet socket in %s: %w", ns, err)
	}
	if absent { // then nobody answers
		return o, nil
	}
	file := os.NewFile(uintptr(fd), "arp")
	defer file.Close()
	nonce := newNonce()
	alias := labs.MAC(nonce[:6])
	alias[0] = alias[0]&^1 | 2 // one machine's, given by nobody
	asker := arper{r: r, c: c, file: file, index: index, mac: mac, alias: alias, asked: map[netip.Addr]int{}, heard: map[verify.Entry]int{}}
	if err := asker.ask(); err != nil {
		return o, fmt.Errorf("ask by ARP in %s: %w", ns, err)
	}
	return asker.observation(), nil
}

// openARP opens a socket for ARP on an interface of the namespace of the
// calling thread.
func openARP(index int) (int, error) {
	proto := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ARP)))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(proto), Ifindex: index}); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// arper asks the questions of one check.
type arper struct {
	r     *run
	c     *verify.Check
	file  *os.File
	index int
	mac   labs.MAC
	alias labs.MAC // for which answers are asked
	asked map[netip.Addr]int
	heard map[verify.Entry]int
	began time.Time // of the last questions
}

// ask asks until everybody who should has answered and nobody says anything
// any more. Each question is asked twice at least: an answer may get lost that
// should not have come.
func (a *arper) ask() error {
	deadline := time.Now().Add(a.c.Wait)
	for round := 0; round < mostQuestions && a.r.ctx.Err() == nil && time.Now().Before(deadline); round++ {
		a.began = time.Now()
		for _, q := range a.c.More.Asks {
			if round > 1 && a.answered(q) {
				continue
			}
			if err := a.send(q); err != nil {
				return err
			}
		}
		gap := settleARP
		switch complete := a.complete(); {
		case round > 0 && !complete:
			gap = repeatARP << (round - 1)
		case round == 0 && complete:
			gap = leastSettle // they are asked once more
		}
		if err := a.listen(gap); err != nil {
			return err
		}
		if round > 0 && a.complete() {
			return nil
		}
	}
	return nil
}

func (a *arper) answered(q verify.Query) bool {
	return q.Answer == (labs.MAC{}) || a.heard[verify.Entry{IP: q.For, MAC: q.Answer}] > 0
}

// complete reports whether everybody answered who should.
func (a *arper) complete() bool {
	for _, q := range a.c.More.Asks {
		if !a.answered(q) {
			return false
		}
	}
	return true
}

// send sends one question to everybody on the link.
func (a *arper) send(q verify.Query) error {
	p := make([]byte, 0, arpSize)
	p = binary.BigEndian.AppendUint16(p, ethernetType)
	p = binary.BigEndian.AppendUint16(p, unix.ETH_P_IP)
	p = append(p, 6, 4)
	p = binary.BigEndian.AppendUint16(p, arpRequest)
	asker, mac := netip.IPv4Unspecified(), a.alias
	if a.known(q.For) {
		asker, mac = like(a.c.From.Addrs, q.For), a.mac
	}
	p = append(p, mac[:]...)
	p = append(p, asker.AsSlice()...)
	p = append(p, make([]byte, 6)...)
	p = append(p, q.For.AsSlice()...)
	to := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ARP), Ifindex: a.index, Halen: 6, Addr: [8]byte{255, 255, 255, 255, 255, 255}}
	conn, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), p, 0, to)
		return failed != unix.EAGAIN
	}); err != nil {
		return err
	}
	a.asked[q.For]++
	if errors.Is(failed, unix.ENETDOWN) || errors.Is(failed, unix.ENXIO) {
		return nil // nobody hears it
	}
	return os.NewSyscallError("sendto", failed)
}

func htons(v uint16) uint16 { return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v)) }

// listen notes answers until nothing came for so long.
func (a *arper) listen(gap time.Duration) error {
	buf := make([]byte, 128)
	for {
		if err := a.file.SetReadDeadline(time.Now().Add(gap)); err != nil {
			return err
		}
		n, err := a.file.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) { // but on a busy machine something may have come
			n, err = a.waiting(buf)
		}
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENETDOWN):
			return nil
		case err != nil:
			return err
		}
		// A bridge port in hairpin mode sends our own question back to us.
		if e, to, ok := parseARP(buf[:n]); ok && e.MAC != a.mac && a.asked[e.IP] > 0 && (to == a.alias || a.known(e.IP) && to == a.mac) {
			a.heard[e]++
			gap = repeatARP
			if a.complete() {
				gap = min(max(timesSettle*time.Since(a.began), leastSettle), settleARP)
			}
		}
	}
}

// waiting reads an answer that is there. The error is [unix.EAGAIN] if there is
// none.
func (a *arper) waiting(buf []byte) (n int, err error) {
	conn, err := a.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	if cerr := conn.Control(func(fd uintptr) { n, err = unix.Read(int(fd), buf) }); cerr != nil {
		return 0, cerr
	}
	return n, err
}

// known reports whether the question for an address says who asks: a router
// that stands in for others answers no other.
func (a *arper) known(addr netip.Addr) bool {
	return a.c.From.Kind == labs.RefPod && !a.c.From.Bridged && !slices.Contains(a.c.From.Addrs, addr)
}

// parseARP reads an answer and the MAC it is for.
func parseARP(b []byte) (e verify.Entry, to labs.MAC, ok bool) {
	if len(b) < arpSize || binary.BigEndian.Uint16(b[6:]) != arpReply || b[4] != 6 || b[5] != 4 {
		return e, to, false
	}
	return verify.Entry{IP: netip.AddrFrom4([4]byte(b[14:18])), MAC: macOf(b[8:14])}, macOf(b[18:24]), true
}

// observation lists who answered: once for each address, or twice where there
// were more answers than questions.
func (a *arper) observation() (o verify.Observation) {
	for _, q := range a.c.More.Asks {
		for e, times := range a.heard {
			if e.IP != q.For {
				continue
			}
			o.Entries = append(o.Entries, e)
			if times > a.asked[e.IP] && !a.known(e.IP) {
				o.Entries = append(o.Entries, e)
			}
		}
	}
	return o
}
