package page_test

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"netlab/page"
)

// TestReadable holds text to a contrast of 4.5 to what it stands on, in light
// and dark, as WCAG 2 asks for.
func TestReadable(t *testing.T) {
	values := map[string][2]string{}
	for _, c := range page.Colours() {
		values[c.Name] = [2]string{c.Light, c.Dark}
	}
	for _, text := range []string{"ink", "soft", "ok", "drift", "fail", "hue0", "hue1", "hue2", "hue3", "hue4", "hue5"} {
		for _, ground := range []string{"paper", "box", "switchfill", "tunnelfill", "driftfill", "failfill"} {
			if strings.HasPrefix(text, "hue") && ground != "paper" || text == "ok" && ground != "paper" && ground != "box" {
				continue // never stands there
			}
			for i, way := range []string{"light", "dark"} {
				if c := contrast(t, values[text][i], values[ground][i]); c < 4.5 {
					t.Errorf("%s on %s in %s: contrast %.2f", text, ground, way, c)
				}
			}
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a)+.05, luminance(t, b)+.05
	return max(x, y) / min(x, y)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	digits := strings.TrimPrefix(hex, "#")
	if len(digits) == 3 {
		digits = strings.Join([]string{digits[:1], digits[:1], digits[1:2], digits[1:2], digits[2:], digits[2:]}, "")
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	part := func(shift int) float64 {
		v := float64(n>>shift&255) / 255
		if v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	return .2126*part(16) + .7152*part(8) + .0722*part(0)
}

// TestLiteral wants a plain colour before each use of the palette, which a
// program that does not know custom properties takes.
func TestLiteral(t *testing.T) {
	got := page.Literal("svg", ".a { fill: var(--ink); stroke: var(--hue1); }")
	for _, want := range []string{".a { fill: #1a1d21; fill: var(--ink); stroke: #0b57d0; stroke: var(--hue1); }", "@media (prefers-color-scheme: dark) { svg {"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, name := range regexp.MustCompile(`var\(--([a-z0-9]+)\)`).FindAllStringSubmatch(page.Style(), -1) {
		if !strings.Contains(page.Light(), "--"+name[1]+":") {
			t.Errorf("the palette has no %s", name[1])
		}
	}
}
