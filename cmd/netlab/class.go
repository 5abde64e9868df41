package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"netlab/labs"
)

// defaultPrefix is what instances are called where nobody says otherwise.
const defaultPrefix = "student"

// maxInstances is how many instances one command makes at most.
const maxInstances = 1000

// instanceFlags choose instances of a lab.
func instanceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "instances", Usage: "`N` instances of the lab side by side: LAB-student-01 and so on"},
		&cli.StringSliceFlag{Name: "instance", Usage: "some `INSTANCES`: numbers, ranges, names, patterns, such as 3,7-9,student-1*"},
		&cli.BoolFlag{Name: "all-instances", Usage: "all instances that are up"},
		&cli.StringFlag{Name: "prefix", Usage: "what the instances are called: LAB-`PREFIX`-01 (default: " + defaultPrefix + ")"},
		&cli.IntFlag{Name: "parallel", Usage: "how many instances to work on at a time: `N`"},
	}
}

// withInstances appends the flags that choose instances.
func withInstances(flags ...cli.Flag) []cli.Flag { return append(flags, instanceFlags()...) }

// manyInstances reports whether a command is to work on instances of a lab and
// not on a lab.
func manyInstances(c *cli.Context) bool {
	return c.IsSet("instances") || c.IsSet("instance") || c.Bool("all-instances") || c.IsSet("prefix") || c.IsSet("parallel")
}

// member is one instance of a lab.
type member struct {
	instance
	name string // of the lab that it is: <lab>-<prefix>-<number>
	up   bool   // something of it is there

	// What it is made from; lab is nil and err says why where that is not known
	// or not needed.
	src source
	lab *labs.Lab
	err error
}

// instance says which instance a lab is. It is kept in the lab's runtime
// directory.
type instance struct {
	Lab    string `json:"lab"` // the name in the lab file
	Prefix string `json:"prefix"`
	Number int    `json:"number"`
}

// label is the short name, as student-07.
func (m member) label() string { return strings.TrimPrefix(m.name, m.Lab+"-") }

// width is how many digits the number has in the name.
func (m member) width() int { return len(m.name) - len(m.Lab) - len(m.Prefix) - len("--") }

// nameOf writes the number with so many digits, so that names sort.
func (i instance) nameOf(width int) string {
	return fmt.Sprintf("%s-%s-%0*d", i.Lab, i.Prefix, width, i.Number)
}

// isCalled reports whether a lab of that name can be i.
func (i instance) isCalled(name string) bool {
	digits, ok := strings.CutPrefix(name, i.Lab+"-"+i.Prefix+"-")
	n, err := strconv.Atoi(digits)
	return ok && err == nil && n == i.Number
}

// instanceName is a file beside the copy of a lab file; see [instance].
const instanceName = "instance"

func saveInstance(runDir string, i instance) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(runDir, instanceName), append(text, '\n'), 0o600)
}

// loadInstance returns the instance that the lab called name is of lab. Where a
// student removed the runtime files, the name tells.
func loadInstance(runDir, name, lab string) (instance, bool) {
	var i instance
	text, err := os.ReadFile(filepath.Join(runDir, instanceName))
	if err == nil && json.Unmarshal(text, &i) == nil {
		return i, i.Lab == lab && i.isCalled(name)
	}
	if _, err := os.Lstat(filepath.Join(runDir, "lab.yaml")); err == nil {
		return i, false // a lab of its own that only has such a name
	}
	rest, ok := strings.CutPrefix(name, lab+"-")
	dash := strings.LastIndexByte(rest, '-')
	if !ok || dash < 1 {
		return i, false
	}
	n, err := strconv.Atoi(rest[dash+1:])
	i = instance{lab, rest[:dash], n}
	return i, err == nil && n > 0 && i.isCalled(name)
}

// instancesUp lists the instances of lab of which anything is there, by prefix
// and number.
func instancesUp(h host, lab string) ([]member, error) {
	names, err := h.Labs()
	if err != nil {
		return nil, err
	}
	var list []member
	for _, name := range names {
		if i, ok := loadInstance(h.RunDir(name), name, lab); ok {
			list = append(list, member{instance: i, name: name, up: true})
		}
	}
	slices.SortFunc(list, func(a, b member) int {
		if a.Prefix != b.Prefix {
			return strings.Compare(a.Prefix, b.Prefix)
		}
		return a.Number - b.Number
	})
	return list, nil
}

// class is what a command works on: instances of one lab.
type class struct {
	lab     string // its name in the lab file
	members []member
	rest    []member // instances that are up and were not chosen
	want    int      // --instances, or 0
}
