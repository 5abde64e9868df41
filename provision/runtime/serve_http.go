package runtime

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Of a built-in HTTP server.
const (
	headerTimeout = 10 * time.Second
	maxBody       = 1 << 20 // bytes of a request that are read and thrown away
)

// serveHTTP answers every request with an [Answer]: text, or JSON if the client
// accepts that or asks for it with ?format=json. These paths are special:
//
//	/healthz   "ok"
//	/clientip  the client's address and port, as the server sees them
//	/hostname  the pod's name
func (s spec) serveHTTP(l net.Listener, log io.Writer) error {
	server := &http.Server{
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          slog.NewLogLogger(slog.NewTextHandler(log, nil), slog.LevelError),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
			a := s.answer("http", local, textAddr(r.RemoteAddr))
			a.Method, a.Host, a.Path = r.Method, r.Host, r.URL.Path
			fmt.Fprintf(log, "%s %s %q from %s to %s\n", stamp(), r.Method, r.URL.Path, a.Remote, a.Local)
			_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody))
			a.write(w, r)
		}),
	}
	return server.Serve(l)
}

func (a Answer) write(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	plain := ""
	switch r.URL.Path {
	case "/healthz":
		plain = "ok\n"
	case "/clientip":
		plain = a.Remote + "\n"
	case "/hostname":
		plain = a.Pod + "\n"
	}
	switch {
	case plain != "":
	case wantsJSON(r):
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(a)
		return
	default:
		plain = a.Text()
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, plain)
}

func wantsJSON(r *http.Request) bool {
	return r.URL.Query().Get("format") == "json" || strings.Contains(r.Header.Get("Accept"), "application/json")
}

// Text is the answer as a person reads it, a line for each key.
func (a Answer) Text() string {
	var b strings.Builder
	for _, kv := range [][2]string{
		{"pod", a.Pod}, {"namespace", a.Namespace}, {"node", a.Node}, {"container", a.Container},
		{"local", a.Local}, {"remote", a.Remote}, {"method", a.Method}, {"host", a.Host}, {"path", a.Path},
	} {
		if kv[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", kv[0], oneLine(kv[1]))
		}
	}
	return b.String()
}

// oneLine keeps what a client sent from looking like a line of ours.
func oneLine(s string) string { return strings.NewReplacer("\n", "%0A", "\r", "%0D").Replace(s) }

// textAddr is an address of which only the text is known.
type textAddr string

// Network implements [net.Addr].
func (textAddr) Network() string { return "tcp" }

// String implements [net.Addr].
func (a textAddr) String() string { return string(a) }
