package graph

import "slices"

// Measures of what stands in a node, in pixels.
const (
	pad        = 14 // within a frame
	podGap     = 14 // between pods that stand side by side
	stackGap   = 6  // between pods that stand one above the other
	drop       = 26 // from a node's bridge down to its pods
	trackStep  = 4  // between cables that run side by side
	innerH     = 24 // height of a node's bridge
	signSize   = 14
	sideBySide = 4 // pods of a node that stand side by side at most
	socketSize = 8
)

// block is a node as it is drawn, with its top left corner at 0,0.
type block struct {
	node    *node
	w, h    int
	shapes  [layers][]shape
	sockets []int // where cables to the outside end, on the upper edge
	tunnel  point // where the tunnel ends, at its device
	head    int   // height of what stands above the bridge
	feet    map[*pod]point
	x, y    int // where it was put
	side    int // number of its socket whose cable leads straight to the block on its right, or -1
	sideOf  int // the same for the block on its left
}

// signRoom is the width that a mark takes in a box.
func (d *drawing) signRoom() int {
	if d.live == nil {
		return 0
	}
	return signSize + 6
}

// newBlock measures a node.
func (d *drawing) newBlock(n *node) *block {
	b := &block{node: n, feet: map[*pod]point{}, side: -1, sideOf: -1}
	text := max(width(n.name, nameSize, true)+8+width(n.kind, textSize, false)+d.signRoom(), widest(n.lines), widest(n.marks()))
	b.w = pad + text + pad
	b.head = 30 + lineStep*(len(n.lines)+len(n.marks()))
	if n.tunnel != nil {
		w, h := deviceSize(n.tunnel)
		b.w += 24 + w
		b.head = max(b.head, 8+h+10)
	}
	if n.inner != nil {
		b.w = max(b.w, 2*pad+barWidth(n.inner))
	}
	return b
}

// deviceSize returns the size of a tunnel's device.
func deviceSize(d *thing) (w, h int) {
	return max(width(d.name, textSize, false), widest(d.lines)) + 16, 22 + lineStep*len(d.lines)
}

// barWidth returns the width that the text in a bar takes.
func barWidth(t *thing) int {
	w := 12 + width(t.name, textSize, true) + 12
	for _, l := range slices.Concat(t.lines, t.marks()) {
		w += 12 + width(l, textSize, false)
	}
	if t.level > well {
		w += signSize + 6
	}
	return w
}

// plug finds places for the sockets that need one on the upper edge.
func (b *block) plug() {
	b.sockets = make([]int, len(b.node.sockets))
	x := 22
	for i, s := range b.node.sockets {
		if i == b.side || i == b.sideOf {
			continue
		}
		b.sockets[i] = x
		x += max(26, 8+widest(s.lines)+20)
	}
	if b.node.tunnel != nil {
		w, _ := deviceSize(b.node.tunnel)
		x += w/2 + pad
	}
	b.w = max(b.w, x)
}

// build draws the node. head is how much room is kept above its bridge.
func (d *drawing) build(b *block, head int) {
	n := b.node
	stack, podW := d.stack(n)
	b.w = max(b.w, podW+2*pad)
	b.h = head
	var pods []shape
	if n.inner != nil {
		b.bar(n.inner, pad, head, b.w-2*pad)
		b.h += innerH
		if len(n.pods) > 0 {
			b.h += drop
			// what the pods do not need is shared out at both sides
			left := (b.w - podW) / 2
			pods = move(stack.boxes, left, b.h)
			b.shapes[layerLine] = append(b.shapes[layerLine], move(stack.cables, left, b.h)...)
			b.shapes[layerMark] = append(b.shapes[layerMark], move(stack.marks, left, b.h)...)
			for p, at := range stack.feet {
				b.feet[p] = point{at.x + left, at.y + b.h}
			}
			b.h += stack.h
		}
		b.h += pad
	}
	b.h = max(b.h, b.head+4)
	frame := rect("frame "+n.kind+" "+n.level.class(), 0, 0, b.w, b.h, 8).of(&n.thing)
	b.shapes[layerFrame] = append(b.shapes[layerFrame], frame)
	b.shapes[layerBox] = append(b.shapes[layerBox], pods...)
	b.title()
}

// title writes what the node is into its upper left corner, and puts the
// tunnel's device into the upper right one.
func (b *block) title() {
	n := b.node
	box := &b.shapes[layerBox]
	x := pad
	*box = append(*box, heading("name", x, 22, n.name).of(&n.thing))
	x += width(n.name, nameSize, true) + 8
	*box = append(*box, label("kind", x, 22, n.kind).of(&n.thing))
	x += width(n.kind, textSize, false) + 6
	if n.level != unknown {
		*box = append(*box, sign(x, 10, n.level, &n.thing)...)
	}
	y := 22
	for _, l := range n.lines {
		y += lineStep
		*box = append(*box, label("detail", pad, y, l).of(&n.thing))
	}
	for _, l := range n.marks() {
		y += lineStep
		*box = append(*box, label("words "+n.level.class(), pad, y, l).of(&n.thing))
	}
	if n.tunnel == nil {
		return
	}
	w, h := deviceSize(n.tunnel)
	x, y = b.w-pad-w, 8
	*box = append(*box, rect("device "+n.tunnel.level.class(), x, y, w, h, 6).of(n.tunnel),
		label("devname", x+w/2, y+15, n.tunnel.name).centred().of(n.tunnel))
	for i, l := range n.tunnel.lines {
		*box = append(*box, label("detail", x+w/2, y+15+lineStep*(i+1), l).centred().of(n.tunnel))
	}
	b.tunnel = point{x + w/2, y}
}

// bar draws the bridge of a node, or what stands in its place.
func (b *block) bar(t *thing, x, y, w int) {
	box := &b.shapes[layerBox]
	*box = append(*box, rect(t.kind+" "+t.level.class(), x, y, w, innerH, 4).of(t))
	*box = append(*box, barText(t, x+12, y+16, textSize)...)
}

// barText writes the text in a bar: name and details on one line.
func barText(t *thing, x, y, size int) []shape {
	first := heading("barname", x, y, t.name).of(t)
	first.size = size
	out := []shape{first}
	x += width(t.name, size, true) + 12
	for _, l := range t.lines {
		out = append(out, label("bardetail", x, y, l).of(t))
		x += width(l, textSize, false) + 12
	}
	if t.level > well {
		out = append(out, sign(x, y-12, t.level, t)...)
		x += signSize + 6
	}
	for _, l := range t.marks() {
		out = append(out, label("words "+t.level.class(), x, y, l).of(t))
		x += width(l, textSize, false) + 12
	}
	return out
}

// sign draws the mark that says how something is.
func sign(x, y int, l level, of *thing) []shape {
	out := []shape{rect("sign "+l.class(), x, y, signSize, signSize, signSize/2).of(of)}
	class := "stroke " + l.class()
	switch l {
	case well:
		out = append(out, line(class, point{x + 4, y + 7}, point{x + 6, y + 10}, point{x + 10, y + 4}).of(of))
	case drifted:
		out = append(out, line(class, point{x + 7, y + 3}, point{x + 7, y + 8}).of(of),
			line(class, point{x + 7, y + 10}, point{x + 7, y + 11}).of(of))
	case touched, failing:
		out = append(out, line(class, point{x + 4, y + 4}, point{x + 10, y + 10}).of(of),
			line(class, point{x + 10, y + 4}, point{x + 4, y + 10}).of(of))
	}
	return out
}
