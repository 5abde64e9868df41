package trace

import "net/netip"

// maskOf returns the mask of a prefix as an address.
func maskOf(p netip.Prefix) netip.Addr {
	b := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func newMask(to netip.Prefix, dst netip.Addr, dev string, via netip.Addr) Mask {
	and := netip.PrefixFrom(dst, to.Bits()).Masked().Addr()
	return Mask{To: to, Dev: dev, Via: via, And: and, Match: and == to.Masked().Addr()}
}
