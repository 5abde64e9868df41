package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"netlab/labs"
	"netlab/provision/netns"
)

// answer is what a built-in server said: who it is, and whom it saw.
type answer struct {
	pod    string
	remote netip.AddrPort
}

var answerLine = regexp.MustCompile(`pod=(\S+) .*remote=(\S+)`)

func parseAnswer(line string) (answer, error) {
	m := answerLine.FindStringSubmatch(line)
	if m == nil {
		return answer{}, fmt.Errorf("%q is no answer of a built-in server", line)
	}
	remote, err := netip.ParseAddrPort(m[2])
	return answer{m[1], remote}, err
}

// patience is how long an answer may take that must come, on the slowest machine.
const patience = 30 * time.Second

// caller sends requests from a namespace.
type caller struct {
	ns string
}

// dial opens a TCP connection to a built-in tcp server and reads its greeting.
func (c caller) dial(to string, timeout time.Duration) (net.Conn, answer, error) {
	var conn net.Conn
	if err := netns.Do(c.ns, func() (err error) {
		conn, err = (&net.Dialer{Timeout: timeout}).Dial("tcp", to)
		return err
	}); err != nil {
		return nil, answer{}, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, answer{}, err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		conn.Close()
		return nil, answer{}, err
	}
	a, err := parseAnswer(line)
	return conn, a, err
}

// tcp asks a built-in tcp server who it is.
func (c caller) tcp(to string, timeout time.Duration) (answer, error) {
	conn, a, err := c.dial(to, timeout)
	if err == nil {
		conn.Close()
	}
	return a, err
}

// socket opens a UDP socket; port 0 is any.
func (c caller) socket(t *testing.T, port int) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	if err := netns.Do(c.ns, func() (err error) {
		conn, err = net.ListenUDP("udp", &net.UDPAddr{Port: port})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// connected opens a UDP socket that knows its peer, and so hears of refusals.
func (c caller) connected(to string) (net.Conn, error) {
	var conn net.Conn
	err := netns.Do(c.ns, func() (err error) {
		conn, err = net.Dial("udp", to)
		return err
	})
	return conn, err
}

// udp asks a built-in udp server who it is.
func (c caller) udp(to string, timeout time.Duration) (answer, error) {
	conn, err := c.connected(to)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("?")); err != nil {
		return answer{}, err
	}
	return read(conn, timeout)
}

// read waits for the answer of a udp server.
func read(conn net.Conn, timeout time.Duration) (answer, error) {
	if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return answer{}, err
	}
	buf := make([]byte, 2048)
	n, err := conn.Read(buf)
	if err != nil {
		return answer{}, err
	}
	return parseAnswer(string(buf[:n]))
}

// ask sends a datagram from a socket to an address and waits for the answer.
func ask(conn *net.UDPConn, to string, timeout time.Duration) (answer, error) {
	if _, err := conn.WriteToUDPAddrPort([]byte("?"), netip.MustParseAddrPort(to)); err != nil {
		return answer{}, err
	}
	return read(conn, timeout)
}

// isTimeout reports whether err says that no answer came.
func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || err != nil && strings.Contains(err.Error(), "i/o timeout")
}

// echo sends a line on a connection to a built-in tcp server and wants it back.
func echo(conn net.Conn, line string) error {
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	got, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && got != line+"\n" {
		err = fmt.Errorf("%q came back as %q", line, got)
	}
	return err
}

// rewrite writes a lab file anew and makes the kernel equal to it.
func rewrite(t *testing.T, file, text string) *labs.Lab {
	t.Helper()
	lab, diagnostics := labs.Load(file, []byte(text))
	if lab == nil {
		t.Fatal(diagnostics)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, exitOK, "up", file)
	return lab
}
