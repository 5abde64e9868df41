package probe

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/verify"
)

// space is what a run has open in one namespace.
type space struct {
	name  string
	err   error // why nothing can be seen from here
	inode uint64
	nl    *netlink.Handle
	raw4  *raw
	raw6  *raw

	links     sync.Once
	linkNames map[int]string
	linksErr  error
}

func newNonce() (n [8]byte) {
	rand.Read(n[:]) // never fails
	return n
}

// open opens all namespaces that checks start from, lead to or pass.
func (r *run) open() {
	ping := map[string]families{} // in which a namespace pings
	var list []*verify.End
	for i := range r.checks {
		c := &r.checks[i]
		list = ends(list[:0], c)
		for _, e := range list {
			r.space(e.NS)
		}
		if c.More != nil {
			for _, name := range c.More.Watch {
				r.space(name)
			}
		}
		if c.Kind == verify.ICMP || c.Kind == verify.Neigh {
			ping[c.From.NS] = ping[c.From.NS].with(pingedIn(c))
		}
	}
	r.readers.Go(func() { makeRoom(filesOf * len(r.spaces)) })
	r.each(r.spaces, func(s *space) {
		if s.err = r.openSpace(s, ping[s.name]); errors.Is(s.err, fs.ErrNotExist) {
			s.err = fmt.Errorf("%w: %w", verify.ErrNoNamespace, s.err)
		}
	})
}

// families are those of the Internet Protocol that something is of.
type families struct{ four, six bool }

func (f families) with(g families) families { return families{f.four || g.four, f.six || g.six} }

// pingedIn returns the families of the pings of a check.
func pingedIn(c *verify.Check) families {
	if c.Kind == verify.Neigh {
		return families{true, true} // of whatever addresses there are
	}
	return families{!c.Addr.Is6(), c.Addr.Is6()}
}

// filesOf is how many files of a namespace are open at a time: sockets for
// neighbours, pings, a server and a connection.
const filesOf = 4

// makeRoom lets the process open so many files without delay. Each time that its
// table of files gets twice as long the kernel waits until no processor looks at
// the old one, ten milliseconds or more (fs/file.c).
func makeRoom(files int) {
	if fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, files); err == nil { // else they are opened as they come
		unix.Close(fd)
	}
}

// ends adds to list the namespaces that a check has to do with.
func ends(list []*verify.End, c *verify.Check) []*verify.End {
	add := func(e *verify.End) {
		if e != nil && e.NS != "" {
			list = append(list, e)
			if e.Host != nil {
				list = append(list, e.Host)
			}
		}
	}
	add(c.From)
	add(c.To)
	if c.More != nil {
		for _, e := range c.More.Stir {
			add(e)
		}
		if c.More.Sample != nil {
			for _, client := range c.More.Sample.Clients {
				add(client.From)
			}
		}
		if c.More.Track != nil {
			add(c.More.Track.At)
		}
		for _, s := range c.More.Behind {
			add(s.On)
		}
		for _, s := range c.More.Listen {
			add(s.On)
		}
	}
	return list
}

func (r *run) space(name string) {
	if r.spaces[name] == nil {
		r.spaces[name] = &space{name: name}
	}
}

// spaceNames returns the namespaces that some checks have to do with.
func (r *run) spaceNames(checks []int) map[string]*space {
	some := map[string]*space{}
	var list []*verify.End
	for _, i := range checks {
		list = ends(list[:0], &r.checks[i])
		for _, e := range list {
			some[e.NS] = r.spaces[e.NS]
		}
	}
	return some
}

// each calls f for all spaces, a few at a time.
func (r *run) each(spaces map[string]*space, f func(s *space)) {
	work := make(chan *space)
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s := range work {
				f(s)
			}
		})
	}
	for _, s := range spaces {
		work <- s
	}
	close(work)
	wg.Wait()
}

// openSpace opens what is needed in a namespace.
func (r *run) openSpace(s *space, ping families) error {
	return r.in(s.name, func() (err error) {
		if s.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return fmt.Errorf("open a netlink socket in %s: %w", s.name, err)
		}
		s.inode = ownInode()
		if ping.four {
			if s.raw4, err = r.openRaw(unix.AF_INET); err != nil {
				return fmt.Errorf("open a raw socket in %s: %w", s.name, err)
			}
		}
		if !ping.six {
			return nil
		}
		s.raw6, err = r.openRaw(unix.AF_INET6)
		if errors.Is(err, unix.EAFNOSUPPORT) {
			err = nil // a host without IPv6
		}
		if err != nil {
			return fmt.Errorf("open a raw socket in %s: %w", s.name, err)
		}
		return nil
	})
}

func (s *space) close() {
	if s.nl != nil {
		s.nl.Close()
	}
	for _, raw := range []*raw{s.raw4, s.raw6} {
		if raw != nil {
			raw.file.Close()
		}
	}
}

// link returns the name of an interface.
func (s *space) link(index int) (string, error) {
	s.links.Do(func() {
		var links []netlink.Link
		links, s.linksErr = retry(s.nl.LinkList)
		s.linkNames = map[int]string{}
		for _, l := range links {
			s.linkNames[l.Attrs().Index] = l.Attrs().Name
		}
	})
	if s.linksErr != nil {
		return "", fmt.Errorf("list interfaces of %s: %w", s.name, s.linksErr)
	}
	return s.linkNames[index], nil
}

// retry repeats a dump that the kernel says was interrupted by a change.
func retry[T any](dump func() (T, error)) (T, error) {
	for {
		v, err := dump()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return v, err
		}
	}
}

func macOf(b []byte) (m labs.MAC) {
	copy(m[:], b)
	return m
}
