package graph

import (
	"cmp"
	"slices"
)

// Heights of lanes and of what runs in them, in pixels.
const (
	bridgeH = 28
	tunnelH = 22
	laneGap = 12
)

// strand is the part of a net that runs above one row.
type strand struct {
	net         *net
	taps        []tap
	left, right int
	y           int // upper edge, or that of a cable
}

// tap is where a strand leads down to a node.
type tap struct {
	x, y int // where it ends
	end  end
	at   *thing
}

func (s *strand) height() int {
	switch s.net.kind {
	case kindBridge:
		return bridgeH
	case kindTunnel:
		return tunnelH
	}
	return 2
}

// row draws a row of nodes and the lanes above it, from y on. It returns where
// it ends.
func (d *drawing) row(r, y int) int {
	row := d.rows[r]
	head := 0
	for _, i := range row {
		if d.blocks[i].node.inner != nil {
			head = max(head, d.blocks[i].head)
		}
	}
	x, labels := margin+d.gutter, 0
	for k, i := range row {
		b := d.blocks[i]
		b.plug()
		own := b.head
		if b.node.inner != nil {
			own = head
		}
		d.build(b, own)
		if k > 0 {
			x += d.between(d.blocks[row[k-1]], b)
		}
		b.x = x
		x += b.w
		for _, s := range b.node.sockets {
			labels = max(labels, len(s.lines))
		}
	}
	strands := d.strands(r)
	y = d.lanes(strands, y)
	y += max(26, 14+lineStep*labels)
	end := y
	for _, i := range row {
		d.place(d.blocks[i], y)
		end = max(end, y+d.blocks[i].h)
	}
	for k := 1; k < len(row); k++ {
		end = max(end, d.straight(d.blocks[row[k-1]], d.blocks[row[k]]))
	}
	for _, s := range strands {
		d.strand(s, y)
	}
	return end
}

// between returns the gap between neighbours.
func (d *drawing) between(left, right *block) int {
	if left.side < 0 || right.sideOf < 0 {
		return nodeGap
	}
	return max(70, 24+widest(left.node.sockets[left.side].lines), 24+widest(right.node.sockets[right.sideOf].lines))
}

// place puts a node where it stands, its upper edge at y.
func (d *drawing) place(b *block, y int) {
	b.y = y
	for layer, shapes := range b.shapes {
		d.add(layer, move(shapes, b.x, y)...)
	}
	for i, s := range b.node.sockets {
		if i == b.side || i == b.sideOf {
			continue
		}
		x := b.x + b.sockets[i]
		d.add(layerMark, rect("socket", x-socketSize/2, y-socketSize/2, socketSize, socketSize, 1).of(&b.node.thing))
		for k, text := range s.lines {
			d.add(layerBox, label("detail", x+8, y-10-lineStep*(len(s.lines)-1-k), text).of(&b.node.thing))
		}
	}
}

// sideY is how far below the upper edge of a node a cable leaves sideways.
const sideY = 22

// straight draws the cable between two neighbours, if there is one, and
// returns how far down it and what is written at it reach.
func (d *drawing) straight(left, right *block) int {
	if left.side < 0 || right.sideOf < 0 {
		return 0
	}
	y, from, to := left.y+sideY, left.x+left.w, right.x
	n := left.node.sockets[left.side].net
	d.add(layerLine, line("cable thick "+n.ends[0].level.class(), point{from, y}, point{to, y}).
		joining(&left.node.thing, &right.node.thing).saying(n.ends[0].why))
	for _, x := range []int{from, to} {
		d.add(layerMark, rect("socket", x-socketSize/2, y-socketSize/2, socketSize, socketSize, 1))
	}
	if l := n.ends[0].level; l > well {
		d.add(layerMark, sign((from+to-signSize)/2, y-signSize/2, l, nil)...)
	}
	above := left.node.sockets[left.side].lines
	for k, text := range above {
		d.add(layerBox, label("detail", from+10, y-9-lineStep*(len(above)-1-k), text).of(&left.node.thing))
	}
	for _, text := range right.node.sockets[right.sideOf].lines {
		y += lineStep
		l := label("detail", to-10, y+4, text).of(&right.node.thing)
		l.anchor = atEnd
		d.add(layerBox, l)
	}
	return y + 10
}

// strands lists what runs above a row. A bridge that nothing is plugged into
// runs above the first one.
func (d *drawing) strands(r int) []*strand {
	var list []*strand
	for _, n := range d.nets {
		s := &strand{net: n}
		for _, e := range n.ends {
			if d.rowOf[e.node] != r {
				continue
			}
			b := d.blocks[e.node]
			if e.socket < 0 {
				s.taps = append(s.taps, tap{b.x + b.tunnel.x, b.tunnel.y, e, b.node.tunnel})
			} else if e.socket != b.side && e.socket != b.sideOf {
				s.taps = append(s.taps, tap{b.x + b.sockets[e.socket], 0, e, &b.node.thing})
			}
		}
		if len(s.taps) > 0 || n.kind == kindBridge && len(n.ends) == 0 && r == 0 {
			d.span(s)
			list = append(list, s)
		}
	}
	return list
}

// span finds how far a strand reaches.
func (d *drawing) span(s *strand) {
	s.left, s.right = 1<<30, 0
	for _, t := range s.taps {
		left, right := t.x-22, t.x+22
		if s.net.kind == kindBridge { // as wide as the nodes below it
			b := d.blocks[t.end.node]
			left, right = b.x, b.x+b.w
		}
		s.left, s.right = min(s.left, left), max(s.right, right)
	}
	if len(s.taps) == 0 {
		s.left, s.right = margin+d.gutter, 0
	}
	switch s.net.kind {
	case kindBridge:
		s.right = max(s.right, s.left+d.bridgeWidth(s.net.on))
	case kindTunnel:
		s.right = max(s.right, s.left+d.tunnelWidth(s.net))
	}
}

func (d *drawing) bridgeWidth(b *bridge) int {
	w := barWidth(&b.thing) + width(b.name, nameSize, true) - width(b.name, textSize, true) + 60
	if d.live != nil {
		w += signSize + 6
	}
	if b.uplink {
		w += width(uplinkText, textSize, false) + 12
	}
	return w
}

func (d *drawing) tunnelWidth(n *net) int {
	return 20 + width(n.name, textSize, true) + 12 + width(n.note, textSize, false) + 20
}

const uplinkText = "uplink to the host's network"

// lanes gives every strand a height, so that none lies upon another: bridges
// at the top, tunnels, which they carry, at the bottom. It returns where the
// lanes end.
func (d *drawing) lanes(strands []*strand, y int) int {
	for _, kind := range []string{kindBridge, kindCable, kindTunnel} {
		var group []*strand
		for _, s := range strands {
			if s.net.kind == kind {
				group = append(group, s)
			}
		}
		slices.SortStableFunc(group, func(a, b *strand) int { return cmp.Compare(a.left, b.left) })
		var ends []int // of the lanes of this kind
		for _, s := range group {
			left := s.left
			if d.trunk[s.net] > 0 {
				left = 0
			}
			lane := slices.IndexFunc(ends, func(end int) bool { return end+16 < left })
			if lane < 0 {
				lane = len(ends)
				ends = append(ends, 0)
			}
			ends[lane] = s.right
			s.y = y + lane*(s.height()+laneGap)
		}
		if len(group) > 0 {
			y += len(ends) * (group[0].height() + laneGap)
		}
	}
	return y - laneGap
}

// strand draws a strand above nodes whose upper edge is at y.
func (d *drawing) strand(s *strand, y int) {
	n := s.net
	if n.kind == kindCable {
		d.cableAbove(s, y)
		return
	}
	middle := s.y + s.height()/2
	if x, ok := d.trunk[n]; ok {
		d.ys[n] = append(d.ys[n], middle)
		d.add(layerLine, line(n.class(), point{x, middle}, point{s.left + 4, middle}))
	}
	owner := d.netThing(n)
	for _, t := range s.taps {
		to := y + t.y
		d.add(layerLine, line(n.class()+" "+t.end.level.class(), point{t.x, middle}, point{t.x, to}).joining(owner, t.at).saying(t.end.why))
		if n.kind == kindBridge {
			d.add(layerMark, rect("socket", t.x-socketSize/2, s.y+bridgeH-socketSize/2, socketSize, socketSize, 1).of(owner))
		}
		if t.end.level > well {
			for _, sh := range sign(t.x-signSize/2, (s.y+s.height()+y)/2-signSize/2, t.end.level, nil) {
				d.add(layerMark, sh.saying(t.end.why))
			}
		}
	}
	if n.kind == kindTunnel {
		d.add(layerBox, rect("pipe", s.left, s.y, s.right-s.left, tunnelH, tunnelH/2).of(owner))
		name := heading("barname", s.left+20, s.y+15, n.name).of(owner)
		name.size = textSize
		d.add(layerBox, name, label("bardetail", s.left+20+width(n.name, textSize, true)+12, s.y+15, n.note).of(owner))
		return
	}
	d.bridge(s, n.on)
}

// class is the name of a net's lines in style sheets.
func (n *net) class() string {
	switch n.kind {
	case kindTunnel:
		return "tunnelline"
	case kindCable:
		return "cable thick"
	}
	return "cable"
}

// netThing is the thing that a net is in a picture.
func (d *drawing) netThing(n *net) *thing {
	if n.on != nil {
		return &n.on.thing
	}
	return &thing{id: slug(n.kind), kind: kindTunnel, name: n.name, facts: []fact{{"", n.note}}}
}

// bridge draws the bar of a bridge.
func (d *drawing) bridge(s *strand, b *bridge) {
	d.add(layerBox, rect(kindBridge+" "+b.level.class(), s.left, s.y, s.right-s.left, bridgeH, 6).of(&b.thing))
	x := s.left + 12
	texts := barText(&b.thing, x, s.y+19, nameSize)
	d.add(layerBox, texts[0])
	x += width(b.name, nameSize, true) + 8
	d.add(layerBox, label("bardetail", x, s.y+19, kindBridge).of(&b.thing))
	x += width(kindBridge, textSize, false) + 10
	if b.level == well {
		d.add(layerBox, sign(x, s.y+7, well, &b.thing)...)
		x += signSize + 6
	}
	shift := x - (s.left + 12 + width(b.name, nameSize, true) + 12)
	d.add(layerBox, move(texts[1:], shift, 0)...)
	if b.uplink {
		l := label("bardetail", s.right-12, s.y+19, uplinkText).of(&b.thing)
		l.anchor = atEnd
		d.add(layerBox, l)
	}
}

// cableAbove draws a cable between nodes that are no neighbours.
func (d *drawing) cableAbove(s *strand, y int) {
	class := s.net.class() + " " + s.net.ends[0].level.class()
	a, b := &d.nodes[s.net.ends[0].node].thing, &d.nodes[s.net.ends[1].node].thing
	if len(s.taps) == 2 {
		d.add(layerLine, line(class, point{s.taps[0].x, y}, point{s.taps[0].x, s.y}, point{s.taps[1].x, s.y}, point{s.taps[1].x, y}).
			joining(a, b).saying(s.net.ends[0].why))
		return
	}
	d.ys[s.net] = append(d.ys[s.net], s.y)
	for _, t := range s.taps {
		d.add(layerLine, line(class, point{d.trunk[s.net], s.y}, point{t.x, s.y}, point{t.x, y}).joining(a, b).saying(s.net.ends[0].why))
	}
}

// trunks draws what joins the strands of a net from row to row.
func (d *drawing) trunks() {
	for _, n := range d.nets {
		if ys := d.ys[n]; len(ys) > 1 {
			x := d.trunk[n]
			d.add(layerLine, line(n.class(), point{x, slices.Min(ys)}, point{x, slices.Max(ys)}))
		}
	}
}
