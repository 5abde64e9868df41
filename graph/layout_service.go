package graph

import (
	"cmp"
	"fmt"
	"slices"
)

// Measures of services, in pixels.
const (
	serviceGap  = 18
	serviceText = 220 // width to which lists of endpoints are broken
	trackGap    = 9
	mostLines   = 40 // to endpoints, beyond which numbers take their place
)

// roomForEndpoints reports whether lines from services to pods can be drawn
// without touching anything: in one row of nodes with their pods side by side.
func (d *drawing) roomForEndpoints(single rowing) bool {
	if single.w > lonelyWidth {
		return false
	}
	for _, n := range d.nodes {
		if len(n.pods) > sideBySide {
			return false
		}
	}
	w, lines := 0, 0
	for _, s := range d.services {
		sw, _ := d.serviceSize(s)
		w += sw + serviceGap
		lines += len(s.pods)
	}
	return w <= max(single.w, 1200) && lines <= mostLines
}

// serviceLines are what stands below the name of a service.
func (d *drawing) serviceLines(s *service) []string {
	lines := slices.Concat(s.lines, s.ports)
	behind := s.endpoints()
	switch {
	case len(behind) == 0:
		return append(lines, "no endpoints")
	case d.endpoints:
		return append(lines, s.others...)
	}
	lines = append(lines, count(len(behind), "endpoint")+":")
	return append(lines, wrap(behind, ",", serviceText, 4, func(n int) string { return fmt.Sprintf("and %d more", n) })...)
}

func (d *drawing) serviceSize(s *service) (w, h int) {
	first := width(s.name, nameSize, true) + 8 + width(serviceKind(s.service), textSize, false) + d.signRoom()
	if !d.endpoints {
		first += chipWidth(itoa(s.number)) + 6
	}
	lines := d.serviceLines(s)
	return 12 + max(first, widest(lines), widest(s.marks())) + 12, 34 + lineStep*(len(lines)+len(s.marks()))
}

// serve draws the services below everything.
func (d *drawing) serve() {
	if len(d.services) == 0 {
		return
	}
	if d.endpoints {
		d.serveWithLines()
		return
	}
	d.fit()
	limit := max(d.width-margin, 1000)
	x, y, high := margin, d.top+34, 0
	for _, s := range d.services {
		w, h := d.serviceSize(s)
		if x > margin && x+w > limit {
			x, y, high = margin, y+high+serviceGap, 0
		}
		d.service(s, x, y)
		x += w + serviceGap
		high = max(high, h)
	}
}

// service draws a service.
func (d *drawing) service(s *service, x, y int) {
	w, h := d.serviceSize(s)
	owner := &s.thing
	d.add(layerBox, rect("service "+s.level.class(), x, y, w, h, 12).of(owner))
	at := x + 12
	if !d.endpoints {
		d.add(layerBox, chip(at, y+9, itoa(s.number), s.number%hues, owner)...)
		at += chipWidth(itoa(s.number)) + 6
	}
	d.add(layerBox, heading("name", at, y+22, s.name).of(owner))
	at += width(s.name, nameSize, true) + 8
	d.add(layerBox, label("kind", at, y+22, serviceKind(s.service)).of(owner))
	if s.level != unknown {
		d.add(layerBox, sign(x+w-signSize-8, y+10, s.level, owner)...)
	}
	line := y + 22
	for _, text := range d.serviceLines(s) {
		line += lineStep
		d.add(layerBox, label("detail", x+12, line, text).of(owner))
	}
	for _, text := range s.marks() {
		line += lineStep
		d.add(layerBox, label("words "+s.level.class(), x+12, line, text).of(owner))
	}
}

// placed is a service on its way to a place below its endpoints.
type placed struct {
	*service
	x, w int
	wish int // where its middle would be best
	stub int // where its line begins
	y    int // of its track
	feet []point
}

// serveWithLines draws the services in one row and lines to their endpoints,
// each service in a track of its own.
func (d *drawing) serveWithLines() {
	list := d.wishes()
	x := margin
	for _, s := range list {
		s.x = max(x, s.wish-s.w/2)
		x = s.x + s.w + serviceGap
	}
	d.fit()
	right := d.width - margin
	for _, s := range slices.Backward(list) {
		if s.x+s.w > right {
			s.x = max(right-s.w, margin)
		}
		right = s.x - serviceGap
	}
	x = margin
	for _, s := range list { // what was pushed beyond the left edge comes back
		s.x = max(s.x, x)
		x = s.x + s.w + serviceGap
	}
	d.connect(list)
	y := d.top + 20
	for _, s := range list {
		if len(s.feet) > 0 {
			s.y = y
			y += trackGap
		}
	}
	y += 16
	for _, s := range list {
		d.service(s.service, s.x, y)
		for _, f := range s.feet {
			hue := " hue" + itoa(s.number%hues)
			points := []point{{s.stub, y}, {s.stub, s.y}, {f.x, s.y}, {f.x, f.y + 7}}
			if s.stub == f.x {
				points = []point{{s.stub, y}, {f.x, f.y + 7}}
			}
			p := s.pods[slices.Index(s.feet, f)]
			d.add(layerLine, line("endpoint"+hue, points...).joining(&s.thing, &p.thing))
			d.add(layerMark, shape{what: anArrow, class: "head" + hue, points: []point{f, {f.x, f.y + 8}}}.joining(&s.thing, &p.thing))
		}
	}
}

// wishes lists the services by where their endpoints are.
func (d *drawing) wishes() []*placed {
	var list []*placed
	for _, s := range d.services {
		p := &placed{service: s}
		p.w, _ = d.serviceSize(s)
		sum := 0
		for _, q := range s.pods {
			sum += d.foot(q).x
		}
		p.wish = 1 << 20 // behind those that have endpoints
		if len(s.pods) > 0 {
			p.wish = sum / len(s.pods)
		}
		list = append(list, p)
	}
	slices.SortStableFunc(list, func(a, b *placed) int { return cmp.Compare(a.wish, b.wish) })
	for _, p := range list {
		if len(p.pods) == 0 {
			p.wish = 0
		}
	}
	return list
}

// foot is the middle of the lower edge of a pod.
func (d *drawing) foot(p *pod) point {
	for _, b := range d.blocks {
		if f, ok := b.feet[p]; ok {
			return point{f.x + b.x, f.y + b.y}
		}
	}
	return point{}
}

// connect chooses where lines begin and end, so that no two run upon each
// other.
func (d *drawing) connect(list []*placed) {
	behind := map[*pod][]*placed{}
	for _, s := range list {
		for _, p := range s.pods {
			behind[p] = append(behind[p], s)
		}
	}
	var taken []int
	for _, s := range list {
		for _, p := range s.pods {
			f := d.foot(p)
			f.x += slices.Index(behind[p], s)*trackGap - (len(behind[p])-1)*trackGap/2
			s.feet = append(s.feet, f)
			taken = append(taken, f.x)
		}
	}
	free := func(x int) bool {
		return !slices.ContainsFunc(taken, func(t int) bool { return -6 < t-x && t-x < 6 })
	}
	for _, s := range list {
		s.stub = s.x + s.w/2
		if len(s.feet) == 1 && s.x+14 < s.feet[0].x && s.feet[0].x < s.x+s.w-14 {
			s.stub = s.feet[0].x
			continue
		}
		for k := range s.w - 28 {
			step := (k + 1) / 2
			if k%2 == 0 {
				step = -step
			}
			if x := s.x + s.w/2 + step; free(x) {
				s.stub = x
				break
			}
		}
		taken = append(taken, s.stub)
	}
}

// legend says what the signs mean that are in the picture.
func (d *drawing) legend() {
	type entry struct {
		sample func(x, y int) []shape
		text   string
	}
	lineOf := func(class string) func(x, y int) []shape {
		return func(x, y int) []shape { return []shape{line(class, point{x, y - 4}, point{x + 26, y - 4})} }
	}
	signOf := func(l level) func(x, y int) []shape {
		return func(x, y int) []shape { return sign(x+6, y-12, l, nil) }
	}
	entries := []entry{{lineOf("cable"), "cable (veth pair)"}}
	if slices.ContainsFunc(d.nets, func(n *net) bool { return n.kind == kindTunnel }) {
		entries = append(entries, entry{lineOf("tunnelline"), "VXLAN tunnel, through the underlay"})
	}
	if slices.ContainsFunc(d.services, func(s *service) bool { return len(s.pods) > 0 }) {
		if d.endpoints {
			entries = append(entries, entry{lineOf("endpoint hue1"), "service to its endpoints"})
		} else {
			entries = append(entries, entry{func(x, y int) []shape { return chip(x+4, y-12, "1", 1, nil) }, "endpoint of service 1"})
		}
	}
	if d.live != nil {
		entries = append(entries, entry{signOf(well), "as the lab file says"}, entry{signOf(drifted), "differs from the lab file"},
			entry{signOf(failing), "missing, or most checks fail"}, entry{signOf(touched), "some checks fail"})
	}
	y, x := d.height+4, margin
	for _, e := range entries {
		w := 34 + width(e.text, textSize, false)
		if x > margin && x+w > max(d.width-margin, 400) {
			x, y = margin, y+20
		}
		d.add(layerMark, e.sample(x, y)...)
		d.add(layerBox, label("kind", x+34, y, e.text))
		x += w + 24
	}
}
