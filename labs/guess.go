package labs

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

const (
	maxGuesses    = 200  // per file; a file with more wrong names has another problem
	maxCandidates = 2000 // names compared for one guess
	maxListed     = 12   // names listed where none is near
)

// guess returns a hint for a name that does not exist: the nearest of those
// that do, else all of them, else nothing. The caller gives them in the order
// in which they are to be listed.
func (r *report) guess(wrong string, exist []string) string {
	if near := r.nearest(wrong, exist); near != "" {
		return "did you mean " + quote(near) + "?"
	}
	if len(exist) == 0 || len(exist) > maxListed {
		return ""
	}
	if len(exist) == 1 {
		return "there is only " + quote(exist[0])
	}
	return "there are " + strings.Join(exist, ", ")
}

// guessed reports whether enough has been guessed for one file.
func (r *report) guessed() bool { return r.guesses >= maxGuesses }

// nearest returns the existing name that wrong was probably meant to be, or "".
func (r *report) nearest(wrong string, exist []string) string {
	r.guesses++
	if r.guesses > maxGuesses || len(exist) > maxCandidates || len(wrong) > 100 {
		return ""
	}
	return nearest(wrong, exist)
}

// Nearest returns the name that wrong was probably meant to be, or "" where
// none of them comes close.
func Nearest(wrong string, exist []string) string { return nearest(wrong, exist) }

// nearest returns the name with the fewest letters changed, of several the
// last: node-b rather than node-a for node-c.
func nearest(wrong string, exist []string) string {
	low := strings.ToLower(wrong)
	best, bestDistance := "", 1+max(1, len(wrong)/3)
	for _, name := range exist {
		d := distance(low, strings.ToLower(name))
		if d < len(wrong) && (d < bestDistance || d == bestDistance && best != "") {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance counts the letters by which two names differ. Letters that only
// changed places count as one.
func distance(a, b string) int {
	d := levenshtein.Distance(a, b, nil)
	if d == 2 && len(a) == len(b) && sortedBytes(a) == sortedBytes(b) {
		return 1
	}
	return d
}

func sortedBytes(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}
