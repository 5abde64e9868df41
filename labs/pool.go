package labs

import "net/netip"

// pool hands out the addresses of one prefix in their order, each once.
type pool struct {
	prefix netip.Prefix
	next   netip.Addr
	taken  map[netip.Addr]owner
	full   bool // it has been reported that there is none left
}

// newPool returns a pool of the addresses of p from first on.
func newPool(p netip.Prefix, first netip.Addr) *pool {
	return &pool{prefix: p, next: first, taken: map[netip.Addr]owner{}}
}

// claim gives a to o, or says who has it.
func (p *pool) claim(a netip.Addr, o owner) (before owner, ok bool) {
	if before, taken := p.taken[a]; taken {
		return before, false
	}
	p.taken[a] = o
	return owner{}, true
}

// take hands out the next free address.
func (p *pool) take(o owner) (netip.Addr, bool) {
	for last := lastHost(p.prefix); p.next.IsValid() && p.prefix.Contains(p.next) && p.next.Compare(last) <= 0; {
		a := p.next
		p.next = a.Next()
		if _, ok := p.claim(a, o); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// hosts returns how many interfaces or pods fit into p beside its gateway.
func hosts(p netip.Prefix) int {
	free := p.Addr().BitLen() - p.Bits()
	if free > 30 {
		return 1 << 30
	}
	n := 1<<free - 2 // the network and the gateway
	if p.Addr().Is4() {
		n-- // the broadcast address
	}
	return max(n, 0)
}
