package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"netlab/labs"
	"netlab/provision"
	"netlab/provision/netns"
)

// observers is how many programs read rules at the same time.
const observers = 4

// Observe implements [provision.Kernel].
func (h *Host) Observe(ctx context.Context, want provision.State) (provision.State, error) {
	if err := checkLab(want.Lab); err != nil {
		return provision.State{}, err
	}
	all, err := netns.List("")
	if err != nil {
		return provision.State{}, err
	}
	h.seen.Store(int64(max(len(all), len(want.Namespaces()))))
	names := slices.DeleteFunc(all, func(n string) bool { return !strings.HasPrefix(n, want.Lab+".") })
	w := newWish(want)
	w.brief = want.Brief() && !h.dir.touchedHost(want.Lab)
	views := make([]*view, len(names))
	held := heldFiles{}
	defer held.close()
	outside := h.lookOutside(want.Lab)
	defer func() { _, _ = outside() }()
	// Programs that read rules run beside the rest.
	rules, stop := newRuleReaders(ctx, h, w, len(names))
	err = h.visitAll(ctx, len(names), func(t *tour, i int) error {
		v, err := h.look(t, names[i], w, &held)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it vanished under way
		}
		if err != nil {
			return fmt.Errorf("read namespace %s: %w", names[i], err)
		}
		views[i] = v
		if v != nil && v.readsRules {
			rules <- v
		}
		return nil
	})
	close(rules)
	if err := errors.Join(err, stop()); err != nil {
		return provision.State{}, err
	}

	undouble(views, w)
	var objects []provision.Object
	byName := map[string]*view{}
	secondary := map[provision.Key]bool{}
	var wrong []misled
	for _, v := range views {
		if v != nil {
			wrong = append(wrong, v.misled...)
			byName[v.name] = v
			objects = append(objects, v.objects...)
			objects = append(objects, v.rulesets...)
			maps.Copy(secondary, v.secondary)
		}
	}
	h.mu.Lock()
	h.misled = wrong
	h.mu.Unlock()
	host, err := h.lookAtHost(want.Lab, byName, &w)
	if err != nil {
		return provision.State{}, err
	}
	if host != nil {
		byName[hostNS] = host.view
	}
	cables, err := h.cables(byName, w)
	if err != nil {
		return provision.State{}, err
	}
	objects = append(objects, cables...)
	delete(byName, hostNS)
	var taken []netip.Prefix
	if host != nil {
		var more []provision.Object
		if more, taken, err = host.contents(ctx, h); err != nil {
			return provision.State{}, err
		}
		objects = append(objects, more...)
	}
	for _, v := range byName {
		objects = append(objects, v.links()...)
	}
	more, err := outside()
	if err != nil {
		return provision.State{}, err
	}
	objects = append(objects, more...)
	return provision.NewState(want.Lab, objects...).WithSecondary(secondary).WithTaken(taken), nil
}

// lookOutside reads, beside whatever else is done, what a lab has outside its
// namespaces: files and processes. The function that it returns waits for that.
func (h *Host) lookOutside(lab string) func() ([]provision.Object, error) {
	var objects []provision.Object
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		var files []provision.File
		if files, err = h.files(lab); err != nil {
			return
		}
		for _, f := range files {
			objects = append(objects, f)
		}
		var processes []provision.Object
		if processes, err = h.processes(lab); err != nil {
			err = fmt.Errorf("look for processes: %w", err)
		}
		objects = append(objects, processes...)
	}()
	return func() ([]provision.Object, error) {
		<-done
		return objects, err
	}
}

// view is one namespace as it was read.
type view struct {
	name    string
	objects []provision.Object
	devices []device
	byName  map[string]device
	byIndex map[int]int     // in devices; see withIndex
	cabled  map[string]bool // links that are ends of wanted cables
	ids     map[string]int  // by which numbers others are known here

	readsRules bool
	tables     [2]bool // there may be rules of IPv4, of IPv6
	rulesets   []provision.Object

	misled    []misled
	secondary map[provision.Key]bool // addresses that are
	inode     uint64                 // of a namespace that is ours
}

// look reads the namespace called name, all but the text of its rules. It
// returns nil if that is none of the lab's business.
func (h *Host) look(t *tour, name string, w wish, held *heldFiles) (*view, error) {
	v := &view{name: name, cabled: map[string]bool{}, secondary: map[provision.Key]bool{}}
	key := provision.Namespace{Name: name}.Key()
	mount, mounted := mountOf(name)
	sp, err := h.spaces.visit(t.visitor, name)
	if errors.Is(err, netns.ErrNoNamespace) {
		condition := provision.Foreign
		if netns.IsRemains(name) {
			condition = provision.Remains
		} else if !w.has(key) {
			return nil, nil
		}
		v.objects = append(v.objects, provision.Namespace{Name: name, Condition: condition})
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	defer h.spaces.release(sp)
	sp.mount = mountID{}
	if mounted && mount.inode == sp.inode {
		sp.mount = mount
	}

	if w.brief && !w.has(key) {
		return v, h.glance(sp, v)
	}
	if v.devices, err = devices(sp.conn); err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	if err := addIngress(sp.conn, v.devices); err != nil {
		return nil, err
	}
	v.byName = make(map[string]device, len(v.devices))
	for _, d := range v.devices {
		v.byName[d.name] = d
	}
	mark := v.byName["lo"].alias
	if !h.witnessed(sp, mark) {
		if w.has(key) {
			v.objects = append(v.objects, provision.Namespace{Name: name, Mark: mark, Condition: provision.Foreign})
			return v, nil
		}
		return nil, nil
	}
	if h.another(sp, mark, w) {
		return doubleOf(name, mark), nil
	}
	v.inode = sp.inode
	sp.learn(v.devices)
	for _, d := range v.devices {
		if d.awaitsCarrier() {
			h.raised.note(name, d.name)
		}
	}
	h.vouch(sp)
	if err := v.read(sp.conn, w); err != nil {
		return nil, err
	}
	if err := h.readSysctls(&parameters{conn: sp.conn, proc: t.proc}, v, w); err != nil {
		return nil, fmt.Errorf("read sysctls: %w", err)
	}
	if v.ids, err = held.ids(sp.conn, w.far[name]); err != nil {
		return nil, err
	}
	// Reading rules takes longer than all the rest. Those of a namespace that
	// is to go, go with it, and are nobody's business.
	_, kind, _ := strings.Cut(strings.TrimPrefix(mark, "netlab:"), ":")
	if w.rulesets[name] || (w.has(key) && !strings.HasPrefix(kind, "pod:")) {
		v.tables = [2]bool{!emptyTables(false), !emptyTables(true)}
		v.readsRules = v.tables[0] || v.tables[1]
	}
	ns := v.objects[0].(provision.Namespace)
	ns.Names = namesLinked(name, h.dir.etcOf(name))
	ns.Witness = h.dir.confirms(name, identity{sp.inode, sp.cookie})
	v.objects[0] = ns
	return v, nil
}

// undouble leaves a namespace that several names stand for to the one that its
// mark says, or its witness, or to the first: somebody has mounted it in place of
// others.
func undouble(views []*view, w wish) {
	owner := map[uint64]*view{}
	claim := func(v *view) int {
		o, ok := w.state.Get(provision.Namespace{Name: v.name}.Key())
		switch {
		case ok && o.(provision.Namespace).Mark == v.byName["lo"].alias:
			return 2
		case v.objects[0].(provision.Namespace).Witness:
			return 1
		}
		return 0
	}
	for _, v := range views {
		if v != nil && v.inode != 0 && (owner[v.inode] == nil || claim(v) > claim(owner[v.inode])) {
			owner[v.inode] = v
		}
	}
	for i, v := range views {
		if v != nil && v.inode != 0 && owner[v.inode] != v {
			views[i] = doubleOf(v.name, v.byName["lo"].alias)
		}
	}
}

// another reports whether a namespace of ours is not the wanted one of its name:
// it has not its mark, and no witness says that somebody changed that. It need not
// have its own name any more.
func (h *Host) another(sp *space, mark string, w wish) bool {
	o, ok := w.state.Get(provision.Namespace{Name: sp.name}.Key())
	return ok && o.(provision.Namespace).Mark != mark && !h.dir.confirms(sp.name, identity{sp.inode, sp.cookie})
}

// doubleOf is a name behind which is the namespace of another one.
func doubleOf(name, mark string) *view {
	return &view{
		name: name, cabled: map[string]bool{}, secondary: map[provision.Key]bool{},
		objects: []provision.Object{provision.Namespace{Name: name, Mark: mark, Condition: provision.Double}},
	}
}

// glance finds out whether a namespace is ours, and no more.
func (h *Host) glance(sp *space, v *view) error {
	lo, err := deviceNamed(sp.conn, "lo")
	if err != nil {
		return fmt.Errorf("look up lo: %w", err)
	}
	if h.witnessed(sp, lo.alias) {
		v.objects = append(v.objects, provision.Namespace{Name: v.name, Mark: lo.alias, Names: namesLinked(v.name, h.dir.etcOf(v.name)), Witness: true})
		h.vouch(sp)
	}
	return nil
}

// read collects all that rtnetlink tells. The namespace itself comes first.
func (v *view) read(c *conn, w wish) error {
	addrs, own, others, err := v.settled(c, w)
	if err != nil {
		return err
	}
	rules, err := allRules(c)
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	byIndex := make(map[int]device, len(v.devices))
	for _, d := range v.devices {
		byIndex[d.index] = d
	}
	v.objects = append(v.objects, provision.Namespace{}) // the first; see below
	for _, r := range addedRules(v.name, rules) {
		v.objects = append(v.objects, r)
	}
	v.objects[0] = provision.Namespace{
		Name: v.name, Mark: v.byName["lo"].alias,
		Loopback: describeLo(v.byName["lo"], addrs, own), Rules: describeRules(missingRules(rules)),
	}
	for _, a := range addrs {
		d := byIndex[a.link]
		o := provision.Addr{NS: v.name, Dev: d.name, Prefix: a.prefix, Route: own.missing(a, d), Extra: strings.Join(a.extra, ", ")}
		switch {
		case d.name == "", a.proto == protoKernelRA, d.index == loIndex && isLoAddr(a.prefix):
		case a.ownLinkLocal(d) && !w.has(o.Key()):
		default:
			v.objects = append(v.objects, o)
			if a.flags&unix.IFA_F_SECONDARY != 0 && a.prefix.Addr().Is4() {
				v.secondary[o.Key()] = true
			}
		}
	}
	for _, r := range observedRoutes(v.name, others) {
		v.objects = append(v.objects, r)
	}
	neighs, err := neighbours(c)
	if err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	for _, n := range neighs {
		d := byIndex[n.link]
		o := provision.Neigh{NS: v.name, Dev: d.name, Addr: n.dst, MAC: n.mac}
		if d.name != "" && n.dst.IsValid() && (n.permanent() || n.nailed(d) && !w.has(o.Key())) {
			v.objects = append(v.objects, o)
		} else if d.name != "" && !w.has(o.Key()) && w.misleads(n, d) {
			v.misled = append(v.misled, misled{v.name, n.link, n.dst})
		}
	}
	return v.readSwitches(c, w, byIndex)
}

// readSwitches collects ports and forwarding databases.
func (v *view) readSwitches(c *conn, w wish, byIndex map[int]device) error {
	own := map[labs.MAC]bool{}
	for _, d := range v.devices {
		own[d.mac] = true
		if bridge := byIndex[d.master]; d.master != 0 && bridge.kind == "bridge" {
			v.objects = append(v.objects, provision.Port{NS: v.name, Dev: d.name, Bridge: bridge.name, Hairpin: d.hairpin, Extra: d.portExtras(bridge)})
		}
	}
	entries, err := forwardings(c)
	if err != nil {
		return fmt.Errorf("list forwarding databases: %w", err)
	}
	seen := map[provision.Key]bool{}
	for _, n := range entries {
		f, ours := n.forwarding(v.name, byIndex[n.link], own)
		if !ours || f.Dev == "" {
			continue
		}
		// Of several destinations of one MAC the one that is not asked for
		// counts: it is the one to be dealt with.
		if asked, _ := w.state.Get(f.Key()); seen[f.Key()] && asked == provision.Object(f) {
			continue
		}
		seen[f.Key()] = true
		v.objects = append(v.objects, f)
	}
	return nil
}

// cables finds the wanted cables whose ends are connected.
func (h *Host) cables(views map[string]*view, w wish) ([]provision.Object, error) {
	var cables []provision.Object
	for _, cable := range w.veths {
		a, b := cable.A, cable.B
		if views[a.NS] == nil || views[b.NS] == nil {
			continue
		}
		da, ok := views[a.NS].byName[a.Name]
		if !ok || da.kind != "veth" {
			continue
		}
		id := -1
		if a.NS != b.NS {
			var known bool
			if id, known = views[a.NS].ids[b.NS]; !known {
				var err error
				if id, err = h.idOf(a.NS, b.NS); err != nil {
					if isGone(err) || errors.Is(err, netns.ErrNoNamespace) {
						continue // vanished under way
					}
					return nil, err
				}
			}
		}
		// The other end may have another name by now.
		db, ok := views[b.NS].withIndex(da.link)
		if ok && connected(a.NS, da, b.NS, db, id) {
			views[a.NS].cabled[da.name] = true
			views[b.NS].cabled[db.name] = true
			cables = append(cables, vethOf(a.NS, da, b.NS, db))
		}
	}
	return cables, nil
}

// withIndex returns the link that has an index.
func (v *view) withIndex(index int) (device, bool) {
	if v.byIndex == nil {
		v.byIndex = make(map[int]int, len(v.devices))
		for i, d := range v.devices {
			v.byIndex[d.index] = i
		}
	}
	i, ok := v.byIndex[index]
	if !ok {
		return device{}, false
	}
	return v.devices[i], true
}

// idOf returns the number by which namespace a knows namespace b, or -1.
func (h *Host) idOf(a, b string) (int, error) {
	sp, err := h.spaces.acquire(a)
	if err != nil {
		return -1, err
	}
	defer h.spaces.release(sp)
	ns, err := openNS(b)
	if err != nil {
		return -1, err
	}
	defer ns.Close()
	return namespaceID(sp.conn, ns)
}

// sound reports whether v is a namespace of ours and not something else that
// has its name.
func (v *view) sound() bool {
	if len(v.objects) == 0 {
		return true
	}
	ns, ok := v.objects[0].(provision.Namespace)
	return !ok || ns.Condition == provision.Sound
}

// links returns what is no end of a wanted cable. The kernel's own devices do
// not count.
func (v *view) links() []provision.Object {
	names := make(map[int]string, len(v.devices))
	for _, d := range v.devices {
		names[d.index] = d.name
	}
	if !v.sound() {
		return nil
	}
	var links []provision.Object
	for _, d := range v.devices {
		switch {
		case d.fallback() || v.cabled[d.name]:
		case d.kind == "bridge":
			links = append(links, bridgeOf(v.name, d))
		case d.kind == "vxlan":
			links = append(links, vxlanOf(v.name, d, names))
		default:
			links = append(links, provision.Link{NS: v.name, Name: d.name, Type: d.typeName()})
		}
	}
	return links
}
