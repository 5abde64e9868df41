package probe

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"netlab/verify"
)

// How many ends by how many ends are taken together: their checks share most of
// the entries they make. Pods of one bridge learn each other, so that few of
// them fit in; other ends meet only machines on the way.
const (
	tile     = 64
	nearTile = 20
)

// placed is a check and where it belongs in the order of checks.
type placed struct {
	check    int32
	far      int32 // 0: both ends are on one bridge
	host     int32 // that bridge's node
	row, col int32 // tiles
}

// byTile orders checks by what entries they make.
func byTile(a, b placed) int {
	return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.host, b.host), cmp.Compare(a.row, b.row), cmp.Compare(a.col, b.col))
}

// numbers numbers ends as they come, those of one node among themselves.
type numbers struct {
	hosts map[*verify.End]int
	of    map[*verify.End]int
	count []int // of a host
	first []int // how many ends the hosts before it have
}

// numbersOf numbers the ends of some checks.
func numbersOf(checks []verify.Check, some []int) *numbers {
	n := &numbers{hosts: map[*verify.End]int{}, of: map[*verify.End]int{}}
	for _, i := range some {
		n.at(checks[i].From)
		if checks[i].To != nil {
			n.at(checks[i].To)
		}
	}
	total := 0
	for _, k := range n.count {
		n.first = append(n.first, total)
		total += k
	}
	return n
}

// at returns the number of the node of an end and that of the end there.
func (n *numbers) at(e *verify.End) (host, number int) {
	host, known := n.hosts[e.Host]
	if !known {
		host = len(n.hosts)
		n.hosts[e.Host] = host
		n.count = append(n.count, 0)
	}
	number, known = n.of[e]
	if !known {
		number = n.count[host]
		n.count[host]++
		n.of[e] = number
	}
	return host, number
}

// place returns where a check belongs. Both directions of a pair on one bridge
// belong to the same tile.
func (n *numbers) place(i int, c *verify.Check) placed {
	to := c.To
	if to == nil {
		to = c.From
	}
	fromHost, row := n.at(c.From)
	toHost, col := n.at(to)
	if c.From.Host != nil && c.From.Host == to.Host && c.From.Bridged {
		row, col = row/nearTile, col/nearTile
		return placed{check: int32(i), host: int32(fromHost), row: int32(min(row, col)), col: int32(max(row, col))}
	}
	return placed{check: int32(i), far: 1, row: int32((n.first[fromHost] + row) / tile), col: int32((n.first[toHost] + col) / tile)}
}

// learned is an entry that traffic makes: a namespace learns a neighbour.
type learned struct {
	ns *verify.End
	ip netip.Addr
}

// schedule splits checks into blocks, each of which makes no more neighbour
// entries than a budget allows. All checks of one pair of ends are in one
// block, unless the budget is very small.
func schedule(checks []verify.Check, some []int, budget map[int]int) [][]int {
	ends := numbersOf(checks, some)
	order := make([]placed, len(some))
	for k, i := range some {
		order[k] = ends.place(i, &checks[i])
	}
	slices.SortStableFunc(order, byTile)

	if roomy(checks, some, budget) {
		block := make([]int, len(order))
		for k, p := range order {
			block[k] = int(p.check)
		}
		return [][]int{block}
	}
	var blocks [][]int
	var block []int
	made, count := map[learned]bool{}, map[int]int{}
	var makes []learned
	extra := map[int]int{}
	for _, p := range order {
		makes = entries(makes[:0], &checks[p.check])
		clear(extra)
		for _, l := range makes {
			if !made[l] {
				made[l] = true
				extra[family(l.ip)]++
			}
		}
		if len(block) > 0 && over(count, extra, budget) {
			blocks, block = append(blocks, block), nil
			clear(made)
			clear(count)
			clear(extra)
			for _, l := range makes {
				if !made[l] {
					made[l] = true
					extra[family(l.ip)]++
				}
			}
		}
		for f, n := range extra {
			count[f] += n
		}
		block = append(block, int(p.check))
	}
	if len(block) > 0 {
		blocks = append(blocks, block)
	}
	return blocks
}

// roomy reports whether checks fit into a budget whatever they share: to find out
// what they do takes longer.
func roomy(checks []verify.Check, some []int, budget map[int]int) bool {
	count := map[int]int{}
	var makes []learned
	for _, i := range some {
		makes = entries(makes[:0], &checks[i])
		for _, l := range makes {
			f := family(l.ip)
			if count[f]++; count[f] > budget[f] {
				return false
			}
		}
	}
	return true
}

// over reports whether count and extra together exceed a budget.
func over(count, extra, budget map[int]int) bool {
	for f, n := range extra {
		if count[f]+n > budget[f] {
			return true
		}
	}
	return false
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// entries adds to list the neighbour entries that a check makes at both ends
// and on the machines between them, as far as the ends tell: each side of a
// link learns the other.
func entries(list []learned, c *verify.Check) []learned {
	if c.To != nil {
		list = way(list, c.From, c.To, c.Addr)
	}
	if c.More == nil {
		return list
	}
	for _, e := range c.More.Stir {
		for _, a := range e.Addrs {
			list = way(list, c.From, e, a)
		}
	}
	for _, s := range c.More.Behind {
		list = way(list, c.From, s.On, s.At.Addr())
	}
	if c.More.Sample != nil {
		for _, client := range c.More.Sample.Clients {
			for _, s := range client.Behind {
				list = way(list, client.From, s.On, s.At.Addr())
			}
		}
	}
	return list
}

// way adds the entries of the way from one end to an address of another.
func way(list []learned, from, to *verify.End, dst netip.Addr) []learned {
	if dst.IsLoopback() {
		return list
	}
	src := like(from.Addrs, dst)
	if from.Host != nil && from.Host == to.Host && from.Bridged {
		return append(list, learned{from, dst}, learned{to, src})
	}
	list = leave(leave(list, from, src), to, dst)
	a, b := from, to
	if from.Host != nil {
		a = from.Host
	}
	if to.Host != nil {
		b = to.Host
	}
	if a != b {
		list = append(list, learned{a, like(b.Addrs, dst)}, learned{b, like(a.Addrs, dst)})
	}
	return list
}

// leave adds the entries of the link between a pod and its node.
func leave(list []learned, pod *verify.End, addr netip.Addr) []learned {
	if pod.Host == nil {
		return list
	}
	return append(list, learned{pod, like(pod.Gateways, addr)}, learned{pod.Host, addr})
}

// like returns the address of the family of a.
func like(addrs []netip.Addr, a netip.Addr) netip.Addr {
	for _, some := range addrs {
		if some.Is4() == a.Is4() {
			return some
		}
	}
	return a
}
