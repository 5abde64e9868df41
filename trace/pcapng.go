package trace

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// WritePcapng writes what was seen of an exchange as a capture file, in the
// order of time: its packets, and the questions for MACs at that time. Every
// interface of the lab that saw one has a block of its own, so that Wireshark
// shows where a packet is.
func WritePcapng(w io.Writer, ev *Evidence, names Names, verdict string) error {
	frames := captured(ev)
	if len(frames) == 0 {
		return fmt.Errorf("no packet was seen: there is nothing to write")
	}
	slices.SortStableFunc(frames, func(a, b *Frame) int { return cmp.Or(a.Time.Compare(b.Time)) })
	file := pcapng{ids: map[[2]string]int{}, last: ev.Sent}
	for _, f := range frames {
		if err := file.add(w, f, names, verdict); err != nil {
			return fmt.Errorf("write the capture: %w", err)
		}
	}
	return file.w.Flush()
}

// captured lists the frames that have to do with the exchange.
func captured(ev *Evidence) []*Frame {
	s := pick(ev)
	frames := slices.Clone(s.others)
	on := map[string]bool{}
	for _, x := range slices.Concat(s.there, s.back) {
		frames = append(frames, x.frame)
		on[x.frame.NS] = true
	}
	for _, x := range s.asks {
		if on[x.frame.NS] {
			frames = append(frames, x.frame)
		}
	}
	return frames
}

// pcapng is a capture file that is written.
type pcapng struct {
	w    *pcapgo.NgWriter
	ids  map[[2]string]int
	last time.Time
}

func (p *pcapng) add(w io.Writer, f *Frame, names Names, verdict string) error {
	at := [2]string{f.NS, f.Iface}
	id, known := p.ids[at]
	if !known {
		intf := pcapgo.NgInterface{Name: names.Space(f.NS) + "/" + f.Iface, Description: f.Iface + " in network namespace " + f.NS, LinkType: layers.LinkTypeEthernet, SnapLength: 0, TimestampResolution: 9}
		var err error
		if p.w == nil {
			opts := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "netlab trace", Comment: verdict}}
			p.w, err = pcapgo.NewNgWriterInterface(w, intf, opts)
		} else {
			id, err = p.w.AddInterface(intf)
		}
		if err != nil {
			return err
		}
		p.ids[at] = id
	}
	if f.Time.After(p.last) {
		p.last = f.Time
	}
	info := gopacket.CaptureInfo{Timestamp: cmp.Or(f.Time, p.last), CaptureLength: len(f.Data), Length: len(f.Data), InterfaceIndex: id}
	return p.w.WritePacket(info, f.Data)
}
