package trace

import (
	"fmt"
	"strings"

	"netlab/labs"
)

// explain teaches what a fact means, with the numbers of this packet.
func explain(f Fact) []string {
	switch f := f.(type) {
	case Routed:
		return f.lesson()
	case Resolved:
		return f.lesson()
	case Bridged:
		return f.lesson()
	case Filtered:
		return f.lesson()
	case Translated:
		return f.lesson()
	case Connected:
		if f.Tracked.translated() {
			return wrap("Connection tracking remembers both shapes of this connection: what its first packet looked like when it came, and what answers " +
				"to the packet that left look like. It is the only way back: an answer that does not pass this place is never translated.")
		}
		return wrap("Connection tracking knows the connection. Both shapes mirror each other, so nothing is translated.")
	case Encapsulated:
		return wrap(fmt.Sprintf("%s is no cable. It puts the whole frame, with its Ethernet header, into a UDP packet to another node. Which node it is "+
			"stands in the device's forwarding database: the frame is for %s, and that MAC lives behind %s. The number %d keeps this network apart "+
			"from others that use the same wire. From here on only the outer addresses count.", f.Dev, f.MAC, f.VTEP, f.VNI))
	case Decapsulated:
		return wrap(fmt.Sprintf("The UDP packet was for this node, whose %s takes the frame out again. The inner packet is what it was before the tunnel; "+
			"the tunnel has cost it no TTL.", f.Dev))
	}
	return nil
}

func (f Routed) lesson() []string {
	if f.Answer.Local {
		return wrap(fmt.Sprintf("%s is an address of this namespace: the packet has arrived. Such routes stand in the table local, which is asked first.", f.Dst))
	}
	var lines []string
	for _, m := range f.Masks {
		lines = append(lines, m.table(f)...)
		lines = append(lines, "")
	}
	switch {
	case f.Answer.Err != "":
		return append(lines, wrap("No route matches, so there is no way: "+f.Answer.Err+".")...)
	case f.Answer.Via.IsValid():
		return append(lines, wrap(fmt.Sprintf("Of all routes that match, the longest prefix wins. It leads to a gateway: the frame goes to the MAC of %s, while the "+
			"packet inside stays addressed to %s.", f.Answer.Via, f.Dst))...)
	}
	return append(lines, wrap(fmt.Sprintf("The route has no gateway: %s is on the wire behind %s, and the frame goes straight to it.", f.Dst, f.Answer.Dev))...)
}

// table writes the AND of a destination and the mask of a prefix.
func (m Mask) table(f Routed) []string {
	mask, dst := maskOf(m.To), f.Dst.String()
	row := func(name, addr string, b []byte) string { return fmt.Sprintf("%-12s %-18s %s", name, addr, bits(b)) }
	verdict := "AND and prefix differ: " + dst + " is not in " + m.To.String() + " on " + m.Dev
	if m.Match {
		verdict = "AND and prefix are equal: " + dst + " is in " + m.To.String()
		if m.To.Bits() == 0 {
			verdict = "AND and prefix are equal: a mask without bits matches every address"
		}
	}
	return []string{
		row("destination", f.Dst.String(), f.Dst.AsSlice()),
		row(fmt.Sprintf("mask /%d", m.To.Bits()), mask.String(), mask.AsSlice()),
		row("AND", m.And.String(), m.And.AsSlice()),
		row("prefix", m.To.Masked().Addr().String(), m.To.Masked().Addr().AsSlice()),
		verdict,
	}
}

// bits writes four bytes in binary, more in hexadecimal digits.
func bits(b []byte) string {
	var parts []string
	if len(b) == 4 {
		for _, x := range b {
			parts = append(parts, fmt.Sprintf("%08b", x))
		}
		return strings.Join(parts, ".")
	}
	for i := 0; i < len(b); i += 2 {
		parts = append(parts, fmt.Sprintf("%02x%02x", b[i], b[i+1]))
	}
	return strings.Join(parts, ":")
}

func (f Resolved) lesson() []string {
	switch {
	case f.MAC == (labs.MAC{}):
		return wrap(fmt.Sprintf("A frame needs the MAC of the next hop. Nobody on the wire said that it is %s, so there is nothing to write into the frame, "+
			"and the packet waits until it is given up.", f.IP))
	case f.Asked:
		return wrap(fmt.Sprintf("A frame needs the MAC of the next hop. It was not known, so %s was asked for by a broadcast to everybody on the wire; its owner "+
			"answered, and the answer is kept in the neighbour table.", f.IP))
	case f.State == "PERMANENT":
		return wrap(fmt.Sprintf("The MAC of %s was written into the neighbour table when the lab was made: nobody is asked, because a broadcast would not cross the tunnel.", f.IP))
	}
	return wrap(fmt.Sprintf("A frame needs the MAC of the next hop. That of %s was known already from an earlier question, so nobody was asked.", f.IP))
}

func (f Bridged) lesson() []string {
	switch f.Known {
	case "own":
		return wrap(fmt.Sprintf("A bridge looks at the destination MAC only. This one is the bridge's own, %s: the node is the gateway here, so the packet leaves the "+
			"bridge upwards, to be routed.", f.MAC))
	case "flooded":
		return wrap("The bridge had not seen a frame from that MAC yet, so it sent copies out by all other ports. Only the owner takes it.")
	}
	return wrap(fmt.Sprintf("A bridge looks at the destination MAC only. It has learned from earlier frames that %s is behind %s, and sends the frame there and "+
		"nowhere else. The packet inside does not change.", f.MAC, f.Port))
}

func (f Filtered) lesson() []string {
	for _, s := range f.Steps {
		if t := targetOf(s.Rule); t == "DNAT" {
			return wrap("Nobody owns the address of a service: it is only a rule. KUBE-SERVICES finds the service by address and port, its chain KUBE-SVC- draws lots " +
				"between the endpoints, and the chain of one endpoint, KUBE-SEP-, rewrites the destination. Later packets of the connection skip these rules.")
		}
	}
	return nil
}

func (f Translated) lesson() []string {
	switch {
	case f.By == "":
		return wrap(fmt.Sprintf("This is an answer to a packet that was translated here. Connection tracking does the opposite, so that the sender sees what it "+
			"expects: %s becomes %s.", endText(f.From), endText(f.To)))
	case f.Source:
		return wrap(fmt.Sprintf("The sender's address %s means nothing where the packet goes, or the answer would take another way back. It leaves as %s, which is this node.",
			endText(f.From), endText(f.To)))
	}
	return wrap(fmt.Sprintf("The packet was for %s and is for %s from here on. This happens before the routing decision, which therefore sees the new address only.",
		endText(f.From), endText(f.To)))
}

// lineLength is how long lines of explanation are.
const lineLength = 88

// wrap breaks a text into lines.
func wrap(s string) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && len(line)+1+len(word) > lineLength {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
