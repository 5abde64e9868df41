package runtime

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	mdns "github.com/miekg/dns"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/dns"
)

// openNames opens the file of the lab's names, if the container has a server
// that needs it. It is open before the container gives its rights up, and is
// only ever written in place.
func (s *spec) openNames() error {
	for _, server := range s.Container.Serve {
		if server.Kind == labs.ServeDNS {
			var err error
			s.names, err = os.Open(filepath.Join(string(s.Dir), provision.DNSFile))
			return err
		}
	}
	return nil
}

// listenDNS opens the sockets of the lab's DNS server.
func (s spec) listenDNS(port uint16) (run func(io.Writer) error, closer io.Closer, err error) {
	if s.names == nil {
		return nil, nil, errors.New("the names of the lab are not open")
	}
	address := ":" + strconv.Itoa(int(port))
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, nil, err
	}
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		_ = udp.Close()
		return nil, nil, err
	}
	run = func(log io.Writer) error {
		source := &nameSource{file: s.names, lost: make(chan error, 1)}
		ended := make(chan error, 2)
		for _, server := range []*mdns.Server{
			{PacketConn: udp, UDPSize: mdns.DefaultMsgSize, Handler: source.handler("udp", log)},
			{Listener: tcp, Handler: source.handler("tcp", log)},
		} {
			go func() { ended <- server.ActivateAndServe() }()
		}
		select {
		case err := <-source.lost:
			return err
		case err := <-ended:
			return err
		}
	}
	return run, closers{udp, tcp}, nil
}

// closers is closed as one.
type closers []io.Closer

// Close closes all of them.
func (c closers) Close() error {
	var errs []error
	for _, one := range c {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// nameSource follows the file of a lab's names. It is safe for concurrent use.
type nameSource struct {
	file *os.File
	lost chan error // receives why the file is of no more use

	mu      sync.Mutex
	size    int64
	changed time.Time
	names   *dns.Handler // of the file as it was then; nil before it was read
}

// current returns the names as they are. While the file is being written they
// are what they were before.
func (n *nameSource) current() *dns.Handler {
	n.mu.Lock()
	defer n.mu.Unlock()
	fi, err := n.file.Stat()
	if err == nil && fi.Sys().(*syscall.Stat_t).Nlink == 0 {
		err = fmt.Errorf("%s was removed", n.file.Name())
	}
	if err != nil {
		select {
		case n.lost <- err:
		default:
		}
		return n.names
	}
	if n.names != nil && fi.Size() == n.size && fi.ModTime().Equal(n.changed) {
		return n.names
	}
	text, err := io.ReadAll(io.NewSectionReader(n.file, 0, fi.Size()))
	if err != nil {
		return n.names
	}
	if names, err := dns.Parse(text); err == nil {
		n.names, n.size, n.changed = dns.New(names), fi.Size(), fi.ModTime()
	}
	return n.names
}

// handler answers what comes over one transport.
func (n *nameSource) handler(transport string, log io.Writer) mdns.HandlerFunc {
	return func(w mdns.ResponseWriter, req *mdns.Msg) {
		m := new(mdns.Msg).SetRcode(req, mdns.RcodeServerFailure)
		if names := n.current(); names != nil {
			m = names.Answer(req, transport == "udp")
		}
		what := ""
		if len(req.Question) > 0 {
			what = mdns.Type(req.Question[0].Qtype).String() + " " + req.Question[0].Name
		}
		fmt.Fprintf(log, "%s dns %s question from %s: %s: %s, %d answers\n",
			stamp(), transport, addrText(w.RemoteAddr()), what, mdns.RcodeToString[m.Rcode], len(m.Answer))
		_ = w.WriteMsg(m) // the client has gone, and asks again if it has not
	}
}
