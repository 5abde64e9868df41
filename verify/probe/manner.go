package probe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"netlab/verify"
)

// manner is how to talk to whoever may answer a check.
type manner struct {
	question []byte
	patience time.Duration // for an answer; 0: as long as the check takes
	deaf     bool          // nothing is to be learned from an answer
	http     bool          // what comes back is read as the answer of an HTTP server
	foreign  bool          // somebody may answer that need not understand the question
}

// courtesy is how long a server that need not say anything is listened to.
const courtesy = 400 * time.Millisecond

// httpQuestion asks a built-in server who it is. The connection stays open, so
// that it is the client who ends it and no TIME_WAIT remains.
const httpQuestion = "GET /netlab-verify HTTP/1.1\r\nHost: netlab\r\nUser-Agent: netlab-verify\r\nAccept: application/json\r\n\r\n"

// dnsQuestion asks for the name servers of the root.
var dnsQuestion = []byte{'n', 'l', 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1}

// mannerOf returns how to make a check.
func (r *run) mannerOf(c *verify.Check) manner {
	m := manner{question: r.nonce[:]}
	if c.Kind == verify.TCP {
		m.question = nil
	}
	if c.More != nil && c.More.Extra != nil && c.More.Extra.HTTP != nil {
		m.http = true
		m.question = []byte("GET " + c.More.Extra.HTTP.Path + " HTTP/1.1\r\nHost: " + hostOf(c) + "\r\nUser-Agent: netlab-verify\r\nAccept: */*\r\n\r\n")
		return m
	}
	if c.Port == 0 {
		return m
	}
	known := 0
	var servers []verify.Server
	if c.More != nil {
		servers = c.More.Listen
	}
	for _, s := range servers {
		switch {
		case s.Program == verify.HTTPServer:
			m.question = []byte(httpQuestion)
		case s.Program == verify.DNSServer && c.Kind == verify.UDP:
			m.question = dnsQuestion
			known++
		}
		if s.Program == verify.Nobody && r.servers.has(s) || s.Program != verify.Nobody && s.Program.Introduces() {
			known++
		}
	}
	m.deaf = known == 0 && c.Kind == verify.TCP
	if m.foreign = known < len(servers); m.foreign {
		m.patience = courtesy
	}
	return m
}

// hostOf is how an HTTP client calls the server of a check.
func hostOf(c *verify.Check) string {
	return netip.AddrPortFrom(c.Addr, c.Port).String()
}

// maxBody is how much of the body of an answer is read, in bytes.
const maxBody = 1 << 20

// readHTTP reads the answer of an HTTP server. Its status is 0 if what answers
// speaks something else, or says nothing.
func (r *run) readHTTP(d *dialing, from io.Reader) (verify.Answer, error) {
	d.o.Status, d.o.Body = 0, ""
	response, err := http.ReadResponse(bufio.NewReader(from), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return verify.Answer{}, silentError{}
	}
	if err != nil {
		return verify.Answer{}, nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return verify.Answer{}, fmt.Errorf("the answer ends early: %w", err)
	}
	d.o.Status, d.o.Body = response.StatusCode, string(body)
	return fromText(d.o.Body), nil
}

// fromText reads what a built-in HTTP server says to people, if it is one.
func fromText(body string) verify.Answer {
	value := map[string]string{}
	for line := range strings.Lines(body) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if _, twice := value[k]; !twice {
			value[k] = v
		}
	}
	return introduced(value["namespace"], value["pod"], value["local"], value["remote"])
}

// understand reads an answer, if b is a whole one. The zero Answer is one of a
// server that does not introduce itself.
func (r *run) understand(b []byte, foreign bool) (a verify.Answer, whole bool) {
	if a, ok := r.servers.parse(b); ok {
		return a, true
	}
	text := string(b)
	if line, _, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(line, "pod=") {
		return fromLine(line), true
	}
	if strings.HasPrefix(text, "HTTP/") {
		return fromHTTP(b)
	}
	return verify.Answer{}, foreign && len(b) > 0
}

// fromLine reads the answer of a built-in TCP or UDP server.
func fromLine(line string) verify.Answer {
	value := map[string]string{}
	for _, word := range strings.Fields(line) {
		k, v, _ := strings.Cut(word, "=")
		value[k] = v
	}
	return introduced(value["namespace"], value["pod"], value["local"], value["remote"])
}

// fromHTTP reads the answer of a built-in HTTP server.
func fromHTTP(b []byte) (a verify.Answer, whole bool) {
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		return a, false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return a, false // there is more to come
	}
	var said struct{ Pod, Namespace, Local, Remote string }
	if response.StatusCode != http.StatusOK || json.Unmarshal(body, &said) != nil {
		return a, true
	}
	return introduced(said.Namespace, said.Pod, said.Local, said.Remote), true
}

// introduced is what a built-in server said about itself, or the zero Answer
// if that makes no sense.
func introduced(namespace, pod, local, remote string) verify.Answer {
	server, err := netip.ParseAddrPort(local)
	client, err2 := netip.ParseAddrPort(remote)
	if err != nil || err2 != nil || slices.Contains([]string{namespace, pod}, "") {
		return verify.Answer{}
	}
	return verify.Answer{Pod: namespace + "/" + pod, Server: server, Client: client.Addr()}
}
