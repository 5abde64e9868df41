package labs

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	hashDigits = 6  // hexadecimal, in the tail of a name that was cut
	caliDigits = 11 // hexadecimal, as Calico has it
)

// hash returns the first digits of the hash of an identity.
func hash(identity string, digits int) string {
	sum := sha256.Sum256([]byte(identity))
	return hex.EncodeToString(sum[:])[:digits]
}

// shorten fits prefix and name into an interface name. What is cut gets a hash
// of the whole name in its tail.
func shorten(prefix, name string) string {
	if len(prefix)+len(name) <= maxIface {
		return prefix + name
	}
	return prefix + name[:maxIface-len(prefix)-hashDigits] + hash(name, hashDigits)
}

// hostIface names the end of a pod's cable that is on its node.
//
// Pods outside namespace default always carry a hash, after an underscore,
// which no name of a pod can hold.
func hostIface(p *Pod, mode Mode) string {
	const other = "veth_"
	switch {
	case mode == ModeRouted:
		return "cali" + hash(p.ID(), caliDigits)
	case p.Namespace == defaultNamespace:
		return shorten("veth-", p.Name)
	}
	keep := min(len(p.Name), maxIface-len(other)-hashDigits)
	return other + p.Name[:keep] + hash(p.ID(), hashDigits)
}

// bridgePort names the port of a bridge that an interface is plugged into.
func bridgePort(node, iface string, first bool) string {
	if first {
		return shorten("port-", node)
	}
	return shorten("port-", node+"-"+iface)
}

// macs hands out the MACs of a lab.
type macs struct {
	taken map[MAC]bool
	next  map[string]int // by identity: the number to go on with
}

// of returns the MAC of the thing with that identity: a hash of it, locally
// administered and unicast. Should two things of one lab have the same hash,
// the second is hashed again with a number.
func (m macs) of(identity string) MAC {
	for n := m.next[identity]; ; n++ {
		text := identity
		if n > 0 {
			text += "#" + itoa(n)
		}
		sum := sha256.Sum256([]byte(text))
		mac := MAC{0x02, sum[0], sum[1], sum[2], sum[3], sum[4]}
		if !m.taken[mac] {
			m.taken[mac] = true
			m.next[identity] = n + 1
			return mac
		}
	}
}
