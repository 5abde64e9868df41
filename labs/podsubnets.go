package labs

import (
	"net/netip"
	"slices"
)

// resolvePodSubnets cuts the subnet of the pods into blocks and gives every
// node of the cluster one.
func (r *resolver) resolvePodSubnets() {
	s := r.subnet(podsName)
	members := r.clusterNodes()
	if s == nil || len(members) == 0 {
		return
	}
	for _, p := range s.Prefixes {
		r.blocks(p, members)
	}
	for _, n := range members {
		for _, ps := range n.spec.PodSubnet.Items {
			r.podSubnetFamily(ps, s)
		}
		slices.SortFunc(n.PodSubnets, func(a, b netip.Prefix) int { return family(a.Addr()) - family(b.Addr()) })
		for _, p := range n.PodSubnets {
			n.PodGateways = append(n.PodGateways, firstHost(p))
			n.pools = append(n.pools, newPool(p, firstHost(p).Next()))
		}
	}
}

// podSubnetFamily reports a podSubnet of a family the pods do not have.
func (r *resolver) podSubnetFamily(ps At[string], s *subnet) {
	p, err := netip.ParsePrefix(ps.Value)
	if err != nil || s.bad {
		return // reported
	}
	if _, ok := ofFamily(s.Prefixes, p.Addr()); !ok {
		r.errorf(ps.Place, "", "%s is not in subnet %s, which is %s", quote(ps.Value), quote(s.Name), s.cidr())
	}
}

// block is a pod subnet that is taken.
type block struct {
	prefix netip.Prefix
	owner  owner
}

// blocks hands out the blocks of p, those that are written first. The k-th
// node of the cluster, counted from 1, gets block k if it can; block 0 is the
// last resort.
func (r *resolver) blocks(p netip.Prefix, members []*node) {
	bits, ok := blockBits(p, len(members))
	if !ok {
		r.errorf(r.cidrPlace(p, members[0]), "give subnet pods a shorter prefix", "%s is too small for the pods of %d nodes", p, len(members))
		return
	}
	var taken []block // in order
	var waiting []int
	for k, n := range members {
		written, is := writtenBlock(n, p)
		if !is {
			waiting = append(waiting, k)
			continue
		}
		if b, ok := r.explicitBlock(written, p, taken); ok {
			i, _ := findBlock(taken, b)
			taken = slices.Insert(taken, i, block{b, owner{"node " + quote(n.Name), written.Pos}})
			n.PodSubnets = append(n.PodSubnets, b)
		}
	}
	free := newBlocks(p, bits, taken)
	var displaced []int
	for _, k := range waiting {
		if b, ok := free.take(k + 1); ok {
			members[k].PodSubnets = append(members[k].PodSubnets, b)
		} else {
			displaced = append(displaced, k)
		}
	}
	for _, k := range displaced {
		b, ok := free.any()
		if !ok {
			r.errorf(members[k].spec.Place, "write podSubnet, or give subnet pods a shorter prefix", "no /%d of %s is left for the pods of node %s", bits, p, quote(members[k].Name))
			return
		}
		members[k].PodSubnets = append(members[k].PodSubnets, b)
	}
}

// cidrPlace returns where a prefix of a subnet is written, or n if it is a
// default.
func (r *resolver) cidrPlace(p netip.Prefix, n *node) Place {
	for _, spec := range r.spec.Subnets.Items {
		for _, c := range spec.CIDR.Items {
			if c.Value == p.String() {
				return c.Place
			}
		}
	}
	return n.spec.Place
}

// blockBits returns the length of the blocks that p is cut into for a number of
// nodes: /24 or /64, longer where p is small.
func blockBits(p netip.Prefix, nodes int) (int, bool) {
	usual, step, longest := 24, 2, 30
	if p.Addr().Is6() {
		usual, step, longest = 64, 8, 126
	}
	bits := usual
	if p.Bits() >= usual {
		bits = min(p.Bits()+step, max(longest-2, p.Bits()))
	}
	for bits-p.Bits() < 30 && 1<<(bits-p.Bits()) < nodes {
		bits++
	}
	return bits, bits <= longest
}

// writtenBlock returns the podSubnet of n in the family of p, if there is one
// or one that could not be read.
func writtenBlock(n *node, p netip.Prefix) (At[string], bool) {
	for _, a := range n.spec.PodSubnet.Items {
		q, err := netip.ParsePrefix(a.Value)
		if err != nil || q.Addr().Is4() == p.Addr().Is4() {
			return a, true
		}
	}
	return At[string]{}, n.spec.PodSubnet.Bad
}

// explicitBlock checks a podSubnet that the author wrote.
func (r *resolver) explicitBlock(a At[string], p netip.Prefix, taken []block) (netip.Prefix, bool) {
	b, ok := r.prefix(a)
	if !ok {
		return b, false
	}
	longest := 30
	if b.Addr().Is6() {
		longest = 126
	}
	if b.Bits() > longest {
		r.errorf(a.Place, "", "%s has no room for pods", b)
		return b, false
	}
	if b.Bits() < p.Bits() || !p.Contains(b.Addr()) {
		r.errorf(a.Place, "", "%s is not in subnet %s, which is %s", b, quote(podsName), p)
		return b, false
	}
	// Those taken are apart and in order, so only the neighbours can overlap.
	i, _ := findBlock(taken, b)
	for _, t := range taken[max(i-1, 0):min(i+1, len(taken))] {
		if t.prefix.Overlaps(b) {
			r.errorf(a.Place, "", "%s overlaps %s of %s", b, t.prefix, t.owner)
			return b, false
		}
	}
	return b, true
}

// findBlock returns where a block stands, or would, among those taken.
func findBlock(taken []block, b netip.Prefix) (int, bool) {
	return slices.BinarySearchFunc(taken, b, func(t block, b netip.Prefix) int {
		return t.prefix.Addr().Compare(b.Addr())
	})
}

// blockList hands out the blocks of a prefix.
type blockList struct {
	prefix netip.Prefix
	bits   int
	count  int          // of all blocks
	used   map[int]bool // taken or overlapped
	next   int          // where any goes on looking
}

func newBlocks(p netip.Prefix, bits int, taken []block) *blockList {
	l := &blockList{prefix: p, bits: bits, count: 1 << min(bits-p.Bits(), 30), used: map[int]bool{}, next: 1}
	for _, t := range taken {
		first := l.number(t.prefix.Addr())
		last := l.number(lastAddr(t.prefix))
		for k := first; k <= last && k-first <= maxValues; k++ {
			l.used[k] = true
		}
	}
	return l
}

// take hands out block k unless it is taken.
func (l *blockList) take(k int) (netip.Prefix, bool) {
	if k >= l.count || l.used[k] {
		return netip.Prefix{}, false
	}
	l.used[k] = true
	return l.block(k), true
}

// any hands out the first block that is free, block 0 last.
func (l *blockList) any() (netip.Prefix, bool) {
	for ; l.next < l.count; l.next++ {
		if b, ok := l.take(l.next); ok {
			return b, true
		}
	}
	return l.take(0)
}

// block returns block k.
func (l *blockList) block(k int) netip.Prefix {
	b := l.prefix.Addr().AsSlice()
	for i := l.bits - 1; k > 0; i-- {
		if k&1 == 1 {
			b[i/8] |= 0x80 >> (i % 8)
		}
		k >>= 1
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, l.bits)
}

// number returns the number of the block that holds a.
func (l *blockList) number(a netip.Addr) int {
	b := a.AsSlice()
	k := 0
	for i := l.prefix.Bits(); i < l.bits; i++ {
		k = k<<1 | int(b[i/8]>>(7-i%8)&1)
		if k > 1<<30 {
			return k
		}
	}
	return k
}
