package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/labs"
	"netlab/verify"
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

var usageFlag = regexp.MustCompile(`\[-[^\]]*\]`)

// argumentsOf reads the usage of a command, such as
// LAB NAME [-c CONTAINER] [--] CMD [ARG...].
func argumentsOf(usage string) []slot {
	var slots []slot
	for word := range strings.FieldsSeq(usageFlag.ReplaceAllString(usage, "")) {
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

// onlyUp are the commands that are of use for labs that are up.
var onlyUp = []string{"down", "exec", "shell", "logs"}

// labs lists labs by name, and where a file may be meant files.
func (t *typed) labs() []candidate {
	var all, up []candidate
	for _, v := range t.sys.listLabs() {
		c := candidate{v.Name, v.Description}
		all = append(all, c)
		if v.Up {
			up = append(up, c)
		}
	}
	if slices.Contains(onlyUp, t.command.Name) && len(up) > 0 {
		all = up
	}
	return append(all, candidate{value: labFile})
}

// lab returns the lab that was typed before, or nil.
func (t *typed) lab() *labs.Lab {
	for i, s := range argumentsOf(t.command.ArgsUsage) {
		if !slices.Contains(s.words, "LAB") || i >= len(t.args) {
			continue
		}
		arg := t.args[i]
		if info, err := os.Stat(arg); arg == "-" || isPath(arg) && (err != nil || !info.Mode().IsRegular()) {
			return nil
		}
		src, err := t.sys.find(arg)
		if err != nil {
			return nil
		}
		lab, _ := src.lab()
		return lab
	}
	return nil
}

// instances lists the instances of the lab that are up.
func (t *typed) instances() []candidate {
	var list []candidate
	for _, m := range t.instancesUp() {
		list = append(list, candidate{m.label(), m.name})
	}
	return list
}

// prefixes lists what instances of the lab that are up are called.
func (t *typed) prefixes() []candidate {
	list := []candidate{}
	for _, m := range t.instancesUp() {
		if !slices.ContainsFunc(list, func(c candidate) bool { return c.value == m.Prefix }) {
			list = append(list, candidate{m.Prefix, m.name})
		}
	}
	return list
}

func (t *typed) instancesUp() []member {
	if len(t.args) == 0 {
		return nil
	}
	name := t.args[0]
	if isPath(name) {
		lab := t.lab()
		if lab == nil {
			return nil
		}
		name = lab.Name
	}
	h, err := t.sys.open("")
	if err != nil {
		return nil
	}
	defer h.Close()
	up, _ := instancesUp(h, name) // without permission to look, none is known
	return up
}

func (t *typed) pods() []candidate {
	var list []candidate
	if lab := t.lab(); lab != nil {
		for i := range lab.Pods {
			p := &lab.Pods[i]
			list = append(list, candidate{podName(p), "pod on " + p.Node})
		}
	}
	return list
}

func (t *typed) nodes() []candidate {
	var list []candidate
	if lab := t.lab(); lab != nil {
		for i := range lab.Nodes {
			list = append(list, candidate{lab.Nodes[i].Name, "node"})
		}
	}
	return list
}

func (t *typed) bridges() []candidate {
	var list []candidate
	if lab := t.lab(); lab != nil {
		for i := range lab.Bridges {
			list = append(list, candidate{lab.Bridges[i].Name, "bridge"})
		}
	}
	return list
}

func (t *typed) services() []candidate {
	var list []candidate
	if lab := t.lab(); lab != nil {
		for i := range lab.Services {
			s := &lab.Services[i]
			name := "svc/" + s.Name
			if s.Namespace != "default" {
				name = s.Namespace + "/" + name
			}
			list = append(list, candidate{name, "service"})
		}
	}
	return list
}

// places lists where something can run: pods, nodes and bridges.
func (t *typed) places() []candidate { return slices.Concat(t.pods(), t.nodes(), t.bridges()) }

// targets lists ends of traffic, and the ports of one whose colon has been
// typed.
func (t *typed) targets() []candidate {
	name, _, colon := strings.Cut(t.word, ":")
	if !colon {
		return append(t.places(), t.services()...)
	}
	lab := t.lab()
	if lab == nil {
		return nil
	}
	var list []candidate
	ref, err := lab.Find(name)
	switch {
	case err != nil:
	case ref.Kind == labs.RefService:
		for _, p := range lab.Service(ref.Namespace, ref.Name).Ports {
			list = append(list, portCandidate(name, int(p.Port), p.Protocol, p.Name))
		}
	case ref.Kind == labs.RefPod:
		for _, c := range lab.Pod(ref.Namespace, ref.Name).Containers {
			for _, s := range c.Serve {
				protocol := labs.TCP
				if s.Kind == "udp" {
					protocol = labs.UDP
				}
				list = append(list, portCandidate(name, int(s.Port), protocol, s.Kind))
			}
			for _, p := range c.Ports {
				list = append(list, portCandidate(name, int(p.Port), p.Protocol, p.Name))
			}
		}
	}
	return list
}

func portCandidate(name string, port int, protocol labs.Protocol, about string) candidate {
	value := fmt.Sprintf("%s:%d", name, port)
	if protocol == labs.UDP {
		value += "/UDP"
	}
	return candidate{value, about}
}

func (t *typed) containers() []candidate {
	lab := t.lab()
	if lab == nil {
		return nil
	}
	var list []candidate
	for i := range lab.Pods {
		p := &lab.Pods[i]
		if len(t.args) > 1 && podName(p) != strings.TrimPrefix(t.args[1], "pod/") {
			continue
		}
		for _, c := range p.Containers {
			list = append(list, candidate{c.Name, "container of " + podName(p)})
		}
	}
	return list
}

// keys lists the keys of the lab file below the path that has been typed, and
// offers to go on where there are some below them.
func (t *typed) keys() []candidate {
	at, path := labs.Format(), ""
	if i := strings.LastIndexByte(t.word, '.'); i >= 0 {
		var err error
		if at, err = at.Find(t.word[:i]); err != nil {
			return nil
		}
		path = t.word[:i+1]
	}
	var list []candidate
	for _, k := range at.Keys {
		list = append(list, candidate{path + k.Name, k.Doc})
		if len(k.Keys) > 0 && t.word == path+k.Name {
			list = append(list, candidate{path + k.Name + ".", "keys of it"})
		}
	}
	return list
}

func (t *typed) groups() []candidate {
	var names []string
	for _, g := range verify.Groups() {
		names = append(names, string(g))
	}
	return t.listOf(plainWords(names))
}

// details lists what a picture can show beside names.
func (t *typed) details() []candidate { return t.listOf(plainWords(pictureDetails)) }

func (t *typed) placeList() []candidate { return t.listOf(append(t.places(), t.services()...)) }

// listOf lists candidates for the last word of a list with commas.
func (t *typed) listOf(one []candidate) []candidate {
	i := strings.LastIndexByte(t.word, ',') + 1
	begun := t.word[:i]
	if _, value, ok := strings.Cut(begun, "="); ok && strings.HasPrefix(begun, "--") {
		begun = value
	}
	var list []candidate
	for _, c := range one {
		if !slices.Contains(strings.Split(begun, ","), c.value) {
			list = append(list, candidate{begun + c.value, c.about})
		}
	}
	return list
}
