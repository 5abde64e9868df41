package kernel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
)

// raised remembers links that were set up and may not carry anything yet. That
// both ends of a cable are up is one thing; the kernel's link watch, which works
// behind, makes the devices transmit and the ports of bridges forward a while
// later, up to a second (net/core/link_watch.c). The zero raised is ready for use
// and safe for concurrent use.
type raised struct {
	mu    sync.Mutex
	links map[string][]string // by namespace; what depends on others comes after them
}

// note remembers links of a namespace.
func (r *raised) note(ns string, links ...string) {
	if len(links) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.links == nil {
		r.links = map[string][]string{}
	}
	list := r.links[ns]
	for _, name := range links {
		// A bridge has a carrier when one of its ports forwards: it stays behind
		// the one that was noted last.
		if i := slices.Index(list, name); i >= 0 {
			list = slices.Delete(list, i, i+1)
		}
		list = append(list, name)
	}
	r.links[ns] = list
}

// noteStep remembers the links that a step which was done may have set up.
func (r *raised) noteStep(s provision.Step) {
	if s.Op == provision.Delete {
		return
	}
	switch o := s.Object.(type) {
	case provision.Veth:
		for _, e := range []provision.End{o.A, o.B} {
			if e.Up {
				r.note(e.NS, e.Name)
			}
		}
	case provision.Bridge:
		r.note(o.NS, o.Name)
	case provision.VXLAN:
		r.note(o.NS, o.Name)
	case provision.Port:
		r.note(o.NS, o.Dev, o.Bridge)
	}
}

// take returns what is remembered of a namespace, and forgets it.
func (r *raised) take(ns string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	links := r.links[ns]
	delete(r.links, ns)
	return links
}

func (r *raised) namespaces() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.links))
}

// awaitsCarrier reports whether d has a carrier that the link watch has not
// looked at yet. Nothing is known of a cable or a bridge only until it has looked
// for the first time; it never looks at devices without a carrier of their own,
// like VXLAN.
func (d device) awaitsCarrier() bool {
	if !d.up() || d.flags&lowerUp == 0 {
		return false
	}
	switch d.oper {
	case operNotPresent, operDown, operLowerLayerDown:
		return true
	case operUnknown:
		return d.kind == "veth" || d.kind == "bridge"
	}
	return false
}

// hasten asks after the raised links of sp, and keeps in mind those that have to
// be waited for still. Since Linux 6.8 a question about one link has the link
// watch look at it at once (rtnl_getlink in net/core/rtnetlink.c).
func (r *raised) hasten(sp *space) error {
	links := r.take(sp.name)
	if len(links) == 0 {
		return nil
	}
	var waiting []string
	questions := make([]message, len(links))
	for i, name := range links {
		questions[i] = message{
			req: request(unix.RTM_GETLINK, 0, nl.NewIfInfomsg(unix.AF_UNSPEC), nameAttr(name), skipStats()),
			each: func(m []byte) {
				if d, ok := decodeDevice(m); ok && d.awaitsCarrier() {
					waiting = append(waiting, name)
				}
			},
		}
	}
	var errs []error
	for i, err := range sp.conn.doAll(questions) {
		if err != nil && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("look up %s/%s: %w", sp.name, links[i], err))
		}
	}
	r.note(sp.name, waiting...)
	return errors.Join(errs...)
}

// carrierTimeout bounds the wait for links. The link watch takes a second at
// most, unless it has very many to look at.
const carrierTimeout = 3 * time.Second

// AwaitLinks implements [provision.LinkAwaiter].
func (h *Host) AwaitLinks(ctx context.Context) error {
	var errs []error
	deadline := time.Now().Add(carrierTimeout)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		for _, ns := range h.raised.namespaces() {
			sp, err := h.spaces.acquire(ns)
			if err != nil {
				h.raised.take(ns)
				if !isGone(err) {
					errs = append(errs, err)
				}
				continue
			}
			errs = append(errs, h.raised.hasten(sp))
			h.spaces.release(sp)
		}
		left := h.raised.namespaces()
		if len(left) == 0 || time.Now().After(deadline) {
			for _, ns := range left {
				h.raised.take(ns)
			}
			return errors.Join(errs...)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
