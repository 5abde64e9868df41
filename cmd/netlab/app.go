package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
)

const labHelp = `LAB is a path (it contains / or ends in .yaml), - for standard input, the name
of a lab that is up, or the name of one that ships (netlab list).`

// newApp returns the command line of netlab.
func newApp(sys system) *cli.App {
	app := &cli.App{
		Name:           "netlab",
		Usage:          "Kubernetes networking on plain kernel objects, from one file",
		Writer:         sys.forPeople(sys.stdout, "text"),
		ErrWriter:      sys.stderr,
		HideVersion:    true,
		HideHelp:       true,
		ExitErrHandler: func(*cli.Context, error) {}, // run decides the exit code, nobody else
		OnUsageError:   badUsage,
		Flags:          []cli.Flag{helpFlag()},
		Action:         noCommand,
		Commands:       []*cli.Command{superviseCommand()},
	}
	for _, g := range commandGroups(sys) {
		for _, c := range g.commands {
			c.Category = g.title
			app.Commands = append(app.Commands, c)
		}
	}
	for _, c := range app.Commands {
		notNegative(c)
		c.OnUsageError = badUsage
		c.HideHelp = true
		c.Flags = append(slices.Clip(c.Flags), helpFlag())
		sys.needWorld(c)
	}
	return app
}

// helpFlag is --help of one command. The library would give all of them the one
// that it has, and write into it whenever it reads a command line: not for two of
// them at once in one process.
func helpFlag() cli.Flag {
	return &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help", DisableDefaultText: true}
}

// commandGroups are the commands as help lists them. A new command finds its
// place here; its words of usage, such as LAB, and those of its flags tell the
// completion what fits (see complete.go).
func commandGroups(sys system) []commandGroup {
	return []commandGroup{
		{"Labs", []*cli.Command{
			upCommand(sys), planCommand(sys), downCommand(sys), resetCommand(sys),
			listCommand(sys), statusCommand(sys),
		}},
		{"Look and learn", []*cli.Command{
			verifyCommand(sys), traceCommand(sys),
			graphCommand(sys),
			captureCommand(sys),
			execCommand(sys), shellCommand(sys), logsCommand(sys),
		}},
		{"Lab files", []*cli.Command{
			initCommand(sys), validateCommand(sys), testCommand(sys),
			fmtCommand(sys), explainCommand(sys), schemaCommand(sys),
		}},
		{"This host", []*cli.Command{
			doctorCommand(sys), gcCommand(sys), reportCommand(sys),
		}},
		{"This program", []*cli.Command{
			helpCommand(), completionCommand(sys), versionCommand(sys),
		}},
	}
}

type commandGroup struct {
	title    string
	commands []*cli.Command
}

// notNegative makes durations that are given to c begin at zero.
func notNegative(c *cli.Command) {
	for _, f := range c.Flags {
		if f, ok := f.(*cli.DurationFlag); ok && f.Action == nil {
			f.Action = func(_ *cli.Context, d time.Duration) error {
				if d < 0 {
					return usageError("--%s %v: a duration cannot be negative", f.Name, d)
				}
				return nil
			}
		}
	}
}

func badUsage(c *cli.Context, err error, _ bool) error {
	if flag, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		err = fmt.Errorf("there is no flag %s", dashed(flag))
		if best := nearest(flag, flagNames(c.Command)); best != "" {
			return usageError("%v\n    hint: did you mean %s?", err, dashed(best))
		}
	}
	if m := badDuration().FindStringSubmatch(err.Error()); m != nil {
		return usageError("--%s %s: that is no duration\n    hint: write it with its unit, such as 5s or 2m", m[2], m[1])
	}
	name := c.Command.FullName()
	if name == "" || name == c.App.Name {
		if strings.HasPrefix(err.Error(), "there is no flag") {
			return usageError("%v before a command\n    hint: flags come after it, as in \"netlab status -o json\"", err)
		}
		return usageError("%v\n    hint: netlab --help lists the commands", err)
	}
	return usageError("%v\n    hint: netlab %s --help shows what it takes", err, name)
}

// badDuration is what package flag says of a value that it cannot parse. The
// only values of that kind are durations.
var badDuration = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^invalid value "(.*)" for flag -(\S+): parse error$`)
})

// dashed writes a flag as people do.
func dashed(flag string) string {
	if len(flag) == 1 {
		return "-" + flag
	}
	return "--" + flag
}

func flagNames(c *cli.Command) []string {
	var names []string
	for _, f := range c.Flags {
		names = append(names, f.Names()...)
	}
	return names
}

// noCommand runs when the first word is no command.
func noCommand(c *cli.Context) error {
	if c.NArg() == 0 {
		return cli.ShowAppHelp(c)
	}
	return unknownCommand(c.App, c.Args().First())
}

func unknownCommand(app *cli.App, word string) error {
	hint := "netlab --help lists the commands"
	near := habits[word]
	if app.Command(near) == nil {
		near = nearest(word, commandNames(app))
	}
	if near != "" {
		hint = fmt.Sprintf("did you mean %q?", "netlab "+near)
	}
	return usageError("there is no command %q\n    hint: %s", word, hint)
}

func commandNames(app *cli.App) []string {
	var names []string
	for _, c := range app.VisibleCommands() {
		names = append(names, c.Name)
	}
	return names
}

// args checks how many arguments a command was given. names are the words of
// its usage, such as LAB.
func args(c *cli.Context, names ...string) error {
	if c.NArg() == len(names) {
		return nil
	}
	usage := strings.TrimSpace("netlab " + c.Command.Name + " " + strings.Join(names, " "))
	if c.NArg() < len(names) {
		missing, _, _ := strings.Cut(strings.TrimPrefix(names[c.NArg()], "-- "), " ")
		return usageError("%s is missing\n    usage: %s", missing, usage)
	}
	return usageError("%q is one argument too many\n    usage: %s", c.Args().Get(len(names)), usage)
}

// argsOfLab is args for a command whose first argument is a lab. Who leaves the
// lab out, as kubectl and docker do, is not told that the last word is missing.
func (sys system) argsOfLab(c *cli.Context, names ...string) error {
	if n := c.NArg(); n == 0 || n >= len(names) || isPath(c.Args().First()) || c.Args().First() == "-" {
		return args(c, names...)
	}
	if _, err := sys.find(c.Args().First()); err != nil {
		return usageError("%w\n    usage: netlab %s %s", err, c.Command.Name, strings.Join(names, " "))
	}
	return args(c, names...)
}

// reorder puts flags before arguments, so that "netlab verify LAB -o json"
// works, and ends the flags with --. What follows a -- of the user's, or the
// first two arguments of exec, is left alone.
func reorder(app *cli.App, argv []string) ([]string, error) {
	if len(argv) < 2 {
		return argv, nil
	}
	if argv[1] == "--version" || argv[1] == "-v" {
		argv = append([]string{argv[0], "version"}, argv[2:]...)
	}
	command := app.Command(argv[1])
	if command == nil {
		return argv, nil
	}
	var flags, rest []string
	words := argv[2:]
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		if w == "--" || (command.Name == "exec" && len(rest) == 2 && w[:min(1, len(w))] != "-") {
			if w != "--" {
				rest = append(rest, w)
			}
			rest = append(rest, words...)
			break
		}
		if len(w) < 2 || w[0] != '-' {
			rest = append(rest, w)
			continue
		}
		flags = append(flags, w)
		if takesValue(command, w) {
			if len(words) == 0 {
				return nil, usageError("flag %s needs a value\n    hint: netlab %s --help shows what it takes", w, command.Name)
			}
			flags = append(flags, words[0])
			words = words[1:]
		}
	}
	ordered := append(argv[:2:2], flags...)
	if slices.Contains(flags, "--help") || slices.Contains(flags, "-h") {
		return []string{argv[0], argv[1], "--help"}, nil // about the command, whatever else is there
	}
	if len(rest) > 0 {
		ordered = append(ordered, "--")
	}
	return append(ordered, rest...), nil
}

// takesValue reports whether the word after flag w belongs to it.
func takesValue(command *cli.Command, w string) bool {
	name := strings.TrimLeft(w, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range command.Flags {
		for _, n := range f.Names() {
			if n == name {
				_, isBool := f.(*cli.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}
