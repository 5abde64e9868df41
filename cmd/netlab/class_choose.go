package main

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/labs"
)

// choice is what the flags say about instances.
type choice struct {
	count  int      // --instances; 0: not given
	some   []string // --instance
	all    bool     // --all-instances
	prefix string   // --prefix; "" not given
}

func (ch choice) check() error {
	given := 0
	for _, is := range []bool{ch.count != 0, len(ch.some) > 0, ch.all} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return usageError("--instances, --instance and --all-instances exclude each other\n    hint: --instances 30 are number 1 to 30, --instance 3,7-9 some of them, --all-instances those that are up")
	case given == 0:
		return usageError("which instances?\n    hint: --instances N, --instance 3,7-9 or --all-instances")
	case ch.count < 0 || ch.count > maxInstances:
		return usageError("--instances %d: a number from 1 to %d", ch.count, maxInstances)
	case ch.prefix != "" && !labs.ValidName(ch.prefix):
		return usageError("--prefix %s: lower-case letters, digits and dashes, no dash at the ends\n    hint: such as --prefix %s", ch.prefix, defaultPrefix)
	}
	return nil
}

func choiceOf(c *cli.Context) (choice, error) {
	if c.IsSet("instances") && c.Int("instances") == 0 {
		return choice{}, usageError("--instances 0: a number from 1 to %d\n    hint: \"netlab down LAB --all-instances\" removes them", maxInstances)
	}
	if c.IsSet("parallel") && c.Int("parallel") < 1 {
		return choice{}, usageError("--parallel %d: a number of at least 1", c.Int("parallel"))
	}
	ch := choice{c.Int("instances"), c.StringSlice("instance"), c.Bool("all-instances"), c.String("prefix")}
	return ch, ch.check()
}

// choose returns the instances of lab that ch means, given those that are up.
func (ch choice) choose(lab string, up []member) (class, error) {
	prefix, err := ch.onlyPrefix(up)
	if err != nil {
		return class{}, err
	}
	up = slices.DeleteFunc(slices.Clone(up), func(m member) bool { return m.Prefix != prefix })
	cl := class{lab: lab, want: ch.count}
	if ch.all {
		cl.members = up
		return cl, nil
	}
	var numbers []int
	if ch.count > 0 {
		for n := range ch.count {
			numbers = append(numbers, n+1)
		}
	} else if numbers, err = ch.numbers(lab, prefix, up); err != nil {
		return class{}, err
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	// Names are what people wrote down: those of instances that are up decide
	// about the digits of the others.
	width := len(strconv.Itoa(max(numbers[len(numbers)-1], 10)))
	for _, m := range up {
		width = m.width()
		if m.width() > len(strconv.Itoa(m.Number)) {
			break // the others may have as many digits as they need
		}
	}
	for _, n := range numbers {
		i := instance{lab, prefix, n}
		m := member{instance: i, name: i.nameOf(width)}
		if k := slices.IndexFunc(up, func(m member) bool { return m.Number == n }); k >= 0 {
			m = up[k]
		}
		cl.members = append(cl.members, m)
	}
	for _, m := range up {
		if !slices.Contains(numbers, m.Number) {
			cl.rest = append(cl.rest, m)
		}
	}
	return cl, cl.checkNames()
}

// onlyPrefix returns the prefix that is meant. Where classes with several of
// them are up, people have to say which.
func (ch choice) onlyPrefix(up []member) (string, error) {
	if ch.prefix != "" {
		return ch.prefix, nil
	}
	var found []string
	for _, m := range up {
		if !slices.Contains(found, m.Prefix) {
			found = append(found, m.Prefix)
		}
	}
	switch {
	case len(found) > 1:
		return "", usageError("instances with several prefixes are up: %s\n    hint: say which are meant: --prefix %s", join(found), found[0])
	case len(found) == 1 && ch.count == 0:
		return found[0], nil
	case len(found) == 1 && found[0] != defaultPrefix:
		return "", usageError("the instances that are up are called %s\n    hint: --prefix %s means these, --prefix %s makes others", up[0].name, found[0], defaultPrefix)
	}
	return defaultPrefix, nil
}

// numbers reads --instance.
func (ch choice) numbers(lab, prefix string, up []member) ([]int, error) {
	var numbers []int
	for _, word := range ch.some {
		word = strings.TrimSpace(word)
		list, err := numbersOf(word, lab, prefix, up)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, list...)
	}
	if len(numbers) > maxInstances {
		return nil, usageError("--instance means %d instances, more than %d", len(numbers), maxInstances)
	}
	return numbers, nil
}

// numbersOf reads one word of --instance: a number, a range, a name or a
// pattern of names that are up.
func numbersOf(word, lab, prefix string, up []member) ([]int, error) {
	wrong := func(format string, args ...any) error {
		return usageError("--instance %s: %s\n    hint: numbers, ranges, names or patterns, such as 3,7-9,%s-1*", word, fmt.Sprintf(format, args...), prefix)
	}
	if n, err := strconv.Atoi(word); err == nil {
		if n < 1 {
			return nil, wrong("instances are numbered from 1")
		}
		return []int{n}, nil
	}
	if a, b, ok := strings.Cut(word, "-"); ok {
		from, err1 := strconv.Atoi(a)
		to, err2 := strconv.Atoi(b)
		if err1 == nil && err2 == nil {
			if from < 1 || to < from || to-from >= maxInstances {
				return nil, wrong("that is no range")
			}
			var list []int
			for n := from; n <= to; n++ {
				list = append(list, n)
			}
			return list, nil
		}
	}
	if strings.ContainsAny(word, "*?[") {
		var list []int
		for _, m := range up {
			for _, name := range []string{m.name, m.label(), strings.TrimPrefix(m.label(), m.Prefix+"-")} {
				ok, err := path.Match(word, name)
				if err != nil {
					return nil, wrong("that is no pattern")
				}
				if ok {
					list = append(list, m.Number)
					break
				}
			}
		}
		if len(list) == 0 {
			return nil, wrong("no instance of lab %s that is up is called so", lab)
		}
		return list, nil
	}
	tail := strings.TrimPrefix(strings.TrimPrefix(word, lab+"-"), prefix+"-")
	if n, err := strconv.Atoi(tail); err == nil && n > 0 && tail != word {
		return []int{n}, nil
	}
	return nil, wrong("that is no instance of lab %s", lab)
}

// checkNames says early what the names of instances need.
func (cl class) checkNames() error {
	for _, m := range cl.members {
		if len(m.name) <= labs.MaxName {
			continue
		}
		hint := "give the lab a shorter name"
		if room := labs.MaxName - (len(m.name) - len(m.Prefix)); room > 0 {
			hint += fmt.Sprintf(", or take a --prefix of %d characters at most", room)
		}
		return usageError("%s: that is %d characters, and the name of a lab has %d at most\n    hint: %s", m.name, len(m.name), labs.MaxName, hint)
	}
	return nil
}
