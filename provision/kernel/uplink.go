package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"netlab/provision"
	"netlab/provision/netfilter"
	"netlab/provision/netns"
)

// hostNS stands for the host's own namespace, the one that the process was
// started in. Uplinks are all that netlab has there.
const hostNS = ""

// openNS returns the namespace called name, or the host's own, as an open file.
func openNS(name string) (*os.File, error) {
	if name == hostNS {
		return os.Open("/proc/thread-self/ns/net")
	}
	return netns.Open(name)
}

// openFD is openNS for those who open many. The caller closes it, and must not
// be a visitor of another namespace where the host's is meant.
func openFD(name string) (int, error) {
	if name == hostNS {
		return unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	return netns.OpenFD(name)
}

// within runs fn on a thread that is in the namespace called name, or in the
// host's own.
func (h *Host) within(name string, fn func() error) error {
	ns, err := openNS(name)
	if err != nil {
		return err
	}
	defer ns.Close()
	return h.pool.Enter(ns, fn)
}

// doHost carries out a step in the host's own namespace: only what belongs to an
// uplink, and only what carries the mark of a lab.
func (h *Host) doHost(ctx context.Context, s provision.Step) error {
	switch o := s.Object.(type) {
	case provision.HostForwarding:
		return h.doForwarding(s.Op, o)
	case provision.HostRule:
		return h.doHostRule(ctx, s.Op, o)
	case provision.Addr:
		return h.onUplink(o.Dev, func(sp *space) error { return doHostAddr(sp, s, o) })
	case provision.Link:
		return h.onUplink(o.Name, func(sp *space) error { return doLink(sp, s.Op, o) })
	}
	return errors.New("the host's own namespace is not netlab's to change")
}

// onUplink calls fn if the device called dev is the host's end of an uplink.
func (h *Host) onUplink(dev string, fn func(sp *space) error) error {
	sp, err := h.spaces.acquire(hostNS)
	if err != nil {
		return err
	}
	defer h.spaces.release(sp)
	d, err := deviceNamed(sp.conn, dev)
	if err != nil {
		return fmt.Errorf("find interface %s: %w", dev, err)
	}
	if lab, ours := uplinkOf(d.alias); !ours || d.kind != "veth" {
		return fmt.Errorf("interface %s of the host is not netlab's", dev)
	} else if err := h.dir.touchHost(lab); err != nil {
		return err
	}
	return fn(sp)
}

// uplinkOf returns the lab that an interface alias speaks of.
func uplinkOf(alias string) (lab string, ours bool) {
	rest, ours := strings.CutPrefix(alias, "netlab:")
	lab, kind, found := strings.Cut(rest, ":")
	return lab, ours && found && strings.HasPrefix(kind, "uplink:") && checkLab(lab) == nil
}

// doHostAddr gives the host's end of an uplink its address, unless something
// else has come to hold it: two labs may have chosen it at the same moment.
func doHostAddr(sp *space, s provision.Step, a provision.Addr) error {
	if !provision.UplinkRange().Contains(a.Prefix.Addr()) {
		return fmt.Errorf("%s is no address of an uplink", a.Prefix)
	}
	if s.Op == provision.Delete {
		return doAddr(sp, s, a)
	}
	unlock, err := netns.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	index, _, err := sp.index(a.Dev)
	if err != nil {
		return err
	}
	there, err := addresses(sp.conn)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, o := range there {
		if o.link != index && narrow(o.prefix).Overlaps(a.Prefix.Masked()) {
			return fmt.Errorf("something else on the host has %s by now: run the command again, and another one is found", o.prefix)
		}
	}
	return doAddr(sp, s, a)
}

// narrow returns the addresses that an address and its length speak for. That
// of a network larger than all uplinks together speaks for itself.
func narrow(p netip.Prefix) netip.Prefix {
	if p.Bits() <= provision.UplinkRange().Bits() {
		return netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
	}
	return p.Masked()
}

// dressHostEnd writes the mark on the host's end of a new uplink, and keeps the
// host from talking IPv6 to it. Should netlab be killed just before, the other
// end is in a namespace of ours and goes with it.
func dressHostEnd(sp *space, v provision.Veth) error {
	attrs := []*nl.RtAttr{nl.NewRtAttr(unix.IFLA_IFALIAS, []byte(v.Alias))}
	if hasIPv6() {
		const addrGenMode, none = 8, 1 // IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE
		spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
		spec.AddRtAttr(unix.AF_INET6, nil).AddRtAttr(addrGenMode, []byte{none})
		attrs = append(attrs, spec)
	}
	err := sp.withIndex(v.B.Name, func(index int) error {
		header := nl.NewIfInfomsg(unix.AF_UNSPEC)
		header.Index = int32(index)
		return sp.conn.do(request(unix.RTM_NEWLINK, 0, header, attrs...), nil)
	})
	if err != nil {
		return fmt.Errorf("mark %s on the host: %w", v.B.Name, err)
	}
	return nil
}

// hostPath is there if the lab may have something in the host's own namespace.
func (d runDir) hostPath(lab string) string { return filepath.Join(d.lab(lab), "host") }

// touchHost writes down, before it is so, that a lab has something on the host.
// Rules do not show where they belong as cheaply as links do.
func (d runDir) touchHost(lab string) error {
	if err := d.make(lab); err != nil {
		return err
	}
	f, err := os.OpenFile(d.hostPath(lab), os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func (d runDir) touchedHost(lab string) bool {
	_, err := os.Lstat(d.hostPath(lab))
	return !errors.Is(err, fs.ErrNotExist)
}

// hostView is what was read of the host's own namespace.
type hostView struct {
	*view
	lab   string
	marks map[string]bool // links that carry the mark of the lab
}

// lookAtHost reads the links of the host, and adds to w the uplinks that the
// lab has there although nobody wants them. It returns nil if the lab has and
// wants none.
func (h *Host) lookAtHost(lab string, views map[string]*view, w *wish) (*hostView, error) {
	wanted := w.host
	sp, err := h.spaces.acquire(hostNS)
	if err != nil {
		return nil, err
	}
	defer h.spaces.release(sp)
	v := hostView{&view{name: hostNS, byName: map[string]device{}, cabled: map[string]bool{}}, lab, map[string]bool{}}
	if v.devices, err = devices(sp.conn); err != nil {
		return nil, fmt.Errorf("list links of the host: %w", err)
	}
	sp.learn(v.devices)
	for _, d := range v.devices {
		v.byName[d.name] = d
		if of, ours := uplinkOf(d.alias); !ours || of != lab {
			continue
		}
		v.marks[d.name] = true
		for _, far := range views {
			e, there := far.byName[provision.UplinkIface]
			cable := provision.Veth{A: provision.End{NS: far.name, Name: e.name}, B: provision.End{Name: d.name}}
			if there && far.sound() && d.link == e.index && e.link == d.index && !w.has(cable.Key()) {
				w.veths = append(w.veths, cable)
			}
		}
	}
	if !wanted && len(v.marks) == 0 && !h.dir.touchedHost(lab) {
		return nil, nil
	}
	return &v, nil
}

// contents returns what of the host is the lab's beside cables, and the
// addresses that something else on the host has.
func (v *hostView) contents(ctx context.Context, h *Host) (objects []provision.Object, taken []netip.Prefix, err error) {
	ours := map[int]device{}
	names := map[int]string{}
	for _, d := range v.devices {
		names[d.index] = d.name
		if v.marks[d.name] || v.cabled[d.name] {
			ours[d.index] = d
		}
		if v.marks[d.name] && !v.cabled[d.name] {
			objects = append(objects, provision.Link{NS: hostNS, Name: d.name, Type: d.typeName()})
		}
	}
	sp, err := h.spaces.acquire(hostNS)
	if err != nil {
		return nil, nil, err
	}
	defer h.spaces.release(sp)
	addrs, err := addresses(sp.conn)
	if err != nil {
		return nil, nil, fmt.Errorf("list addresses of the host: %w", err)
	}
	entries, err := routes(sp.conn, names)
	if err != nil {
		return nil, nil, fmt.Errorf("list routes of the host: %w", err)
	}
	made, _ := entries.split(addrs)
	for _, a := range addrs {
		d, own := ours[a.link]
		switch {
		case own && !a.ownLinkLocal(d):
			objects = append(objects, provision.Addr{
				NS: hostNS, Dev: d.name, Prefix: a.prefix, Route: made.missing(a, d), Extra: a.hostExtras(),
			})
		case !own && narrow(a.prefix).Overlaps(provision.UplinkRange()):
			taken = append(taken, narrow(a.prefix))
		}
	}
	for _, e := range entries {
		to := e.route.To
		if _, own := ours[e.link]; !own && to.Bits() > provision.UplinkRange().Bits() && to.Overlaps(provision.UplinkRange()) {
			taken = append(taken, to)
		}
	}
	rules, err := h.hostRules(ctx, v.lab)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rules {
		objects = append(objects, r)
	}
	forwarding, held, err := h.forwarding(v.lab)
	if held {
		objects = append(objects, forwarding)
	}
	return objects, taken, err
}

// hostExtras says what people changed about an address of an uplink. It is
// one of the link; see addAddr.
func (a address) hostExtras() string {
	words := slices.Clone(a.extra)
	if i := slices.Index(words, ofLink); i >= 0 {
		words = slices.Delete(words, i, i+1)
	} else {
		words = append(words, "scope global")
	}
	return strings.Join(words, ", ")
}

var ofLink = fmt.Sprintf("scope %d", unix.RT_SCOPE_LINK)

// hostRules finds the lab's rules among those of the host.
func (h *Host) hostRules(ctx context.Context, lab string) ([]provision.HostRule, error) {
	if empty, err := h.noTables(hostNS, false); err != nil || empty {
		return nil, err
	}
	save, err := h.runTables(ctx, hostNS, program("save", false), nil)
	if err != nil {
		return nil, fmt.Errorf("read the host's rules: %w", err)
	}
	var rules []provision.HostRule
	for _, r := range netfilter.Commented(save, provision.MarkPrefix(lab)) {
		rules = append(rules, provision.HostRule{Lab: lab, Table: r.Table, Rule: r.Rule})
	}
	return rules, nil
}

// doHostRule inserts a rule at the top of its chain, where no policy and no
// rule of others is in its way, or deletes it, as often as it is there.
func (h *Host) doHostRule(ctx context.Context, op provision.Op, r provision.HostRule) error {
	words, err := netfilter.Words(r.Rule)
	if err != nil || len(words) < 3 || checkLab(r.Lab) != nil || len(netfilter.Commented([]byte("*"+r.Table+"\n"+r.Rule), provision.MarkPrefix(r.Lab))) != 1 {
		return fmt.Errorf("rule %q does not carry the mark of lab %s", r.Rule, r.Lab)
	}
	if err := h.dir.touchHost(r.Lab); err != nil {
		return err
	}
	unlock, err := netns.Lock() // of two who find that there is no table, one made it
	if err != nil {
		return err
	}
	defer unlock()
	run := func(verb string) error {
		_, err := h.runTables(ctx, hostNS, "iptables", nil, append([]string{"-w", "-t", r.Table, verb}, words[1:]...)...)
		return err
	}
	there, err := h.hostRules(ctx, r.Lab)
	if err != nil {
		return err
	}
	there = slices.DeleteFunc(there, func(o provision.HostRule) bool { return o != r })
	if op == provision.Delete {
		for range there {
			if err := run("-D"); err != nil {
				return err
			}
		}
		return nil
	}
	if len(there) > 0 {
		return nil
	}
	if err := h.noteTable(r.Table, words[1]); err != nil {
		return err
	}
	return run("-I")
}
