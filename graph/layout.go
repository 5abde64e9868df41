package graph

import (
	"slices"
	"strconv"
)

// Measures of the whole, in pixels.
const (
	margin      = 24
	nodeGap     = 28
	rowGap      = 30
	lonelyWidth = 1500 // a single row of nodes is no wider than this
	gutterStep  = 14
)

func itoa(n int) string { return strconv.Itoa(n) }

// drawing is a picture of a lab while it is drawn.
type drawing struct {
	*Topology
	scene
	order     []int    // of the nodes
	blocks    []*block // by node
	rows      [][]int  // of nodes, in the order in which they stand
	rowOf     []int    // by node
	gutter    int      // width
	trunk     map[*net]int
	ys        map[*net][]int // heights at which a net of several rows reaches its trunk
	bare      bool           // without title
	endpoints bool           // draws lines from services to endpoints
	top       int
}

// draw lays the lab out. bare leaves the title away.
func (t *Topology) draw(bare bool) *scene {
	d := &drawing{Topology: t, bare: bare, trunk: map[*net]int{}, ys: map[*net][]int{}}
	d.order = t.arrange()
	d.blocks = make([]*block, len(t.nodes))
	d.rowOf = make([]int, len(t.nodes))
	for i, n := range t.nodes {
		d.blocks[i] = d.newBlock(n)
	}
	d.top = margin
	if !bare {
		d.title()
	}
	d.choose()
	y := d.top
	for r := range d.rows {
		y = d.row(r, y) + rowGap
	}
	d.trunks()
	d.top = y - rowGap
	d.serve()
	d.fit()
	d.legend()
	d.fit()
	return &d.scene
}

// title writes what the lab is above the picture.
func (d *drawing) title() {
	h := heading("title", margin, d.top+16, d.lab.Name)
	h.size = titleSize
	d.add(layerBox, h)
	y := d.top + 16
	for _, s := range []string{d.lab.Description, d.summary()} {
		if s != "" {
			y += lineStep + 2
			d.add(layerBox, label("kind", margin, y, s))
		}
	}
	if words, how := d.health(); words != "" {
		y += lineStep + 4
		d.add(layerBox, sign(margin, y-12, how, nil)...)
		d.add(layerBox, label("words "+how.class(), margin+signSize+6, y, words))
	}
	d.top = y + 24
}

// arrange returns the order of the nodes: that of the lab file, unless another
// one makes cables shorter.
func (t *Topology) arrange() []int {
	order := make([]int, len(t.nodes))
	for i := range order {
		order[i] = i
	}
	const many = 64 // nodes, from which on it takes too long
	if len(t.bridges) < 2 && !slices.ContainsFunc(t.nets, func(n *net) bool { return n.kind == kindCable }) || len(order) > many {
		return order
	}
	best := t.length(order)
	for better := true; better; {
		better = false
		for from := range order {
			for to := range order {
				next := slices.Clone(order)
				moved := next[from]
				next = slices.Insert(slices.Delete(next, from, from+1), to, moved)
				if c := t.length(next); c < best {
					best, order, better = c, next, true
				}
			}
		}
	}
	turned := slices.Clone(order)
	slices.Reverse(turned)
	if t.disorder(turned) < t.disorder(order) {
		return turned
	}
	return order
}

// disorder is how far an order is from that of the lab file: of its bridges
// in the first place, of its nodes in the second.
func (t *Topology) disorder(order []int) int {
	at := make([]int, len(order))
	for i, n := range order {
		at[n] = i
	}
	var middles []int // of the bridges, in thousandths of a place
	for _, n := range t.nets {
		if n.kind != kindBridge || len(n.ends) == 0 {
			continue
		}
		sum := 0
		for _, e := range n.ends {
			sum += at[e.node]
		}
		middles = append(middles, sum*1000/len(n.ends))
	}
	return inversions(middles)*len(order)*len(order) + inversions(order)
}

// inversions is how many pairs of a list are not in order.
func inversions(order []int) int {
	n := 0
	for i, a := range order {
		for _, b := range order[i+1:] {
			if a > b {
				n++
			}
		}
	}
	return n
}

// length is how far cables reach if nodes stand in this order.
func (t *Topology) length(order []int) int {
	at := make([]int, len(order))
	for i, n := range order {
		at[n] = i
	}
	sum := 0
	for _, n := range t.nets {
		if n.kind == kindTunnel || len(n.ends) == 0 {
			continue
		}
		first, last := len(order), 0
		for _, e := range n.ends {
			first, last = min(first, at[e.node]), max(last, at[e.node])
		}
		sum += (last - first) * 2
		if n.kind == kindCable && last-first > 1 {
			sum += 3 // it would have to go around
		}
	}
	return sum
}

// choose breaks the nodes into rows: one if it is short enough, else so that
// the picture is about as wide as a screen.
func (d *drawing) choose() {
	d.endpoints = true
	single := d.tryRows(1 << 30)
	if d.endpoints = d.roomForEndpoints(single); !d.endpoints {
		single = d.tryRows(1 << 30)
	}
	if single.w <= lonelyWidth {
		d.take(single)
		return
	}
	d.align()
	best := single
	for w := 700; w < single.w; w += 50 {
		if r := d.tryRows(w); r.badness() < best.badness() {
			best = r
		}
	}
	d.take(best)
}

// rowing is one way to break nodes into rows.
type rowing struct {
	rows [][]int
	w, h int
	used int // width of all nodes
}

// badness is how far a picture is from 8:5, and how much of it is empty.
func (r *rowing) badness() int {
	wide, high := r.w*5, r.h*8
	empty := 1000 - r.used*1000/max(1, r.w*len(r.rows))
	return max(wide, high)*1000/max(1, min(wide, high)) + empty
}

// align makes nodes of about the same width equally wide, so that they stand
// below each other.
func (d *drawing) align() {
	narrow, wide := 1<<30, 0
	var members []*block
	for _, b := range d.blocks {
		if b.node.inner != nil {
			c := *b
			c.plug()
			_, podW := d.stack(b.node)
			w := max(c.w, podW+2*pad)
			narrow, wide = min(narrow, w), max(wide, w)
			members = append(members, b)
		}
	}
	if wide*10 > narrow*14 {
		return
	}
	for _, b := range members {
		b.w = wide
	}
}

func (d *drawing) tryRows(limit int) rowing {
	var r rowing
	x, high := 0, 0
	r.rows = [][]int{nil}
	for _, i := range d.order {
		b := *d.blocks[i]
		b.plug()
		stack, podW := d.stack(b.node)
		w := max(b.w, podW+2*pad)
		h := b.head
		if b.node.inner != nil {
			h += innerH + drop + stack.h + pad
		}
		if x > 0 && x+nodeGap+w > limit {
			r.rows = append(r.rows, nil)
			r.h += high + rowGap + 110
			x, high = 0, 0
		}
		if x > 0 {
			x += nodeGap
		}
		x += w
		r.used += w + nodeGap
		high = max(high, h)
		r.w = max(r.w, x)
		r.rows[len(r.rows)-1] = append(r.rows[len(r.rows)-1], i)
	}
	r.h += high + 110
	return r
}

// take settles the rows, and which nets need the gutter.
func (d *drawing) take(r rowing) {
	d.rows = r.rows
	for k, row := range d.rows {
		for _, i := range row {
			d.rowOf[i] = k
		}
	}
	if len(d.rows) == 1 {
		d.sideways(d.rows[0])
		return
	}
	for _, n := range d.nets {
		if slices.ContainsFunc(n.ends, func(e end) bool { return d.rowOf[e.node] != d.rowOf[n.ends[0].node] }) {
			d.trunk[n] = margin + gutterStep*len(d.trunk) + 4
		}
	}
	if len(d.trunk) > 0 {
		d.gutter = gutterStep*len(d.trunk) + 10
	}
	for _, row := range d.rows {
		d.sideways(row)
	}
}

// sideways finds the cables that lead straight from a node to its neighbour.
func (d *drawing) sideways(row []int) {
	for k := 1; k < len(row); k++ {
		left, right := d.blocks[row[k-1]], d.blocks[row[k]]
		for _, n := range d.nets {
			if n.kind != kindCable {
				continue
			}
			a, b := n.ends[0], n.ends[1]
			if a.node == row[k] && b.node == row[k-1] {
				a, b = b, a
			}
			if a.node == row[k-1] && b.node == row[k] && left.side < 0 {
				left.side, right.sideOf = a.socket, b.socket
			}
		}
	}
}
