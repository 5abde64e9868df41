package runtime

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"netlab/labs"
	"netlab/provision"
)

// lockedBuffer is a log that may be read while servers write to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// freePort returns a port on which nobody listens.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String()).Port()
}

func served(t *testing.T, kind string) (address string, log *lockedBuffer) {
	t.Helper()
	port := freePort(t)
	s := spec{
		Pod:       provision.PodWorkload{Name: "web-1", Namespace: "default", Node: "node-b"},
		Container: labs.Container{Name: "web", Serve: []labs.Serve{{Kind: kind, Port: port}}},
	}
	log = &lockedBuffer{}
	_, closeAll, err := s.serve(log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeAll)
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String(), log
}

func get(t *testing.T, url, accept string) (string, *http.Response) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), resp
}

func TestServeHTTP(t *testing.T) {
	address, log := served(t, "http")
	base := "http://" + address
	text, _ := get(t, base+"/some/path", "*/*")
	for _, want := range []string{"pod: web-1\n", "namespace: default\n", "node: node-b\n", "local: " + address + "\n", "remote: 127.0.0.1:", "path: /some/path\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for name, ask := range map[string][2]string{"by header": {"/", "application/json"}, "by query": {"/?format=json", "*/*"}} {
		body, resp := get(t, base+ask[0], ask[1])
		var a Answer
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			t.Fatalf("JSON %s: %v in %s", name, err, body)
		}
		remote := a.Remote
		a.Remote = ""
		want := Answer{Pod: "web-1", Namespace: "default", Node: "node-b", Container: "web", Server: "http", Local: address, Method: "GET", Host: address, Path: "/"}
		if a != want || !strings.HasPrefix(remote, "127.0.0.1:") {
			t.Errorf("JSON %s: %+v from %s", name, a, remote)
		}
		if typ := resp.Header.Get("Content-Type"); typ != "application/json" {
			t.Errorf("JSON %s is called %s", name, typ)
		}
	}
	if body, _ := get(t, base+"/healthz", "application/json"); body != "ok\n" {
		t.Errorf("/healthz: %q", body)
	}
	if body, _ := get(t, base+"/clientip", ""); !strings.HasPrefix(body, "127.0.0.1:") {
		t.Errorf("/clientip: %q", body)
	}
	if body, _ := get(t, base+"/hostname", ""); body != "web-1\n" {
		t.Errorf("/hostname: %q", body)
	}
	if body, _ := get(t, base+"/%0Apod:%20evil", ""); strings.Contains(body, "\npod: evil") {
		t.Errorf("a client can make up lines: %q", body)
	}
	if !strings.Contains(log.String(), `GET "/some/path" from 127.0.0.1:`) {
		t.Errorf("log: %s", log)
	}
}

func TestServeTCP(t *testing.T) {
	address, _ := served(t, "tcp")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	greeting, err := r.ReadString('\n')
	want := "pod=web-1 namespace=default node=node-b local=" + address + " remote=" + c.LocalAddr().String() + "\n"
	if err != nil || greeting != want {
		t.Errorf("greeted with %q, %v", greeting, err)
	}
	if echo, err := r.ReadString('\n'); err != nil || echo != "hello\n" {
		t.Errorf("echo %q, %v", echo, err)
	}
}

func TestServeUDP(t *testing.T) {
	address, _ := served(t, "udp")
	for _, to := range []string{address, strings.Replace(address, "127.0.0.1", "127.0.0.2", 1)} {
		c, err := net.Dial("udp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1024)
		n, err := c.Read(buf) // only what comes from the address that was asked
		want := "pod=web-1 namespace=default node=node-b local=" + to + " remote=" + c.LocalAddr().String() + "\nhello"
		if err != nil || string(buf[:n]) != want {
			t.Errorf("answer %q, %v; want %q", buf[:n], err, want)
		}
	}
}

func TestServeOnATakenPort(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	s := spec{Container: labs.Container{Serve: []labs.Serve{{Kind: "http", Port: port}}}}
	if _, _, err := s.serve(io.Discard); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error %v", err)
	}
}
