package graph

import "slices"

// Measures of chains, in pixels.
const (
	ruleH    = 18
	chainGap = 14
	laneH    = 8 // of a line that passes a column
)

// item is what stands in a column: a chain, or a line on its way to one
// further right.
type item struct {
	chain *chain // nil for a line that passes
	h     int
	x, y  int
	w     int
	from  []joint // what leads here
	to    []joint
}

// joint joins two items of neighbouring columns.
type joint struct {
	item *item // at the other end
	at   int   // height within the item on the left
}

// jump is a rule's line, from item to item.
type jump struct {
	rule  *rule
	owner *chain
	items []*item
	at    int // height within the first item
}

// sheet is one table while it is drawn.
type sheet struct {
	columns [][]*item
	jumps   []*jump
	items   map[*chain]*item
	layer   map[*chain]int
	aside   []*item
}

func (ch *chain) size() (w, h int) {
	w = 24 + width(ch.name, textSize, true)
	h = 28
	if ch.under() != "" {
		w = max(w, 24+width(ch.under(), textSize, false))
		h += lineStep
	}
	for _, r := range ch.rules {
		w = max(w, 12+ch.numbers()+width(r.text(false), textSize, isDNAT(r))+14)
	}
	return w, h + ruleH*len(ch.rules) + 6
}

// numbers is the width of the column of rule numbers.
func (ch *chain) numbers() int {
	w := 0
	for _, r := range ch.rules {
		w = max(w, width(r.lead(), textSize, false)+8)
	}
	return w
}

// rowAt is the height of the middle of a rule within its chain.
func (ch *chain) rowAt(i int) int {
	y := 28 + ruleH*i + ruleH/2
	if ch.under() != "" {
		y += lineStep
	}
	return y
}

// newSheet puts chains into columns: each as far right as the longest way of
// jumps leads.
func newSheet(t *table) *sheet {
	s := &sheet{items: map[*chain]*item{}, layer: map[*chain]int{}}
	for _, ch := range t.chains {
		if ch.callers == 0 || ch.hook {
			s.deepen(ch, 0, 0)
		}
	}
	for _, ch := range t.chains { // what only chains in a circle lead to
		if _, ok := s.layer[ch]; !ok && !ch.aside {
			s.deepen(ch, 0, 0)
		}
	}
	for _, ch := range t.chains {
		if ch.aside {
			w, h := ch.size()
			s.aside = append(s.aside, &item{chain: ch, w: w, h: h})
		}
	}
	seen := map[*chain]bool{}
	for _, ch := range t.chains {
		if s.layer[ch] == 0 && !ch.aside {
			s.visit(ch, seen)
		}
	}
	return s
}

const deepest = 64 // jumps in a row; the kernel refuses circles, a lab file cannot ask for one

func (s *sheet) deepen(ch *chain, layer, depth int) {
	if old, ok := s.layer[ch]; ok && old >= layer || depth > deepest || ch.aside {
		return
	}
	s.layer[ch] = layer
	for _, r := range ch.rules {
		if r.to != nil {
			s.deepen(r.to, layer+1, depth+1)
		}
	}
}

func (s *sheet) put(layer int, it *item) *item {
	for len(s.columns) <= layer {
		s.columns = append(s.columns, nil)
	}
	s.columns[layer] = append(s.columns[layer], it)
	return it
}

// visit places a chain and then, in the order of its rules, what they jump to.
func (s *sheet) visit(ch *chain, seen map[*chain]bool) {
	if seen[ch] {
		return
	}
	seen[ch] = true
	w, h := ch.size()
	here := s.put(s.layer[ch], &item{chain: ch, w: w, h: h})
	s.items[ch] = here
	for i, r := range ch.rules {
		if r.to == nil || r.to.aside || s.layer[r.to] <= s.layer[ch] {
			continue
		}
		j := &jump{rule: r, owner: ch, items: []*item{here}, at: ch.rowAt(i)}
		for layer := s.layer[ch] + 1; layer < s.layer[r.to]; layer++ {
			j.items = append(j.items, s.put(layer, &item{h: laneH}))
		}
		s.visit(r.to, seen)
		j.items = append(j.items, s.items[r.to])
		s.jumps = append(s.jumps, j)
		at := j.at
		for k := 1; k < len(j.items); k++ {
			a, b := j.items[k-1], j.items[k]
			a.to, b.from = append(a.to, joint{b, at}), append(b.from, joint{a, at})
			at = laneH / 2
		}
	}
}

// entry is the height within an item at which lines come in.
func (it *item) entry() int {
	if it.chain == nil {
		return laneH / 2
	}
	return 16
}

// settle finds heights at which lines are short and nothing overlaps.
func (s *sheet) settle() {
	for _, col := range s.columns {
		y := 0
		for _, it := range col {
			it.y = y
			y += it.h + chainGap
		}
	}
	for range 4 {
		for _, col := range slices.Backward(s.columns) {
			spread(col, func(it *item) (int, bool) {
				sum := 0
				for _, j := range it.to {
					sum += j.item.y + j.item.entry() - j.at
				}
				return sum, len(it.to) > 0
			}, func(it *item) int { return len(it.to) })
		}
		for _, col := range s.columns {
			spread(col, func(it *item) (int, bool) {
				sum := 0
				for _, j := range it.from {
					sum += j.item.y + j.at - it.entry()
				}
				return sum, len(it.from) > 0
			}, func(it *item) int { return len(it.from) })
		}
	}
	s.rise()
	top := 1 << 30
	for _, col := range s.columns {
		for _, it := range col {
			top = min(top, it.y)
		}
	}
	for _, col := range s.columns {
		for _, it := range col {
			it.y -= top
		}
	}
}

// tall is a height from which on a table does not fit a screen.
const tall = 1600

// rise moves what leads to many chains to the first of them, where the middle
// of all would be off the screen.
func (s *sheet) rise() {
	longest, height := -1, 0
	for k, col := range s.columns {
		if h := col[len(col)-1].y + col[len(col)-1].h - col[0].y; h > height {
			longest, height = k, h
		}
	}
	if height < tall {
		return
	}
	top := s.columns[longest][0].y
	for k, col := range slices.Backward(s.columns) {
		if k >= longest {
			continue
		}
		spread(col, func(it *item) (int, bool) {
			if len(it.to) == 0 {
				return top, true
			}
			j := it.to[0]
			return j.item.y + j.item.entry() - j.at, true
		}, func(*item) int { return 1 })
	}
}

// spread moves the items of a column to where they would like to be, as near
// as their order and the gaps between them allow. wish returns the sum of the
// heights that an item wants.
func spread(col []*item, wish func(*item) (int, bool), n func(*item) int) {
	type group struct{ first, last, sum, size int } // of items that touch
	offset := make([]int, len(col))                 // of an item, if all touch
	var groups []group
	for i, it := range col {
		if i > 0 {
			offset[i] = offset[i-1] + col[i-1].h + chainGap
		}
		want := it.y
		if sum, ok := wish(it); ok {
			want = sum / n(it)
		}
		groups = append(groups, group{i, i, want - offset[i], 1})
		for len(groups) > 1 {
			a, b := groups[len(groups)-2], groups[len(groups)-1]
			if a.sum*b.size <= b.sum*a.size {
				break
			}
			groups = append(groups[:len(groups)-2], group{a.first, b.last, a.sum + b.sum, a.size + b.size})
		}
	}
	end := -1 << 30
	for _, g := range groups {
		for i := g.first; i <= g.last; i++ {
			col[i].y = max(g.sum/g.size+offset[i], end)
			end = col[i].y + col[i].h + chainGap
		}
	}
}

// draw lays all tables out, one below the other.
func (c *Chains) draw(bare bool) *scene {
	s := &scene{}
	y := margin
	if !bare {
		name, about := c.title()
		h := heading("title", margin, y+16, name)
		h.size = titleSize
		s.add(layerBox, h, label("kind", margin, y+16+lineStep+2, about))
		y += 50
		if words, how := c.health(); words != "" {
			s.add(layerBox, sign(margin, y-4, how, nil)...)
			s.add(layerBox, label("words "+how.class(), margin+signSize+6, y+8, words))
			y += 20
		}
		y += 10
	}
	for _, t := range c.tables {
		h := heading("name", margin, y+14, "table "+t.name)
		s.add(layerBox, h, label("kind", margin+width(h.text, nameSize, true)+8, y+14, t.family))
		y = c.sheet(s, t, y+28) + 34
	}
	if len(c.tables) == 0 {
		s.add(layerBox, label("kind", margin, y+14, "no chains: the lab has no rules here"))
	}
	s.fit()
	c.legend(s)
	s.fit()
	return s
}

// sheet draws one table from y on and returns where it ends.
func (c *Chains) sheet(out *scene, t *table, y int) int {
	s := newSheet(t)
	s.settle()
	x, end := margin, y
	for k, col := range s.columns {
		w, lines := 0, 0
		for _, it := range col {
			w = max(w, it.w)
			lines += len(it.to)
		}
		for _, it := range col {
			it.x, it.y = x, it.y+y
			if it.chain == nil {
				it.w = w
				continue
			}
			it.w = w
			c.chain(out, it)
			end = max(end, it.y+it.h)
		}
		if x += w; k < len(s.columns)-1 {
			x += min(170, 60+3*lines)
		}
	}
	for _, j := range s.jumps {
		c.jump(out, j)
	}
	x, y = margin, end+chainGap
	for _, it := range s.aside {
		it.x, it.y = x, y
		c.chain(out, it)
		x += it.w + chainGap
		end = max(end, it.y+it.h)
	}
	return end
}

// chain draws a chain as a list of its rules.
func (c *Chains) chain(s *scene, it *item) {
	ch := it.chain
	t := &ch.thing
	class := "chain " + ch.class()
	if ch.level > well {
		class += " " + ch.level.class()
	}
	s.add(layerBox, rect(class, it.x, it.y, it.w, it.h, 6).of(t))
	name := heading("podname", it.x+12, it.y+19, ch.name).of(t)
	name.size = textSize
	s.add(layerBox, name)
	if ch.under() != "" {
		s.add(layerBox, label("kind", it.x+12, it.y+19+lineStep, ch.under()).of(t))
	}
	numbers := ch.numbers()
	for i, r := range ch.rules {
		y := it.y + ch.rowAt(i)
		top := y - ruleH/2
		s.add(layerBox, line("rule", point{it.x + 1, top}, point{it.x + it.w - 1, top}).of(t))
		lead, text := label("kind", it.x+12, y+4, r.lead()).of(t), label("detail", it.x+12+numbers, y+4, r.text(false)).of(t)
		if r.word != "" {
			lead.class = "words " + r.level.class()
		}
		if isDNAT(r) {
			text.class, text.bold = "target", true
		}
		s.add(layerBox, lead, text)
	}
}

func isDNAT(r *rule) bool { return len(r.does) > 4 && r.does[:4] == "DNAT" }

// class says what a chain is for, in style sheets.
func (ch *chain) class() string {
	switch {
	case ch.hook:
		return "hook"
	case slices.ContainsFunc(ch.rules, isDNAT):
		return "endpoint"
	case ch.about != "":
		return "service"
	}
	return ""
}

// jump draws a rule's line.
func (c *Chains) jump(s *scene, j *jump) {
	first, last := j.items[0], j.items[len(j.items)-1]
	points := []point{{first.x + first.w, first.y + j.at}}
	for _, it := range j.items[1 : len(j.items)-1] {
		points = append(points, point{it.x, it.y + laneH/2}, point{it.x + it.w, it.y + laneH/2})
	}
	end := point{last.x, last.y + last.entry()}
	points = append(points, point{end.x - 7, end.y})
	l := line("jump "+j.rule.level.class(), points...).joining(&j.owner.thing, &j.rule.to.thing).saying(j.rule.full)
	l.what = aCurve
	if j.rule.level <= well {
		l.class = "jump"
	}
	head := shape{what: anArrow, class: "head", points: []point{end, {end.x - 8, end.y}}}.joining(&j.owner.thing, &j.rule.to.thing)
	s.add(layerLine, l)
	s.add(layerMark, head)
}

// legend says what the signs mean that are in the picture.
func (c *Chains) legend(s *scene) {
	y, x := s.height+4, margin
	entry := func(class, text string) {
		s.add(layerMark, rect("chain "+class, x, y-11, 22, 13, 3))
		s.add(layerMark, label("kind", x+30, y, text))
		x += 30 + width(text, textSize, false) + 24
	}
	entry("hook", "hook of the kernel")
	entry("service", "of a service")
	entry("endpoint", "of an endpoint")
	if _, how := c.health(); how > well {
		entry("drift", "has a rule that the lab file does not ask for")
		entry("fail", "lacks a rule")
	}
}
