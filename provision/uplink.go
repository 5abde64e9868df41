package provision

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"

	"netlab/labs"
	"netlab/provision/netfilter"
)

// UplinkIface is the end of an uplink that is in the namespace of a bridge. The
// other end is on the host.
const UplinkIface = "uplink"

// IPForward is the parameter of the host that uplinks depend on.
const IPForward = "net.ipv4.ip_forward"

// UplinkRange returns the link-local range that uplinks take their addresses
// from, a /30 each. It is none of those that clouds and Kubernetes are known to
// use, such as 169.254.169.254 and 169.254.1.1.
func UplinkRange() netip.Prefix { return netip.MustParsePrefix("169.254.192.0/18") }

// uplinkBlocks is how many /30 there are in UplinkRange.
const uplinkBlocks = 1 << (30 - 18)

// HostForwarding is the share of a lab in the host's net.ipv4.ip_forward, which
// all labs with an uplink have in common. Who needs it first turns it on, and it
// is what it was before when nobody needs it any more.
type HostForwarding struct {
	Lab   string
	Value string // "1" is what a lab wants
}

// Key implements [Object].
func (f HostForwarding) Key() Key { return Key{KindSysctl, "", IPForward} }

// Needs implements [Object].
func (f HostForwarding) Needs() []Key { return nil }

// Claims implements [Object].
func (f HostForwarding) Claims() []Key { return []Key{f.Key()} }

// Attrs implements [Object].
func (f HostForwarding) Attrs() []Attr { return []Attr{{"value", f.Value}} }

func (f HostForwarding) recreate(Object) string { return "" }

// HostRule is a single iptables rule in a chain of the host, known as ours by
// its comment, which begins with the lab's mark. Chains and rules of others are
// none of netlab's business.
type HostRule struct {
	Lab   string
	Table string
	Rule  string // as iptables-save prints it, beginning with -A
}

// Key implements [Object].
func (r HostRule) Key() Key { return Key{KindHostRule, "", r.Table + " " + r.Rule} }

// Needs implements [Object].
func (r HostRule) Needs() []Key { return nil }

// Claims implements [Object].
func (r HostRule) Claims() []Key { return []Key{r.Key()} }

// Attrs implements [Object].
func (r HostRule) Attrs() []Attr { return nil }

func (r HostRule) recreate(Object) string { return "" }

// uplink joins a bridge of a lab to the host. Which /30 of UplinkRange it has
// is the one thing about a lab that depends on the host: the first that is free
// there, beginning with one that is a function of the names of lab and bridge.
type uplink struct {
	lab, bridge string
	ns          string // of the bridge
}

func (u uplink) hash() [sha256.Size]byte {
	return sha256.Sum256([]byte("uplink " + u.lab + "/" + u.bridge))
}

// iface names the end on the host.
func (u uplink) iface() string {
	sum := u.hash()
	return "nl-" + hex.EncodeToString(sum[:6])
}

// mark is the interface alias of the end on the host.
func (u uplink) mark() string { return Mark(u.lab, "uplink", u.bridge) }

// preferred is the block that u has if it is free.
func (u uplink) preferred() int {
	sum := u.hash()
	return int(binary.BigEndian.Uint32(sum[8:]) % uplinkBlocks)
}

// uplinkBlock returns a /30 of UplinkRange.
func uplinkBlock(n int) netip.Prefix { return netip.PrefixFrom(uplinkAddr(n, 0), 30) }

func uplinkAddr(block, host int) netip.Addr {
	base := UplinkRange().Addr().As4()
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(base[:])+uint32(4*block+host))
	return netip.AddrFrom4(a)
}

// veth is the cable between bridge and host.
func (u uplink) veth(mtu int) Veth {
	return Veth{
		A:     End{NS: u.ns, Name: UplinkIface, MAC: macOf("uplink " + u.bridge), MTU: mtu, Up: true},
		B:     End{Name: u.iface(), MAC: macOf("uplink " + u.bridge + " on the host"), MTU: mtu, Up: true},
		Alias: u.mark(),
	}
}

// macOf returns a locally administered MAC that is a function of identity.
func macOf(identity string) labs.MAC {
	sum := sha256.Sum256([]byte(identity))
	return labs.MAC{0x02, sum[0], sum[1], sum[2], sum[3], sum[4]}
}

// forwards are the host's rules that let packets pass whatever the policy of its
// FORWARD chain: all that come from the bridge, and answers to them.
func (u uplink) forwards() []Object {
	return []Object{
		u.rule("filter", "-A FORWARD -i "+u.iface(), "-j ACCEPT"),
		u.rule("filter", "-A FORWARD -o "+u.iface(), "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
	}
}

// at returns all of u that depends on its addresses.
func (u uplink) at(block int) []Object {
	host, far := uplinkAddr(block, 1), uplinkAddr(block, 2)
	return []Object{
		Addr{Dev: u.iface(), Prefix: netip.PrefixFrom(host, 30)},
		Addr{NS: u.ns, Dev: UplinkIface, Prefix: netip.PrefixFrom(far, 30)},
		Route{NS: u.ns, Table: MainTable, To: defaultOf(host), Type: Unicast, Hop: Hop{Via: host, Dev: UplinkIface}},
		u.rule("nat", "-A POSTROUTING -s "+uplinkBlock(block).String()+" ! -o "+u.iface(), "-j MASQUERADE"),
	}
}

func (u uplink) rule(table, selects, does string) HostRule {
	comment := ` -m comment --comment "` + MarkPrefix(u.lab) + u.bridge + `" `
	return HostRule{Lab: u.lab, Table: table, Rule: netfilter.Single(false, selects+comment+does)}
}

// current returns the block that u has in have, or -1.
func (u uplink) current(have State) int {
	for _, dev := range []struct{ ns, name string }{{"", u.iface()}, {u.ns, UplinkIface}} {
		for _, o := range have.Sorted() {
			a, ok := o.(Addr)
			if !ok || a.NS != dev.ns || a.Dev != dev.name || !UplinkRange().Contains(a.Prefix.Addr()) {
				continue
			}
			first, this := UplinkRange().Addr().As4(), a.Prefix.Addr().As4()
			return int(binary.BigEndian.Uint32(this[:])-binary.BigEndian.Uint32(first[:])) / 4
		}
	}
	return -1
}

// WithTaken returns s, which was observed, with the knowledge of what addresses
// the host uses beside those of the lab.
func (s State) WithTaken(taken []netip.Prefix) State {
	s.taken = taken
	return s
}

// placed returns s with every uplink at addresses that nothing else on the host
// has, and where it is now if it can be.
func (s State) placed(have State) State {
	if len(s.uplinks) == 0 {
		return s
	}
	used := map[int]bool{}
	free := func(block int) bool {
		return !used[block] && !slices.ContainsFunc(have.taken, uplinkBlock(block).Overlaps)
	}
	blocks := make([]int, len(s.uplinks))
	for i, u := range s.uplinks {
		blocks[i] = u.current(have)
		if blocks[i] >= 0 && !free(blocks[i]) {
			blocks[i] = -1
		}
		used[blocks[i]] = true
	}
	s.objects = maps.Clone(s.objects)
	for i, u := range s.uplinks {
		first := u.preferred()
		for n := 0; blocks[i] < 0; n++ {
			if block := (first + n) % uplinkBlocks; free(block) || n == uplinkBlocks {
				blocks[i] = block
			}
		}
		used[blocks[i]] = true
		for _, o := range u.at(first) {
			delete(s.objects, o.Key())
		}
		for _, o := range u.at(blocks[i]) {
			s.objects[o.Key()] = o
		}
	}
	return s
}
