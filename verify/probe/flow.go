package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/verify"
)

// flow is one direction of a conversation. A ping has its identifier in place of
// the source port.
type flow struct {
	proto    uint8
	from, to netip.AddrPort
}

// flows are the conversations of a run. The kernel remembers for a while how it
// translated them, and treats the next one from the same port alike; nothing of
// them is to be left. It is safe for concurrent use.
type flows struct {
	mu    sync.Mutex
	begun map[flow][]string
}

// add notes a flow that is remembered at certain machines only, by their
// namespaces; without any it may be at all of them, under other addresses.
func (f *flows) add(one flow, at ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.begun == nil {
		f.begun = map[flow][]string{}
	}
	f.begun[one] = at
}

// take returns all flows and keeps none.
func (f *flows) take() map[flow][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.begun
	f.begun = nil
	return all
}

// mostHops is how many machines may translate one flow.
const mostHops = 4

// forgetFlows deletes what the machines remember of the flows of the run. Where
// one translated a flow, it went on as another one, which the next machine may
// remember.
func (r *run) forgetFlows() {
	machines := r.machines(func(*verify.End) bool { return true })
	for range mostHops {
		some := r.flows.take()
		if len(some) == 0 {
			return
		}
		r.each(machines, func(s *space) {
			// A machine that tracks nothing has nothing to forget, and what
			// cannot be deleted ages away by itself.
			_ = r.in(s.name, func() error { return r.forgetIn(s.name, some) })
		})
	}
}

// machines returns the namespaces that the run can enter of some ends that are no
// pods.
func (r *run) machines(some func(e *verify.End) bool) map[string]*space {
	machines := map[string]*space{}
	var list []*verify.End
	for i := range r.checks {
		list = ends(list[:0], &r.checks[i])
		for _, e := range list {
			if e.Host == nil && r.spaces[e.NS].err == nil && some(e) {
				machines[e.NS] = r.spaces[e.NS]
			}
		}
	}
	return machines
}

// ownAddresses returns the addresses of some machines.
func (r *run) ownAddresses(machines map[string]*space) map[string][]netip.Addr {
	own := map[string][]netip.Addr{}
	var mu sync.Mutex
	r.each(machines, func(s *space) {
		_ = r.in(s.name, func() error { // a namespace that is gone remembers nothing
			list := addresses()
			mu.Lock()
			defer mu.Unlock()
			own[s.name] = list
			return nil
		})
	})
	return own
}

// forgetIn deletes flows in the namespace of the calling thread.
func (r *run) forgetIn(name string, some map[flow][]string) error {
	socket, err := nl.Subscribe(unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer socket.Close()
	var there deletions
	defer there.flush()
	for f, at := range some {
		if len(at) > 0 { // nobody translates it
			if slices.Contains(at, name) {
				there.add(f)
			}
			continue
		}
		found, err := ask(socket, nl.IPCTNL_MSG_CT_GET, f)
		if errors.Is(err, unix.ENOENT) || len(found) == 0 {
			continue
		}
		if err != nil {
			return err
		}
		if on, ok := goesOn(f.proto, found[0]); ok && on != f {
			r.flows.add(on)
		}
		if _, err := ask(socket, nl.IPCTNL_MSG_CT_DELETE, f); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// lookUp notes how a machine translates a conversation that is under way, if
// its check wants to know.
func (r *run) lookUp(d *dialing, conn syscall.RawConn, proto uint8) {
	m := d.task.check.More
	if m == nil || m.Track == nil {
		return
	}
	d.bound(conn)
	d.o.Tracked = false
	d.err = r.in(m.Track.At.NS, func() error {
		socket, err := nl.Subscribe(unix.NETLINK_NETFILTER)
		if err != nil {
			return fmt.Errorf("open a netfilter socket in %s: %w", m.Track.At.NS, err)
		}
		defer socket.Close()
		found, err := ask(socket, nl.IPCTNL_MSG_CT_GET, flow{proto, d.local, d.to})
		if errors.Is(err, unix.ENOENT) || err == nil && len(found) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look up a connection in %s: %w", m.Track.At.NS, err)
		}
		if on, ok := goesOn(proto, found[0]); ok {
			d.o.Tracked, d.o.Track = true, verify.Translation{Server: on.to, Client: on.from}
		}
		return nil
	})
}

// Attributes of connection tracking, as linux/netfilter/nfnetlink_conntrack.h
// numbers them.
const (
	ctOrig, ctReply                = 1, 2
	ctIP, ctProto                  = 1, 2
	ctSrc4, ctDst4, ctSrc6, ctDst6 = 1, 2, 3, 4
	ctNumber, ctSrcPort, ctDstPort = 1, 2, 3
	ctICMPNumber, ctICMP6Number    = 4, 7
)

// ask sends a request about the entry of a flow.
func ask(socket *nl.NetlinkSocket, command int, f flow) ([][]byte, error) {
	req := request(command, unix.NLM_F_ACK, f)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_NETFILTER: {Socket: socket}}
	return req.Execute(unix.NETLINK_NETFILTER, 0)
}

// request returns a message about the entry of a flow.
func request(command, flags int, f flow) *nl.NetlinkRequest {
	family, src, dst := uint8(unix.AF_INET), ctSrc4, ctDst4
	if f.to.Addr().Is6() {
		family, src, dst = unix.AF_INET6, ctSrc6, ctDst6
	}
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|command, flags)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	tuple := nl.NewRtAttr(ctOrig|unix.NLA_F_NESTED, nil)
	ip := tuple.AddRtAttr(ctIP|unix.NLA_F_NESTED, nil)
	ip.AddRtAttr(src, f.from.Addr().AsSlice())
	ip.AddRtAttr(dst, f.to.Addr().AsSlice())
	addProto(tuple, f.proto, f.from.Port(), f.to.Port())
	req.AddData(tuple)
	return req
}

// addProto adds to a tuple what follows the addresses: two ports, or the
// identifier, the type and the code of an echo request.
func addProto(tuple *nl.RtAttr, number uint8, from, to uint16) {
	proto := tuple.AddRtAttr(ctProto|unix.NLA_F_NESTED, nil)
	proto.AddRtAttr(ctNumber, []byte{number})
	switch number {
	case unix.IPPROTO_ICMP:
		proto.AddRtAttr(ctICMPNumber, binary.BigEndian.AppendUint16(nil, from))
		proto.AddRtAttr(ctICMPNumber+1, []byte{8})
		proto.AddRtAttr(ctICMPNumber+2, []byte{0})
	case unix.IPPROTO_ICMPV6:
		proto.AddRtAttr(ctICMP6Number, binary.BigEndian.AppendUint16(nil, from))
		proto.AddRtAttr(ctICMP6Number+1, []byte{128})
		proto.AddRtAttr(ctICMP6Number+2, []byte{0})
	default:
		proto.AddRtAttr(ctSrcPort, binary.BigEndian.AppendUint16(nil, from))
		proto.AddRtAttr(ctDstPort, binary.BigEndian.AppendUint16(nil, to))
	}
}

// goesOn returns the flow that an entry was made into: its answers, turned
// round.
func goesOn(number uint8, entry []byte) (f flow, ok bool) {
	const header = 4
	if len(entry) < header {
		return f, false
	}
	reply := inside(inside(entry[header:])[ctReply])
	ip, proto := inside(reply[ctIP]), inside(reply[ctProto])
	src, ok1 := netip.AddrFromSlice(append(ip[ctSrc4], ip[ctSrc6]...))
	dst, ok2 := netip.AddrFromSlice(append(ip[ctDst4], ip[ctDst6]...))
	if !ok1 || !ok2 || len(proto[ctSrcPort]) != 2 || len(proto[ctDstPort]) != 2 {
		return f, false
	}
	return flow{
		proto: number,
		from:  netip.AddrPortFrom(dst, binary.BigEndian.Uint16(proto[ctDstPort])),
		to:    netip.AddrPortFrom(src, binary.BigEndian.Uint16(proto[ctSrcPort])),
	}, true
}

// inside returns the attributes that b holds.
func inside(b []byte) map[int][]byte {
	list, err := nl.ParseRouteAttr(b)
	if err != nil {
		return nil
	}
	values := map[int][]byte{}
	for _, a := range list {
		values[int(a.Attr.Type&^unix.NLA_F_NESTED)] = a.Value
	}
	return values
}
