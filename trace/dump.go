package trace

import (
	"encoding/hex"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Dump shows the bytes of a frame: every header with its fields, and then all
// bytes in hexadecimal digits.
func Dump(frame []byte, vxlanPort uint16) string {
	var b strings.Builder
	show(&b, frame, vxlanPort, "")
	b.WriteString(hex.Dump(frame))
	return b.String()
}

// show writes the headers of a frame, and those of a frame inside.
func show(b *strings.Builder, frame []byte, vxlanPort uint16, indent string) {
	packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	for _, l := range packet.Layers() {
		text := gopacket.LayerString(l)
		b.WriteString(indent + strings.ReplaceAll(text, "\t", " ") + "\n")
		udp, ok := l.(*layers.UDP)
		if !ok || vxlanPort == 0 || uint16(udp.DstPort) != vxlanPort || len(udp.Payload) < sizeVXLAN {
			continue
		}
		b.WriteString(indent + "VXLAN {VNI=" + itoa(int(udp.Payload[4])<<16|int(udp.Payload[5])<<8|int(udp.Payload[6])) + "}\n")
		show(b, udp.Payload[sizeVXLAN:], 0, indent+"  ")
		return
	}
}

// sizeVXLAN is the length of a VXLAN header.
const sizeVXLAN = 8
