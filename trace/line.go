package trace

import (
	"fmt"
	"strings"
	"time"
)

// Line writes a packet as it passed an interface on one line: when, where and in
// which direction, between whom, and what it is; of a VXLAN packet also what is
// in it. vxlanPort is the UDP port of VXLAN in the lab; 0 if there is none.
func (f *Frame) Line(vxlanPort uint16) string {
	at := f.Time
	if at.IsZero() {
		at = time.Now()
	}
	way := "in "
	if f.Out {
		way = "out"
	}
	return fmt.Sprintf("%s  %-15s %s  %s", at.Format("15:04:05.000000"), f.Iface, way, f.Text(vxlanPort))
}

// Text says between whom the packet is and what it is.
func (f *Frame) Text(vxlanPort uint16) string {
	h, err := DecodeFrame(f.Data, vxlanPort)
	if err != nil {
		return fmt.Sprintf("%d bytes that are no IP packet", len(f.Data))
	}
	if h.Proto == ProtoARP {
		return h.arpLine()
	}
	text := h.String()
	if h.Length > 0 {
		text += fmt.Sprintf("  length %d", h.Length)
	}
	switch {
	case h.Inner != nil:
		text += fmt.Sprintf("  vni %d [%s]", h.VNI, h.Inner.packetText())
	case h.Quote != nil:
		text += fmt.Sprintf("  about [%s]", h.Quote)
	}
	return text
}

func (h *Header) packetText() string {
	if h.Proto == ProtoARP {
		return h.arpLine()
	}
	return h.String()
}

// arpLine says what an ARP packet or a neighbour solicitation says.
func (h *Header) arpLine() string {
	var b strings.Builder
	if h.ARP.Reply {
		fmt.Fprintf(&b, "ARP %s is at %s", h.ARP.SenderIP, h.ARP.SenderMAC)
	} else {
		fmt.Fprintf(&b, "ARP who has %s? tell %s", h.ARP.TargetIP, h.ARP.SenderIP)
	}
	return b.String()
}
