package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v2"
)

// The library asks this one.
var _ = func() bool { cli.HelpPrinter = printHelp; return true }()

func helpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Usage:     "what netlab or one of its commands does",
		ArgsUsage: "[COMMAND]",
		Description: `Examples:
   netlab help
   netlab help up                     the same as netlab up --help`,
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return args(c, "[COMMAND]")
			}
			word := c.Args().First()
			if word == "" {
				return cli.ShowAppHelp(c)
			}
			command := c.App.Command(word)
			if command == nil {
				return unknownCommand(c.App, word)
			}
			command.HelpName = c.App.Name + " " + command.Name
			printHelp(c.App.Writer, "", command)
			return nil
		},
	}
}

// helpWidth is how wide help gets where there is room for more.
const helpWidth = 100

// printHelp writes the help of the program or of one of its commands, folded
// to the terminal.
func printHelp(w io.Writer, _ string, about any) {
	h := helpText{width: helpWidth}
	if width := widthOf(w); width > 0 {
		h.width = min(width, helpWidth)
	}
	switch about := about.(type) {
	case *cli.App:
		h.app(about)
	case *cli.Command:
		h.command(about)
	}
	_, _ = io.WriteString(w, h.String()) // help has nobody to tell
}

// helpText is help while it is written.
type helpText struct {
	strings.Builder
	width int
}

func (h *helpText) app(a *cli.App) {
	h.fold("", "netlab: "+a.Usage)
	h.section("Usage")
	h.WriteString("  netlab COMMAND [FLAG...] [ARGUMENT...]\n")
	h.section("Start with")
	for _, line := range []string{"netlab up two-node", "netlab verify two-node", "netlab trace two-node client svc/web", "netlab down two-node"} {
		h.WriteString("  " + line + "\n")
	}
	var all [][2]string
	var titles []string
	groups := map[string][][2]string{}
	for _, c := range a.VisibleCommands() {
		pair := [2]string{c.Name, c.Usage}
		if len(groups[c.Category]) == 0 {
			titles = append(titles, c.Category)
		}
		groups[c.Category], all = append(groups[c.Category], pair), append(all, pair)
	}
	for _, title := range titles {
		h.section(title)
		h.list(groups[title], longest(all))
	}
	h.WriteByte('\n')
	h.fold("", labHelp)
	h.WriteByte('\n')
	h.fold("", `Exit codes: 0 done, 1 it could not be done, 2 wrong usage or lab file, 3 the lab is not as its file says.`)
	h.WriteByte('\n')
	h.fold("", `"netlab COMMAND --help" has examples and flags of a command.`)
}

func (h *helpText) command(c *cli.Command) {
	h.fold("", c.HelpName+": "+c.Usage)
	h.section("Usage")
	usage := c.HelpName
	if c.ArgsUsage != "" {
		usage += " " + c.ArgsUsage
	}
	usage += " [FLAG...]"
	h.WriteString("  " + usage + "\n")
	if c.Description != "" {
		h.WriteByte('\n')
		h.prose(c.Description)
	}
	var flags [][2]string
	for _, f := range c.VisibleFlags() {
		if f.Names()[0] != "help" {
			flags = append(flags, flagHelp(f))
		}
	}
	flags = append(flags, flagHelp(helpFlag()))
	h.section("Flags")
	h.list(flags, longest(flags))
}

func (h *helpText) section(title string) { h.WriteString("\n" + title + ":\n") }

// prose writes a description: paragraphs are folded, what is indented stays as
// it is.
func (h *helpText) prose(description string) {
	var paragraph []string
	flush := func() {
		h.fold("", strings.Join(paragraph, " "))
		paragraph = nil
	}
	for line := range strings.Lines(description) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "":
			flush()
			h.WriteByte('\n')
		case line[0] == ' ':
			flush()
			h.WriteString("  " + strings.TrimLeft(line, " ") + "\n")
		default:
			paragraph = append(paragraph, line)
		}
	}
	flush()
}

// fold writes a paragraph.
func (h *helpText) fold(indent, paragraph string) {
	if paragraph == "" {
		return
	}
	paragraph = strings.Join(strings.Fields(paragraph), " ")
	for line := range strings.Lines(text.WrapSoft(paragraph, max(h.width-len(indent), leastFolded))) {
		h.WriteString(indent + strings.TrimRight(line, " \n") + "\n")
	}
}

// list writes words and what they mean in two columns, of which the first has
// some width, or one below the other where there is no room for both.
func (h *helpText) list(pairs [][2]string, first int) {
	indent := 2 + first + gap
	if h.width-indent < 2*leastFolded {
		for _, p := range pairs {
			h.WriteString("  " + p[0] + "\n")
			h.fold("      ", p[1])
		}
		return
	}
	for _, p := range pairs {
		head := fmt.Sprintf("  %-*s  ", first, p[0])
		for line := range strings.Lines(text.WrapSoft(p[1], h.width-indent)) {
			h.WriteString(head + strings.TrimRight(line, " \n") + "\n")
			head = strings.Repeat(" ", indent)
		}
	}
}

func longest(pairs [][2]string) int {
	n := 0
	for _, p := range pairs {
		n = max(n, len(p[0]))
	}
	return n
}

// flagHelp returns how a flag is written and what it means, with its default.
func flagHelp(f cli.Flag) [2]string {
	doc, _ := f.(cli.DocGenerationFlag)
	var names []string
	for _, n := range f.Names() {
		if len(n) == 1 {
			names = append([]string{"-" + n}, names...)
		} else {
			names = append(names, "--"+n)
		}
	}
	word, usage := placeholder(doc.GetUsage())
	head := strings.Join(names, ", ")
	if len(names) > 0 && strings.HasPrefix(names[0], "--") {
		head = "    " + head
	}
	if word != "" && doc.TakesValue() {
		head += " " + word
	}
	_, isBool := f.(*cli.BoolFlag)
	if def := strings.Trim(doc.GetDefaultText(), `"`); def != "" && (!isBool || def == "true") && def != "0" && def != "0s" {
		usage += " (default " + def + ")"
	}
	return [2]string{head, usage}
}

// placeholder returns the word between backquotes in the usage of a flag,
// which stands for its value, and the usage without the quotes.
func placeholder(usage string) (word, plain string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return "", usage
	}
	word, after, _ := strings.Cut(rest, "`")
	return word, before + word + after
}
