package graph

// stacked is how the pods of a node are drawn, below the bridge. Cables begin
// above, at -drop.
type stacked struct {
	boxes, cables, marks []shape
	feet                 map[*pod]point // middle of the lower edge
	h                    int
}

// stack draws the pods of a node: side by side if there are few, else in
// columns, along which each pod's cable runs in a track of its own.
func (d *drawing) stack(n *node) (s stacked, w int) {
	s.feet = map[*pod]point{}
	if len(n.pods) <= sideBySide {
		for i, p := range n.pods {
			if i > 0 {
				w += podGap
			}
			pw, ph := d.podSize(p)
			s.pod(d, p, w, 0, pw, ph)
			s.cable(n, p, point{w + pw/2, -drop}, point{w + pw/2, 0})
			w += pw
			s.h = max(s.h, ph)
		}
		return s, w
	}
	rows := podRows(len(n.pods))
	for from := 0; from < len(n.pods); from += rows {
		column := n.pods[from:min(from+rows, len(n.pods))]
		if from > 0 {
			w += podGap
		}
		left := w + trackStep*len(column) + 6
		widest, y := 0, 0
		for _, p := range column {
			pw, _ := d.podSize(p)
			widest = max(widest, pw)
		}
		for i, p := range column {
			_, ph := d.podSize(p)
			s.pod(d, p, left, y, widest, ph)
			track := left - 6 - trackStep*i // of the uppermost pod next to the pods: no two cross
			s.cable(n, p, point{track, -drop}, point{track, y + 14}, point{left, y + 14})
			y += ph + stackGap
		}
		s.h = max(s.h, y-stackGap)
		w = left + widest
	}
	return s, w
}

// podRows is how many pods stand one above the other in a column: about twice
// as many as there are columns, since they are wide.
func podRows(pods int) int {
	columns := 1
	for columns*columns*5 < pods*2 {
		columns++
	}
	columns = max(columns, 2)
	return (pods + columns - 1) / columns
}

const (
	chipH    = 16
	maxChips = 4
)

// podSize returns the size of a pod.
func (d *drawing) podSize(p *pod) (w, h int) {
	first := width(p.name, textSize, true) + d.signRoom()
	if !d.endpoints {
		for _, c := range d.chips(p) {
			first += 4 + chipWidth(c)
		}
	}
	return 10 + max(first, widest(p.lines), widest(p.marks())) + 10, 28 + lineStep*(len(p.lines)+len(p.marks()))
}

// chips are the numbers of the services of which a pod is an endpoint.
func (d *drawing) chips(p *pod) []string {
	numbers := d.numbers[p.pod.ID()]
	var out []string
	for i, n := range numbers {
		if i == maxChips-1 && len(numbers) > maxChips {
			return append(out, "+"+itoa(len(numbers)-i))
		}
		out = append(out, itoa(n))
	}
	return out
}

func chipWidth(text string) int { return max(chipH, width(text, 11, true)+8) }

// chip draws the number of a service.
func chip(x, y int, text string, hue int, of *thing) []shape {
	w := chipWidth(text)
	l := label("chiptext", x+w/2, y+12, text).centred().of(of)
	l.size, l.bold = 11, true
	return []shape{rect("chip hue"+itoa(hue), x, y, w, chipH, 8).of(of), l}
}

// hues is how many colours services have; numbers tell them apart.
const hues = 6

// pod draws a pod.
func (s *stacked) pod(d *drawing, p *pod, x, y, w, h int) {
	owner := &p.thing
	class := "pod " + p.level.class()
	if !p.pod.Ready {
		class += " unready"
	}
	s.boxes = append(s.boxes, rect(class, x, y, w, h, 5).of(owner))
	name := heading("podname", x+10, y+18, p.name).of(owner)
	name.size = textSize
	s.boxes = append(s.boxes, name)
	at := x + 10 + width(p.name, textSize, true) + 4
	if !d.endpoints {
		numbers := d.numbers[p.pod.ID()]
		for i, c := range d.chips(p) {
			s.boxes = append(s.boxes, chip(at, y+6, c, numbers[i]%hues, owner)...)
			at += chipWidth(c) + 4
		}
	}
	if p.level != unknown {
		s.boxes = append(s.boxes, sign(x+w-signSize-6, y+7, p.level, owner)...)
	}
	line := y + 18
	for _, l := range p.lines {
		line += lineStep
		s.boxes = append(s.boxes, label("detail", x+10, line, l).of(owner))
	}
	for _, l := range p.marks() {
		line += lineStep
		s.boxes = append(s.boxes, label("words "+p.level.class(), x+10, line, l).of(owner))
	}
	s.feet[p] = point{x + w/2, y + h}
}

// cable draws what joins a pod to its node.
func (s *stacked) cable(n *node, p *pod, points ...point) {
	s.cables = append(s.cables, line("cable "+p.cable.class(), points...).joining(n.inner, &p.thing).saying(p.why))
	if p.cable > well {
		at := points[len(points)-1]
		if len(points) == 2 {
			at = point{at.x - signSize/2, at.y - drop/2 - signSize/2}
		} else {
			at = point{at.x - signSize - 2, at.y - signSize/2}
		}
		for _, sh := range sign(at.x, at.y, p.cable, nil) {
			s.marks = append(s.marks, sh.saying(p.why))
		}
	}
}
