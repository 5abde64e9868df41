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
	file := NewPcapng(w, names, "netlab trace", verdict)
	file.last = ev.Sent
	for _, f := range frames {
		if err := file.Add(f); err != nil {
			return err
		}
	}
	return file.Flush()
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

// Pcapng is a capture file that is being written. Make one with [NewPcapng].
type Pcapng struct {
	to    io.Writer
	names Names
	about pcapgo.NgSectionInfo
	w     *pcapgo.NgWriter // nil before the first packet
	ids   map[[2]string]int
	last  time.Time
}

// NewPcapng returns a capture file that goes to w. application and comment
// stand at its beginning.
func NewPcapng(w io.Writer, names Names, application, comment string) *Pcapng {
	return &Pcapng{to: w, names: names, about: pcapgo.NgSectionInfo{Application: application, Comment: comment}, ids: map[[2]string]int{}}
}

// Add writes a packet. Its interface gets a block of its own before its first.
func (p *Pcapng) Add(f *Frame) error {
	if err := p.add(f); err != nil {
		return fmt.Errorf("write the capture: %w", err)
	}
	return nil
}

// Flush writes what has not been written yet. A file without packets stays
// empty.
func (p *Pcapng) Flush() error {
	if p.w == nil {
		return nil
	}
	return p.w.Flush()
}

func (p *Pcapng) add(f *Frame) error {
	at := [2]string{f.NS, f.Iface}
	id, known := p.ids[at]
	if !known {
		intf := pcapgo.NgInterface{Name: p.names.Space(f.NS) + "/" + f.Iface, Description: f.Iface + " in network namespace " + f.NS, LinkType: layers.LinkTypeEthernet, SnapLength: 0, TimestampResolution: 9}
		var err error
		if p.w == nil {
			opts := pcapgo.NgWriterOptions{SectionInfo: p.about}
			p.w, err = pcapgo.NewNgWriterInterface(p.to, intf, opts)
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
