package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/urfave/cli/v2"
)

const labHelp = `LAB is a path (it contains / or ends in .yaml), - for standard input, the name
of a lab that is up, or the name of one that ships (netlab list).`

// newApp returns the command line of netlab.
func newApp(sys system) *cli.App {
	app := &cli.App{
		Name:  "netlab",
		Usage: "Kubernetes networking on plain kernel objects, from one file",
		Description: `Start with:  netlab up two-node
             netlab verify two-node
             netlab exec two-node client -- curl http://web

` + labHelp,
		Writer:               sys.stdout,
		ErrWriter:            sys.stderr,
		EnableBashCompletion: true,
		HideVersion:          true,
		ExitErrHandler:       func(*cli.Context, error) {}, // run decides the exit code, nobody else
		OnUsageError:         badUsage,
		Action:               noCommand,
		Commands: []*cli.Command{
			upCommand(sys), planCommand(sys), downCommand(sys), resetCommand(sys), gcCommand(sys), verifyCommand(sys),
			statusCommand(sys), execCommand(sys), logsCommand(sys), shellCommand(sys),
			initCommand(sys), validateCommand(sys), listCommand(sys), doctorCommand(sys), reportCommand(sys),
			traceCommand(sys), completionCommand(sys), versionCommand(sys), superviseCommand(),
		},
	}
	for _, c := range app.Commands {
		c.OnUsageError = badUsage
		c.HideHelpCommand = true
		if c.BashComplete == nil {
			c.BashComplete = completeLabs(sys)
		}
	}
	return app
}

func badUsage(c *cli.Context, err error, _ bool) error {
	if flag, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		err = fmt.Errorf("there is no flag %s", dashed(flag))
		if best := nearest(flag, flagNames(c.Command)); best != "" {
			return usageError("%v\n    hint: did you mean %s?", err, dashed(best))
		}
	}
	if m := badDuration.FindStringSubmatch(err.Error()); m != nil {
		return usageError("--%s %s: that is no duration\n    hint: write it with its unit, such as 5s or 2m", m[2], m[1])
	}
	name := c.Command.FullName()
	if name == "" || name == c.App.Name {
		return usageError("%v\n    hint: netlab --help lists the commands", err)
	}
	return usageError("%v\n    hint: netlab %s --help shows what it takes", err, name)
}

// badDuration is what package flag says of a value that it cannot parse. The
// only values of that kind are durations.
var badDuration = regexp.MustCompile(`^invalid value "(.*)" for flag -(\S+): parse error$`)

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
	word := c.Args().First()
	hint := "netlab --help lists the commands"
	if s := nearest(word, commandNames(c.App)); s != "" {
		hint = fmt.Sprintf("did you mean %q?", "netlab "+s)
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

// nearest returns the word of known that was most likely meant by word, or ""
// if none comes close.
func nearest(word string, known []string) string {
	best, distance := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := levenshtein.Distance(word, k, nil); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// args checks how many arguments a command was given. names are the words of
// its usage, such as LAB.
func args(c *cli.Context, names ...string) error {
	if c.NArg() == len(names) {
		return nil
	}
	usage := strings.TrimSpace("netlab " + c.Command.Name + " " + strings.Join(names, " "))
	if c.NArg() < len(names) {
		return usageError("%s is missing\n    usage: %s", names[c.NArg()], usage)
	}
	return usageError("%q is one argument too many\n    usage: %s", c.Args().Get(len(names)), usage)
}

// reorder puts flags before arguments, so that "netlab verify LAB -o json"
// works, and ends the flags with --. What follows a -- of the user's, or the
// first two arguments of exec, is left alone.
func reorder(app *cli.App, argv []string) ([]string, error) {
	if len(argv) < 2 {
		return argv, nil
	}
	if argv[len(argv)-1] == "--generate-bash-completion" {
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
