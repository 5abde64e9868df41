package kernel

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"

	"netlab/provision/netns"
)

// maxConns bounds the sockets that are kept open while nobody uses them. Each
// keeps its namespace alive.
const maxConns = 128

// space is a namespace as Host knows it: a socket inside and the indexes of
// the links that were seen or made there.
type space struct {
	name   string
	inode  uint64
	cookie uint64
	conn   *conn

	mount mountID       // behind name, when it was looked at; zero if unknown
	ns    int           // the namespace, open, or 0; see file
	users int           // calls that use conn now
	idle  *list.Element // in spaces.idle while users is 0
	stale bool          // to be closed by the last user

	mu      sync.Mutex
	indexes map[string]int
}

// spaces hands out namespaces by name and keeps a bounded number of them open.
type spaces struct {
	pool *netns.Pool

	mu     sync.Mutex
	open   map[string]*space
	idle   *list.List                // of *space, the one used last in front
	closed map[uint64]map[string]int // cookie -> indexes of spaces that are not open now
}

func newSpaces(pool *netns.Pool) *spaces {
	return &spaces{pool: pool, open: map[string]*space{}, idle: list.New(), closed: map[uint64]map[string]int{}}
}

// acquire returns the namespace called name; release it after use. Whoever
// deletes a namespace and makes another of the same name gets the new one. The
// error is [fs.ErrNotExist] if there is none.
func (s *spaces) acquire(name string) (*space, error) {
	inode, err := inodeOf(name)
	if err != nil {
		s.forget(name)
		return nil, err
	}
	s.mu.Lock()
	if sp := s.open[name]; sp != nil && sp.inode == inode {
		s.use(sp)
		s.mu.Unlock()
		return sp, nil
	}
	s.mu.Unlock()

	var sp *space
	err = s.pool.Visit(func(v *netns.Visitor) error {
		sp, err = s.visit(v, name)
		return err
	})
	return sp, err
}

// visit is acquire on a thread that v moves into the namespace.
func (s *spaces) visit(v *netns.Visitor, name string) (*space, error) {
	fd, err := openFD(name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	inode, err := inodeOfFD(fd)
	if err != nil {
		return nil, err
	}
	if err := v.Enter(fd); err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	s.mu.Lock()
	if sp := s.open[name]; sp != nil && sp.inode == inode {
		s.use(sp)
		s.mu.Unlock()
		return sp, nil
	}
	s.mu.Unlock()
	sp := &space{name: name, inode: inode}
	if sp.conn, err = dial(); err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	return s.add(sp), nil
}

// known returns the namespace called name if it is open, or nil.
func (s *spaces) known(name string) *space {
	inode, err := inodeOf(name)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.open[name]
	if sp == nil || sp.inode != inode {
		return nil
	}
	s.use(sp)
	return sp
}

// file returns the namespace as a descriptor that is good for as long as sp is
// used.
func (sp *space) file() (int, error) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.ns != 0 {
		return sp.ns, nil
	}
	fd, err := openFD(sp.name)
	if err != nil {
		return -1, err
	}
	if inode, err := inodeOfFD(fd); err != nil || inode != sp.inode {
		unix.Close(fd)
		return -1, fmt.Errorf("namespace %s is another one by now", sp.name)
	}
	sp.ns = fd
	return fd, nil
}

// close lets go of the namespace. Nobody uses it any more.
func (sp *space) close() {
	sp.conn.close()
	if sp.ns != 0 {
		unix.Close(sp.ns)
		sp.ns = 0
	}
}

// adopt takes in the namespace called name that was just made, with the socket
// c inside; release it after use.
func (s *spaces) adopt(name string, c *conn) (*space, error) {
	inode, err := inodeOf(name)
	if err != nil {
		c.close()
		return nil, err
	}
	return s.add(&space{name: name, inode: inode, conn: c}), nil
}

// add takes in a space that was just opened and returns the one to use, which
// is another if somebody else was faster.
func (s *spaces) add(sp *space) *space {
	sp.cookie = sp.conn.cookie()
	sp.indexes = map[string]int{}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.open[sp.name]; old != nil {
		if old.inode == sp.inode && old.cookie == sp.cookie {
			sp.close()
			s.use(old)
			return old
		}
		s.drop(old)
	}
	if known, ok := s.closed[sp.cookie]; ok && sp.cookie != 0 {
		sp.indexes = known
		delete(s.closed, sp.cookie)
	}
	s.open[sp.name] = sp
	sp.users = 1
	for s.idle.Len() > 0 && len(s.open) > maxConns {
		old := s.idle.Back().Value.(*space)
		if old.cookie != 0 {
			s.closed[old.cookie] = old.indexes
		}
		s.drop(old)
	}
	return sp
}

// use counts a user. The caller holds mu.
func (s *spaces) use(sp *space) {
	sp.users++
	if sp.idle != nil {
		s.idle.Remove(sp.idle)
		sp.idle = nil
	}
}

func (s *spaces) release(sp *space) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp.users--
	switch {
	case sp.users > 0:
	case sp.stale:
		sp.close()
	default:
		sp.idle = s.idle.PushFront(sp)
	}
}

// drop closes a space as soon as nobody uses it. The caller holds mu.
func (s *spaces) drop(sp *space) {
	if s.open[sp.name] == sp {
		delete(s.open, sp.name)
	}
	if sp.users > 0 {
		sp.stale = true
		return
	}
	if sp.idle != nil {
		s.idle.Remove(sp.idle)
		sp.idle = nil
	}
	sp.close()
}

// forget closes the namespace called name, so that nothing of ours keeps it
// alive.
func (s *spaces) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sp := s.open[name]; sp != nil {
		s.drop(sp)
	}
}

// forgetAll closes all of them.
func (s *spaces) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sp := range s.open {
		s.drop(sp)
	}
	clear(s.closed)
}

// index returns the index of a link, from memory if it can. The error wraps
// ENODEV if there is no such link.
func (sp *space) index(name string) (index int, remembered bool, err error) {
	sp.mu.Lock()
	index, remembered = sp.indexes[name]
	sp.mu.Unlock()
	if remembered {
		return index, true, nil
	}
	d, err := deviceNamed(sp.conn, name)
	if err != nil {
		return 0, false, fmt.Errorf("find interface %s: %w", name, err)
	}
	sp.remember(name, d.index)
	return d.index, false, nil
}

// withIndex calls fn with the index of a link. Should the index be out of date
// it is read again, once.
func (sp *space) withIndex(name string, fn func(index int) error) error {
	index, remembered, err := sp.index(name)
	if err != nil {
		return err
	}
	err = fn(index)
	if remembered && (errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL)) {
		sp.lose(name)
		again, _, lost := sp.index(name)
		switch {
		case lost != nil:
			return lost
		case again != index:
			return fn(again)
		}
	}
	return err
}

func (sp *space) remember(name string, index int) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.indexes[name] = index
}

func (sp *space) lose(name string) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	delete(sp.indexes, name)
}

// learn replaces what is known by what was read.
func (sp *space) learn(devices []device) {
	indexes := make(map[string]int, len(devices))
	for _, d := range devices {
		indexes[d.name] = d.index
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.indexes = indexes
}

// inodeOf returns the inode of the namespace called name. Together with the
// socket that keeps it alive it says that it is still the same.
func inodeOf(name string) (uint64, error) {
	path := "/proc/thread-self/ns/net"
	if name != hostNS {
		var err error
		if path, err = netns.Path(name); err != nil {
			return 0, err
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Ino, nil
}

func inodeOfFD(fd int) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("look at a namespace: %w", err)
	}
	return st.Ino, nil
}
