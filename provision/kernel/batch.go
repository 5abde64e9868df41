package kernel

import (
	"context"
	"errors"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/netns"
)

// DoAll implements [provision.Batcher].
//
// What only makes new things is done on one thread, which stays in the namespace,
// and messages that need not wait for each other's answers are sent together. It
// is tried once and in good faith: where the kernel refuses anything, [Host.Do]
// does the step again, finds out why, and knows better.
func (h *Host) DoAll(ctx context.Context, steps []provision.Step) (done int, err error) {
	for done < len(steps) && ctx.Err() == nil {
		if n := simple(steps[done:]); n > 0 {
			made := h.makeAll(steps[done : done+n])
			if done += made; made == n {
				continue
			}
		}
		if err := h.Do(ctx, steps[done]); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

// simple returns how many of the first steps make something new in a namespace
// of a lab.
func simple(steps []provision.Step) int {
	for n, s := range steps {
		if s.Op != provision.Create {
			return n
		}
		switch o := s.Object.(type) {
		case provision.Namespace:
			if !o.Names {
				return n
			}
		case provision.Veth:
			if o.A.NS == hostNS || o.B.NS == hostNS {
				return n
			}
		case provision.FDB:
			if !o.Dst.IsValid() || o.MAC[0]&1 != 0 || o.MAC == (provision.FDB{}).MAC {
				return n
			}
		case provision.Sysctl, provision.Bridge, provision.VXLAN, provision.Port, provision.Addr, provision.Neigh, provision.Route:
			if s.Object.Key().NS == hostNS {
				return n
			}
		default:
			return n
		}
	}
	return len(steps)
}

// makeAll makes what is simple, all in one namespace, and returns how many of
// the first steps were done for certain.
func (h *Host) makeAll(steps []provision.Step) int {
	b := batch{h: h, name: namespaceOf(steps[0]), failed: len(steps)}
	h.visits <- struct{}{}
	defer func() { <-h.visits }()
	if err := h.pool.Visit(func(v *netns.Visitor) error {
		proc := h.procs.take(h.crowded())
		defer h.procs.give(proc)
		b.visitor, b.proc = v, proc
		defer b.leave()
		for i, s := range steps {
			if b.failed <= i {
				break
			}
			if err := b.make(i, s); err != nil {
				b.fail(i)
			}
		}
		b.flush()
		for _, s := range steps[:b.failed] {
			h.raised.noteStep(s)
		}
		if b.sp != nil {
			// An error comes again where the links are waited for.
			_ = h.raised.hasten(b.sp)
		}
		return nil
	}); err != nil {
		return 0
	}
	return b.failed
}

func namespaceOf(s provision.Step) string {
	if n, ok := s.Object.(provision.Namespace); ok {
		return n.Name
	}
	return s.Object.Key().NS
}

// batch is one run of makeAll.
type batch struct {
	h       *Host
	visitor *netns.Visitor
	proc    *procSys
	name    string
	sp      *space // nil until it is needed
	inside  bool   // the thread is in it
	fresh   bool   // it was made in this run
	told    netconf

	pending []message
	owners  []int // steps that the pending messages belong to
	failed  int   // the first step that is not known to be done
}

func (b *batch) fail(i int) { b.failed = min(b.failed, i) }

func (b *batch) leave() {
	if b.sp != nil {
		b.h.spaces.release(b.sp)
	}
}

// enter brings the thread into the namespace.
func (b *batch) enter() error {
	if b.inside {
		return nil
	}
	sp, err := b.h.spaces.visit(b.visitor, b.name)
	if err != nil {
		return err
	}
	b.leave()
	b.sp, b.inside = sp, true
	return nil
}

// space returns the namespace, wherever the thread is.
func (b *batch) space() (*space, error) {
	if b.sp == nil {
		if sp := b.h.spaces.known(b.name); sp != nil {
			b.sp = sp
		} else if err := b.enter(); err != nil {
			return nil, err
		}
	}
	return b.sp, nil
}

// queue adds messages of step i to those that are sent together.
func (b *batch) queue(i int, messages ...message) {
	for _, m := range messages {
		b.pending = append(b.pending, m)
		b.owners = append(b.owners, i)
	}
}

// flush sends what is queued.
func (b *batch) flush() {
	if len(b.pending) == 0 {
		return
	}
	for k, err := range b.sp.conn.doAll(b.pending) {
		if err != nil {
			b.fail(b.owners[k])
		}
	}
	b.pending, b.owners = b.pending[:0], b.owners[:0]
}

// index returns the index of a link, which one of the messages in the queue may
// be about to make.
func (b *batch) index(name string) (int, error) {
	b.sp.mu.Lock()
	index, ok := b.sp.indexes[name]
	b.sp.mu.Unlock()
	if ok {
		return index, nil
	}
	b.flush()
	index, _, err := b.sp.index(name)
	return index, err
}

// make does or queues step i.
func (b *batch) make(i int, s provision.Step) error {
	switch o := s.Object.(type) {
	case provision.Namespace:
		return b.namespace(o)
	case provision.Sysctl:
		return b.sysctl(o)
	}
	sp, err := b.space()
	if err != nil {
		return err
	}
	switch o := s.Object.(type) {
	case provision.Veth:
		return b.veth(o)
	case provision.Bridge:
		b.queue(i, sp.creation(o.Name, ifinfo(0, false), macAttr(o.MAC), mtuAttr(o.MTU-1), bridgeInfo(o, "")),
			message{req: request(unix.RTM_NEWLINK, 0, ifinfo(0, o.Up), nameAttr(o.Name), macAttr(o.MAC), mtuAttr(o.MTU))})
	case provision.VXLAN:
		dev, err := b.index(o.Dev)
		if err != nil {
			return err
		}
		b.queue(i, sp.creation(o.Name, ifinfo(0, o.Up), macAttr(o.MAC), mtuAttr(o.MTU), vxlanInfo(o, dev)))
	case provision.Port:
		return b.port(i, o)
	case provision.Addr:
		index, err := b.index(o.Dev)
		if err != nil {
			return err
		}
		b.queue(i, message{req: sp.addrRequest(index, o.Prefix)})
	case provision.Neigh:
		index, err := b.index(o.Dev)
		if err != nil {
			return err
		}
		b.queue(i, message{req: neighRequest(index, o.Addr, o.MAC)})
	case provision.FDB:
		index, err := b.index(o.Dev)
		if err != nil {
			return err
		}
		b.queue(i, message{req: fdbRequest(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, index, o)})
	case provision.Route:
		indexes := map[string]int{}
		for _, hop := range o.AllHops() {
			if hop.Dev == "" {
				continue
			}
			if indexes[hop.Dev], err = b.index(hop.Dev); err != nil {
				return err
			}
		}
		b.queue(i, message{req: newRoute(o, indexes)})
	}
	return nil
}

func (b *batch) namespace(n provision.Namespace) error {
	b.flush()
	if err := b.h.prepare(labOf(n.Name)); err != nil {
		return err
	}
	var c *conn
	b.inside = false
	err := b.visitor.Create(n.Name, func() (err error) {
		if c, err = dial(); err != nil {
			return err
		}
		return markLo(c, n.Mark)
	})
	if err != nil {
		if c != nil {
			c.close()
		}
		return err
	}
	if b.sp, err = b.h.spaces.adopt(n.Name, c); err != nil {
		return err
	}
	b.inside, b.fresh = true, true
	return b.h.recordNamespace(n, identity{b.sp.inode, b.sp.cookie})
}

// sysctl sets a parameter, unless a new namespace begins with what is wanted.
func (b *batch) sysctl(s provision.Sysctl) error {
	path, err := sysctlPath(s)
	if err != nil {
		return err
	}
	b.flush() // devices begin with what is set before
	if err := b.enter(); err != nil {
		return err
	}
	value := settable(s)
	if b.fresh {
		if v, ok := b.told.value(b.sp.conn, s.Name); ok && v == value {
			return nil
		}
		b.told = netconf{} // one parameter may set others
	}
	return b.proc.write(path, value)
}

func (b *batch) veth(v provision.Veth) error {
	b.flush()
	far := b.h.spaces.known(v.B.NS)
	if far == nil {
		var err error
		b.inside = false
		if far, err = b.h.spaces.visit(b.visitor, v.B.NS); err != nil {
			return err
		}
	}
	defer b.h.spaces.release(far)
	ns, err := far.file()
	if err != nil {
		return err
	}
	return createVeth(b.sp, far, ns, v)
}

func (b *batch) port(i int, p provision.Port) error {
	bridge, err := b.index(p.Bridge)
	if err != nil {
		return err
	}
	dev, err := b.index(p.Dev)
	if err != nil {
		return err
	}
	b.queue(i, message{req: masterRequest(dev, bridge)})
	if p.Hairpin {
		header := nl.NewIfInfomsg(unix.AF_BRIDGE)
		header.Index = int32(dev)
		info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
		info.AddRtAttr(nl.IFLA_BRPORT_MODE, boolAttr(true))
		b.queue(i, message{req: request(unix.RTM_SETLINK, 0, header, info)})
	}
	return nil
}

// creation is a message that makes a link, whose index is remembered.
func (sp *space) creation(name string, header *nl.IfInfomsg, attrs ...*nl.RtAttr) message {
	sp.lose(name)
	return message{
		req: request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ECHO, header, append(attrs, nameAttr(name))...),
		each: func(m []byte) {
			if made, ok := decodeDevice(m); ok && made.name == name && made.index != 0 {
				sp.remember(name, made.index)
			}
		},
	}
}

// message is a request of several that are sent together, and who hears the
// answers to it, if anybody.
type message struct {
	req  *nl.NetlinkRequest
	each func(m []byte)
}

// together is how many messages are sent in one piece. Their answers have to fit
// into the buffer of the socket.
const together = 32

// errUnanswered is what becomes of a message when something else went wrong.
var errUnanswered = errors.New("the kernel did not answer")

// doAll sends messages, none of which is a dump, and returns what became of
// each.
func (c *conn) doAll(messages []message) []error {
	errs := make([]error, len(messages))
	c.mu.Lock()
	defer c.mu.Unlock()
	for from := 0; from < len(messages); from += together {
		to := min(from+together, len(messages))
		for i := from; i < to; i++ {
			errs[i] = errUnanswered
		}
		if err := c.doSome(messages[from:to], errs[from:to]); err != nil {
			break
		}
	}
	return errs
}

func (c *conn) doSome(some []message, errs []error) error {
	var out []byte
	first := c.seq + 1
	for _, m := range some {
		c.seq++
		m.req.Flags |= unix.NLM_F_ACK
		m.req.Seq = c.seq
		out = append(out, m.req.Serialize()...)
	}
	if err := retry(func() error {
		return unix.Sendto(c.fd, out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}); err != nil {
		return err
	}
	buf := receiveBuffers.Get().(*[receiveBuffer]byte)
	defer receiveBuffers.Put(buf)
	for left := len(some); left > 0; {
		n := 0
		if err := retry(func() (err error) {
			n, _, err = unix.Recvfrom(c.fd, buf[:], unix.MSG_TRUNC)
			return err
		}); err != nil {
			return err
		}
		for h, m := range messages(buf[:min(n, len(buf))]) {
			i := int(h.Seq - first)
			if h.Seq < first || i >= len(some) {
				continue
			}
			switch {
			case h.Type == unix.NLMSG_ERROR:
				errs[i] = verdict(h, m)
				left--
			case some[i].each != nil && h.Type >= unix.NLMSG_MIN_TYPE:
				some[i].each(m)
			}
		}
	}
	return nil
}

// procs are ways to parameters that nobody uses just now.
type procs struct {
	mu   sync.Mutex
	free []*procSys
}

func (p *procs) take(many bool) *procSys {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.free) > 0 {
		last := len(p.free) - 1
		one := p.free[last]
		p.free = p.free[:last]
		if one.many == many {
			return one
		}
		one.close()
	}
	return &procSys{many: many}
}

func (p *procs) give(one *procSys) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, one)
}

func (p *procs) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.free {
		one.close()
	}
	p.free = nil
}
