// Package page holds what the pages and pictures of netlab have in common:
// their colours, in light and dark, and the looks of text, buttons and tables.
//
// Colours are custom properties of CSS, such as var(--ink). A page follows
// what its reader's system prefers, unless the attribute data-theme of its root
// says light or dark; [Theme] is a script that sets it.
package page

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"
)

// Colour is a colour of all pages, under its name.
type Colour struct{ Name, Light, Dark string }

// Colours returns the palette. Text in ink or soft is readable on paper and on
// every colour whose name ends in "fill".
func Colours() []Colour {
	return []Colour{
		{"paper", "#fff", "#14171a"}, {"ink", "#1a1d21", "#e8eaed"}, {"soft", "#57606a", "#a4adb8"},
		{"line", "#c8ced6", "#3d444d"}, {"box", "#f4f6f8", "#1e2328"},
		{"mark", "#fff3c4", "#3d3413"}, {"markline", "#8a6d00", "#e3c14a"}, {"accent", "#0b57d0", "#8ab4f8"},
		{"cable", "#6e7781", "#8b949e"}, {"switch", "#5f86bd", "#6c93c9"}, {"switchfill", "#dfeaf8", "#22344c"},
		{"tunnel", "#8250df", "#b392f0"}, {"tunnelfill", "#f5effe", "#271d3b"},
		{"ok", "#1a7f37", "#3fb950"}, {"drift", "#7d5300", "#d9a32c"}, {"driftfill", "#fff7dd", "#332a10"},
		{"fail", "#b3121f", "#ff7b72"}, {"failfill", "#ffeceb", "#43191b"},
		{"hue0", "#5d4a8a", "#b9a6e8"}, {"hue1", "#0b57d0", "#8ab4f8"}, {"hue2", "#b35900", "#f0a35e"},
		{"hue3", "#00766a", "#4db6ac"}, {"hue4", "#a8327d", "#e58fc4"}, {"hue5", "#5f6600", "#c3cc5a"},
	}
}

// Light and Dark return the palette as declarations of custom properties.
func Light() string { return declare(func(c Colour) string { return c.Light }) }

// Dark is like [Light] for dark surroundings.
func Dark() string { return declare(func(c Colour) string { return c.Dark }) }

func declare(value func(Colour) string) string {
	var words []string
	for _, c := range Colours() {
		words = append(words, "--"+c.Name+": "+value(c))
	}
	return strings.Join(words, "; ") + ";"
}

//go:embed base.css
var base string

// Style returns the style sheet that every page begins with.
func Style() string {
	return ":root { color-scheme: light dark; " + Light() + " }\n" +
		"@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) { " + Dark() + " } }\n" +
		":root[data-theme=light] { color-scheme: light; }\n" +
		":root[data-theme=dark] { color-scheme: dark; " + Dark() + " }\n" +
		"@media print { :root, :root:not([data-theme=light]), :root[data-theme=dark] { color-scheme: light; " + Light() + " } }\n" +
		base
}

// Theme is a script that makes the button with the id theme switch between
// light and dark.
//
//go:embed theme.js
var Theme string

var property = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([a-z-]+): ?var\(--([a-z0-9]+)\)`) })

// Literal puts the light colour before each use of the palette in a style
// sheet, for programs that do not know custom properties, and the palette
// itself at its head, for root.
func Literal(root, sheet string) string {
	light := map[string]string{}
	for _, c := range Colours() {
		light[c.Name] = c.Light
	}
	sheet = property().ReplaceAllStringFunc(sheet, func(s string) string {
		m := property().FindStringSubmatch(s)
		return m[1] + ": " + light[m[2]] + "; " + s
	})
	return root + " { " + Light() + " }\n" +
		"@media (prefers-color-scheme: dark) { " + root + " { " + Dark() + " } }\n" +
		"@media print { " + root + " { " + Light() + " } }\n" + sheet
}
