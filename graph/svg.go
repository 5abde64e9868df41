package graph

import (
	"bufio"
	_ "embed"
	"fmt"
	"html"
	"io"
	"strings"

	"netlab/page"
)

//go:embed picture.css
var pictureStyle string

// WriteSVG writes the picture as an SVG document of its own, which follows
// light and dark as the reader's system prefers.
func (t *Topology) WriteSVG(w io.Writer) error {
	return writeSVG(w, t.draw(false), "lab "+t.lab.Name)
}

func writeSVG(w io.Writer, s *scene, title string) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, `<?xml version="1.0" encoding="UTF-8"?>`+"\n")
	style := page.Literal("svg.netlab", pictureStyle+".ground { fill: var(--paper); }\n")
	s.write(out, title, "<style>\n"+html.EscapeString(style)+"</style>\n"+fmt.Sprintf(`<rect class="ground" width="%d" height="%d"/>`, s.width, s.height)+"\n")
	return out.Flush()
}

// write writes s as an svg element; inside comes before the shapes.
func (s *scene) write(out *bufio.Writer, title, inside string) {
	tips := inside != "" // a page says the same in its tables
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" class="netlab" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		s.width, s.height, s.width, s.height, html.EscapeString(title))
	fmt.Fprintf(out, "<title>%s</title>\n%s", html.EscapeString(title), inside)
	for _, layer := range s.layers {
		var owner *thing
		for i := range layer {
			sh := &layer[i]
			if sh.owner != owner {
				if owner != nil {
					fmt.Fprint(out, "</g>\n")
				}
				if owner = sh.owner; owner != nil {
					fmt.Fprintf(out, `<g data-of="%s">`, owner.id)
					if tips || owner.kind == kindSwitch || owner.kind == kindTunnel {
						writeTip(out, owner.tip())
					}
					fmt.Fprintln(out)
				}
			}
			sh.write(out)
		}
		if owner != nil {
			fmt.Fprint(out, "</g>\n")
		}
	}
	fmt.Fprint(out, "</svg>\n")
}

func writeTip(out *bufio.Writer, tip string) {
	if tip != "" {
		fmt.Fprintf(out, "<title>%s</title>", html.EscapeString(tip))
	}
}

// tip is what a thing says when the pointer rests on it.
func (t *thing) tip() string {
	lines := []string{t.kind + " " + t.name}
	for _, f := range t.facts {
		lines = append(lines, strings.TrimSpace(f.Name+" "+f.Value))
	}
	if t.level > well {
		lines = append(append(lines, t.seen.words()...), t.seen.Differences...)
	}
	return strings.Join(lines, "\n")
}

func (s *shape) write(out *bufio.Writer) {
	class := strings.Join(strings.Fields(s.class), " ")
	attrs := ""
	if s.links != "" {
		attrs = ` data-joins="` + s.links + `"`
	}
	switch s.what {
	case aRect:
		fmt.Fprintf(out, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="%d"`, class, s.x, s.y, s.w, s.h, s.round)
		s.close(out, attrs, "rect")
	case aLine:
		fmt.Fprintf(out, `<path class="%s" d="%s"`, class, path(s.points))
		s.close(out, attrs, "path")
	case aCurve:
		fmt.Fprintf(out, `<path class="%s" d="%s"`, class, swing(s.points))
		s.close(out, attrs, "path")
	case anArrow:
		t, f := s.points[0], s.points[1]
		dx, dy := f.x-t.x, f.y-t.y
		fmt.Fprintf(out, `<path class="%s" d="M%d %dL%d %dL%d %dZ"`, class, t.x, t.y, f.x-dy/2, f.y-dx/2, f.x+dy/2, f.y+dx/2)
		s.close(out, attrs, "path")
	case aText:
		weight, anchor := "", ""
		if s.bold {
			weight = ` font-weight="600"`
		}
		switch s.anchor {
		case atMiddle:
			anchor = ` text-anchor="middle"`
		case atEnd:
			anchor = ` text-anchor="end"`
		}
		fmt.Fprintf(out, `<text class="%s" x="%d" y="%d" font-size="%d"%s%s>%s</text>`+"\n", class, s.x, s.y, s.size, weight, anchor, html.EscapeString(s.text))
	}
}

func (s *shape) close(out *bufio.Writer, attrs, name string) {
	fmt.Fprint(out, attrs)
	if s.tip == "" {
		fmt.Fprint(out, "/>\n")
		return
	}
	fmt.Fprint(out, ">")
	writeTip(out, s.tip)
	fmt.Fprintf(out, "</%s>\n", name)
}

// path writes a line along points, with its corners rounded off.
func path(points []point) string {
	const radius = 6
	var b strings.Builder
	for i, p := range points {
		switch {
		case i == 0:
			fmt.Fprintf(&b, "M%d %d", p.x, p.y)
		case i == len(points)-1:
			fmt.Fprintf(&b, "L%d %d", p.x, p.y)
		default:
			from, to := toward(p, points[i-1], radius), toward(p, points[i+1], radius)
			fmt.Fprintf(&b, "L%d %dQ%d %d %d %d", from.x, from.y, p.x, p.y, to.x, to.y)
		}
	}
	return b.String()
}

// swing writes a line whose odd stretches are curves that begin and end
// horizontally.
func swing(points []point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%d %d", points[0].x, points[0].y)
	for i := 1; i < len(points); i++ {
		p, q := points[i-1], points[i]
		if i%2 == 0 {
			fmt.Fprintf(&b, "H%d", q.x)
			continue
		}
		middle := (p.x + q.x) / 2
		fmt.Fprintf(&b, "C%d %d %d %d %d %d", middle, p.y, middle, q.y, q.x, q.y)
	}
	return b.String()
}

// toward returns the point that lies distance from p on the way to q along an
// axis, or half way if that is nearer.
func toward(p, q point, distance int) point {
	step := func(d int) int {
		if d < 0 {
			return -min(-d/2, distance)
		}
		return min(d/2, distance)
	}
	return point{p.x + step(q.x-p.x), p.y + step(q.y-p.y)}
}
