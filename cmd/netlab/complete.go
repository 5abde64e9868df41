package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"
)

// completeWord makes netlab print what may stand in place of the last of the
// words after it, one a line, with what it is after a tab. The scripts of
// "netlab completion" call it. A line that begins with a colon is for the
// script: complete files of that kind, too.
const completeWord = "__complete"

// Lines for the script.
const (
	anyFile = ":files"
	labFile = ":yaml"
)

// candidate is a word that fits, and what it is.
type candidate struct{ value, about string }

// typed is a command line that is being typed.
type typed struct {
	sys     system
	app     *cli.App
	command *cli.Command
	args    []string          // arguments before the word, without flags
	flags   map[string]string // flags before it that have a value
	word    string            // what has been typed of the word
}

// fits says what each placeholder of the usage of a command or a flag stands
// for. A test finds one that is missing here.
var fits = map[string]func(t *typed) []candidate{
	"LAB":       (*typed).labs,
	"NAME":      (*typed).places,
	"NAMES":     (*typed).placeList,
	"FROM":      (*typed).places,
	"TO":        (*typed).targets,
	"POD":       (*typed).pods,
	"NODE":      (*typed).nodes,
	"IFACE":     nil, // not known before a lab is up
	"FILTER":    nil,
	"BRIDGE":    (*typed).bridges,
	"SERVICE":   (*typed).services,
	"CONTAINER": (*typed).containers,
	"GROUPS":    (*typed).groups,
	"COMMAND":   (*typed).commands,
	"KEY":       (*typed).keys,
	"INSTANCES": (*typed).instances,
	"PREFIX":    (*typed).prefixes,
	"FILE":      (*typed).files,
	"DIR":       files,
	"DIRECTORY": files,
	"CMD":       files,
	"ARG":       files,
	"DETAILS":   (*typed).details,
	"FORMAT":    nil, // the usage of the flag lists them
	"DURATION":  nil,
	"PORT":      nil,
	"BYTES":     nil,
	"N":         nil,
	"PATH":      nil,

	"FORMAT=FILE": files,
}

func files(*typed) []candidate { return []candidate{{value: anyFile}} }

// onLabFiles are the commands whose arguments are lab files.
var onLabFiles = []string{"validate", "fmt", "init"}

func (t *typed) files() []candidate {
	if slices.Contains(onLabFiles, t.command.Name) {
		return []candidate{{value: labFile}}
	}
	return files(t)
}

// complete prints what fits in place of the last word.
func complete(sys system, app *cli.App, words []string) {
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	t := &typed{sys: sys, app: app, flags: map[string]string{}, word: words[len(words)-1]}
	for _, c := range t.candidates(words[:len(words)-1]) {
		switch {
		case !strings.HasPrefix(c.value, t.word) && !strings.HasPrefix(c.value, ":"):
		case c.about == "":
			fmt.Fprintln(sys.stdout, c.value)
		default:
			fmt.Fprintf(sys.stdout, "%s\t%s\n", c.value, strings.ReplaceAll(c.about, "\n", " "))
		}
	}
}

// candidates reads the words before the one that is being typed, and lists
// what may follow.
func (t *typed) candidates(before []string) []candidate {
	if len(before) == 0 {
		if strings.HasPrefix(t.word, "-") {
			return []candidate{{"--help", "what netlab does"}, {"--version", "the version of this program"}}
		}
		return t.commands()
	}
	if t.command = t.app.Command(before[0]); t.command == nil || t.command.Hidden {
		return nil
	}
	words, ended := before[1:], false
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		switch {
		case ended || w == "-" || !strings.HasPrefix(w, "-"):
			t.args = append(t.args, w)
			ended = ended || t.command.Name == "exec" && len(t.args) > 2
		case w == "--":
			ended = true
		case takesValue(t.command, w):
			if len(words) == 0 {
				return t.valuesOf(w)
			}
			t.flags[flagName(t.command, w)] = words[0]
			words = words[1:]
		default:
			name, value, _ := strings.Cut(w, "=")
			t.flags[flagName(t.command, name)] = value
		}
	}
	if !ended && strings.HasPrefix(t.word, "-") {
		return t.flagCandidates()
	}
	return t.argument()
}

// flagCandidates lists the flags of the command, or the values of one where
// --FLAG= has been typed.
func (t *typed) flagCandidates() []candidate {
	if flag, _, ok := strings.Cut(t.word, "="); ok {
		var list []candidate
		for _, c := range t.valuesOf(flag) {
			if !strings.HasPrefix(c.value, ":") {
				c.value = flag + "=" + c.value
			}
			list = append(list, c)
		}
		return list
	}
	list := []candidate{}
	for _, f := range t.command.VisibleFlags() {
		for _, n := range f.Names() {
			if len(n) > 1 || len(f.Names()) == 1 || t.word == "-"+n {
				list = append(list, candidate{dashed(n), flagHelp(f)[1]})
			}
		}
	}
	if !slices.ContainsFunc(list, func(c candidate) bool { return c.value == "--help" }) {
		list = append(list, candidate{"--help", "what the command does"})
	}
	return list
}

// flagName returns the first name of a flag as it is typed, such as -o.
func flagName(command *cli.Command, w string) string {
	name := strings.TrimLeft(w, "-")
	for _, f := range command.Flags {
		if slices.Contains(f.Names(), name) {
			return f.Names()[0]
		}
	}
	return name
}

// valuesOf lists what may follow a flag.
func (t *typed) valuesOf(w string) []candidate {
	name := flagName(t.command, w)
	for _, f := range t.command.Flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok || f.Names()[0] != name {
			continue
		}
		word, _ := placeholder(doc.GetUsage())
		if word == "FORMAT" {
			_, formats, _ := strings.Cut(doc.GetUsage(), ": ")
			return plainWords(strings.Split(formats, ", "))
		}
		if list := fits[word]; list != nil {
			return list(t)
		}
	}
	return nil
}

// argument lists what may stand as the next argument, by the usage of the
// command.
func (t *typed) argument() []candidate {
	slots := argumentsOf(t.command.ArgsUsage)
	i := len(t.args)
	if len(slots) > 0 && slots[len(slots)-1].repeated {
		i = min(i, len(slots)-1)
	}
	if i >= len(slots) {
		return nil
	}
	var list []candidate
	for _, w := range slots[i].words {
		if w == strings.ToLower(w) {
			list = append(list, candidate{value: w})
		} else if f := fits[w]; f != nil {
			list = append(list, f(t)...)
		}
	}
	return list
}

// slot is one argument of a command.
type slot struct {
	words    []string // placeholders in capitals, or the words themselves
	repeated bool
}

var usageFlag = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[-[^\]]*\]`) })

// argumentsOf reads the usage of a command, such as
// LAB NAME [-c CONTAINER] [--] CMD [ARG...].
func argumentsOf(usage string) []slot {
	var slots []slot
	for word := range strings.FieldsSeq(usageFlag().ReplaceAllString(usage, "")) {
		if word == "--" {
			continue
		}
		s := slot{repeated: strings.Contains(word, "...")}
		word = strings.TrimLeft(word, "[")
		if i := strings.IndexAny(word, "[]:."); i >= 0 {
			word = word[:i]
		}
		s.words = strings.Split(word, "|")
		slots = append(slots, s)
	}
	return slots
}

func plainWords(words []string) []candidate {
	var list []candidate
	for _, w := range words {
		list = append(list, candidate{value: w})
	}
	return list
}

func (t *typed) commands() []candidate {
	var list []candidate
	for _, c := range t.app.VisibleCommands() {
		list = append(list, candidate{c.Name, c.Usage})
	}
	return list
}
