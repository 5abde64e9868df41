package graph

import (
	"slices"
	"strings"
)

// scene is a picture as shapes on a plane, in pixels from its top left corner.
type scene struct {
	width, height int
	layers        [layers][]shape
}

// The layers of a scene, from the back.
const (
	layerFrame = iota // boxes that hold others
	layerLine
	layerBox
	layerMark
	layers
)

// shape is one element. Which fields count depends on what it is; class names
// it in style sheets.
type shape struct {
	what  what
	class string
	owner *thing // nil for ornaments
	tip   string // shown where the pointer rests, unless the owner has one
	links string // of a line: the ids of what it joins, separated by spaces

	x, y, w, h int // rect; text has x and y of its base line
	round      int // radius of a rect's corners
	points     []point
	text       string
	size       int
	bold       bool
	anchor     anchor
}

type what uint8

const (
	aRect what = iota
	aLine
	aText
	aCurve  // like aLine, but every other stretch, from the first on, swings
	anArrow // head of an arrow: points are its tip and where it comes from
)

type anchor uint8

const (
	atStart anchor = iota
	atMiddle
	atEnd
)

type point struct{ x, y int }

func (s *scene) add(layer int, shapes ...shape) {
	s.layers[layer] = append(s.layers[layer], shapes...)
}

func rect(class string, x, y, w, h, round int) shape {
	return shape{what: aRect, class: class, x: x, y: y, w: w, h: h, round: round}
}

func line(class string, points ...point) shape {
	return shape{what: aLine, class: class, points: points}
}

func label(class string, x, y int, text string) shape {
	return shape{what: aText, class: class, x: x, y: y, text: text, size: textSize}
}

func heading(class string, x, y int, text string) shape {
	return shape{what: aText, class: class, x: x, y: y, text: text, size: nameSize, bold: true}
}

func (s shape) of(t *thing) shape {
	s.owner = t
	return s
}

func (s shape) centred() shape {
	s.anchor = atMiddle
	return s
}

func (s shape) saying(tip string) shape {
	s.tip = tip
	return s
}

func (s shape) joining(things ...*thing) shape {
	for _, t := range things {
		s.links = strings.TrimSpace(s.links + " " + t.id)
	}
	return s
}

// box returns the room that a rect or a text takes.
func (s *shape) box() (x, y, w, h int) {
	if s.what == aRect {
		return s.x, s.y, s.w, s.h
	}
	w = width(s.text, s.size, s.bold)
	x = s.x
	switch s.anchor {
	case atMiddle:
		x -= w / 2
	case atEnd:
		x -= w
	}
	return x, s.y - s.size, w, s.size + s.size/4
}

// fit makes the plane large enough for what is on it, and for a margin.
func (s *scene) fit() {
	for _, layer := range s.layers {
		for i := range layer {
			sh := &layer[i]
			if sh.what == aRect || sh.what == aText {
				x, y, w, h := sh.box()
				s.width, s.height = max(s.width, x+w+margin), max(s.height, y+h+margin)
				continue
			}
			for _, p := range sh.points {
				s.width, s.height = max(s.width, p.x+margin), max(s.height, p.y+margin)
			}
		}
	}
}

// move shifts a list of shapes.
func move(shapes []shape, dx, dy int) []shape {
	out := slices.Clone(shapes)
	for i := range out {
		out[i].x += dx
		out[i].y += dy
		out[i].points = slices.Clone(out[i].points)
		for k := range out[i].points {
			out[i].points[k].x += dx
			out[i].points[k].y += dy
		}
	}
	return out
}
