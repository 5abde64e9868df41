package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"netlab/provision"
)

// Paper is a state of a lab, laid out so that packets can be followed over it
// one after the other. It is not safe for concurrent use.
type Paper struct {
	ground ground
	port   uint16
}

// NewPaper lays s out. vxlanPort is the UDP port behind which the lab's tunnels
// are.
func NewPaper(s provision.State, vxlanPort uint16) *Paper {
	return &Paper{ground: newGround(s), port: vxlanPort}
}

// Ways follows a packet, and the answer to it back, as [Expected] does.
func (p *Paper) Ways(q Question) []Way {
	w := &walk{ground: p.ground, vxlanPort: p.port}
	return w.exchange(q)
}

// Lookup returns what the routing tables of a namespace say about a packet that
// is made there, once for every next hop that it may take.
func (p *Paper) Lookup(q Lookup) []Answer { return p.ground.at(q.NS).lookup(q) }

// Signature says in a few words what an exchange may do: two exchanges that
// differ in nothing a packet meets have the same one.
func Signature(ways []Way) string {
	list := make([]string, len(ways))
	for i := range ways {
		w := &ways[i]
		list[i] = fmt.Sprintf("%s=>%s %.6f", w.There.signature(), w.Back.signature(), cmp.Or(w.Back.Chance, w.There.Chance))
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}

func (p *Path) signature() string {
	var b strings.Builder
	for i := range p.Hops {
		h := &p.Hops[i]
		fmt.Fprintf(&b, "%s %s %s", h.NS, h.Dir, h.Iface)
		for x := &h.Header; x != nil; x = x.Inner {
			fmt.Fprintf(&b, " %s>%s %s>%s %d %d", x.source(), x.destination(), x.SrcMAC, x.DstMAC, x.TTL, x.VNI)
		}
		b.WriteByte(';')
	}
	fmt.Fprintf(&b, "%s %s %s", p.End.Kind, p.End.NS, p.End.Fault.Step)
	return b.String()
}
