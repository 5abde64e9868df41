package graph

// Sizes of text, in pixels.
const (
	titleSize = 20
	nameSize  = 14
	textSize  = 12
	lineStep  = 16 // from one line of details to the next
)

// advances are the widths of the printable ASCII characters from the space on,
// in thousandths of the size, in DejaVu Sans. It is the widest of the fonts
// that sans-serif commonly stands for: what fits in it fits in the others.
var advances = [...]uint16{
	318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337,
	636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531,
	1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787,
	603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500,
	500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
	635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
}

// boldness is how much wider bold text is, in hundredths.
const boldness = 113

// width returns how wide a text is at most, in pixels.
func width(s string, size int, bold bool) int {
	sum := 0
	for _, c := range s {
		switch {
		case c >= ' ' && int(c-' ') < len(advances):
			sum += int(advances[c-' '])
		case c == '·':
			sum += 318
		default:
			sum += 838 // dashes and arrows are narrower, or as wide as this
		}
	}
	if bold {
		sum = sum * boldness / 100
	}
	return (sum*size + 999) / 1000
}

// widest returns the width of the widest of lines of details.
func widest(lines []string) int {
	w := 0
	for _, l := range lines {
		w = max(w, width(l, textSize, false))
	}
	return w
}

// wrap breaks words into lines no wider than limit, if the words allow it. Of
// more than most lines the rest is counted.
func wrap(words []string, sep string, limit, most int, rest func(n int) string) []string {
	var lines []string
	line := ""
	for i, w := range words {
		if i < len(words)-1 {
			w += sep
		}
		if line != "" && width(line+" "+w, textSize, false) > limit {
			if len(lines) == most-1 {
				return append(lines, rest(len(words)-i+countIn(line, sep)))
			}
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// countIn returns how many words of wrap a line holds.
func countIn(line, sep string) int {
	n := 0
	for i := 0; i+len(sep) <= len(line); i++ {
		if line[i:i+len(sep)] == sep {
			n++
		}
	}
	return n
}
