package capture

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netlab/provision/netns"
	"netlab/trace"
)

// space is a namespace that is watched.
type space struct {
	name    string
	missing bool
	routes  *netlink.Handle
	tap     *tap
	table   *wire // owns the table that asks for events; nil where there are no tables
	heard   *wire // hears the events
	names   map[int]string
	read    trace.Space
}

// open opens what is needed in a namespace, on a thread that is in it.
func (s *space) open(filter []unix.SockFilter) (err error) {
	if s.tap, err = openTap(filter); err != nil {
		return fmt.Errorf("open a packet socket in %s: %w", s.name, err)
	}
	if s.routes, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open a netlink socket in %s: %w", s.name, err)
	}
	if s.table, err = openWire(0); err != nil {
		return fmt.Errorf("open a netfilter socket in %s: %w", s.name, err)
	}
	if s.heard, err = openWire(groupTrace); err != nil {
		return fmt.Errorf("open a netfilter socket in %s: %w", s.name, err)
	}
	return nil
}

// prepare asks for events and learns the names of interfaces.
func (s *space) prepare(r *Request, probe trace.Probe) error {
	if err := s.links(); err != nil {
		return err
	}
	some, bridge, err := s.table.tables()
	if err == nil && some {
		err = s.table.own(unix.NFPROTO_INET, r, probe)
	}
	if err == nil && bridge {
		err = s.table.own(unix.NFPROTO_BRIDGE, r, probe)
	}
	if err != nil {
		return fmt.Errorf("ask for netfilter events in %s: %w", s.name, err)
	}
	return nil
}

func (s *space) close() {
	if s.tap != nil {
		s.tap.close()
	}
	if s.routes != nil {
		s.routes.Close()
	}
	for _, w := range []*wire{s.table, s.heard} {
		if w != nil {
			w.close()
		}
	}
}

// gone reports whether err says that there is no such namespace.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, netns.ErrNoNamespace)
}
