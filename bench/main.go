package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	if err := measure(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parts of the benchmark, by the names under which they can be chosen.
const allParts = "build,services,containers,pings,small,peers"

func measure() error {
	b := suite{history: map[string]string{}}
	var only, history, label string
	flag.StringVar(&b.netlab, "netlab", "bin/netlab", "netlab to measure")
	flag.StringVar(&b.base, "base", "", "another netlab to compare it with")
	flag.StringVar(&b.bare, "bare", "bin/bare", "the bare program")
	flag.IntVar(&b.rounds, "rounds", 5, "how often each program is run")
	flag.BoolVar(&b.quick, "quick", false, "small labs only")
	flag.StringVar(&only, "only", allParts, "parts of the benchmark")
	flag.StringVar(&history, "history", "", "file to whose last table a line is added")
	flag.StringVar(&label, "label", "", "what was measured, for the history")
	flag.Parse()
	if os.Geteuid() != 0 {
		return errors.New("root is needed")
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	fmt.Printf("%s, medians of %d\n", machine(), b.rounds)
	for name := range strings.SplitSeq(only, ",") {
		if err := b.part(name); err != nil {
			return err
		}
	}
	if history == "" {
		return nil
	}
	return b.remember(history, label)
}

func (b *suite) part(name string) error {
	sizes := []size{{10, 2, 5, 3}, {100, 4, 20, 3}, {300, 4, 60, 3}, {1000, 10, 200, 3}}
	many := size{100, 10, 1000, 5}
	if b.quick {
		sizes, many = sizes[:2], size{20, 2, 100, 5}
	}
	switch name {
	case "build":
		for _, s := range sizes {
			plain := s
			plain.services = 0
			for _, one := range []size{plain, s} {
				if err := b.build(one); err != nil {
					return err
				}
			}
		}
		return b.files(sizes[len(sizes)-1])
	case "services":
		return b.services(many)
	case "containers":
		s := size{pods: 100, nodes: 4}
		if b.quick {
			s.pods = 20
		}
		return b.containers(s)
	case "pings":
		for _, s := range sizes[1:] {
			s.services = 0
			if err := b.pings(s); err != nil {
				return err
			}
		}
		return nil
	case "small":
		return b.small()
	case "peers":
		return b.peers()
	}
	return fmt.Errorf("there is no part %q, but %s", name, allParts)
}

// files says how many files are open at most while the largest lab comes up.
func (b *suite) files(s size) error {
	f, err := b.prepare(s, "")
	if err != nil {
		return err
	}
	most, err := openFiles(b.netlab, "up", f.lab)
	if err != nil {
		return err
	}
	fmt.Printf("\nopen files while %s come up: %d at most\n", s, most)
	_, err = run(b.netlab, "down", labName)
	return err
}

// historyCells are the columns of the history, after the first two.
var historyCells = []string{"up 10", "up 100", "up 300", "up 1000", "no-op up 10", "no-op up 100", "no-op up 1000", "down 100", "down 1000"}

// remember adds a line to a file, which ends with a table of that many columns.
func (b *suite) remember(path, label string) error {
	cells := []string{time.Now().UTC().Format("2006-01-02"), label + " (" + machine() + ")"}
	for _, c := range historyCells {
		v := b.history[c]
		if v == "" {
			v = "–"
		}
		cells = append(cells, v)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, row(cells...))
	return errors.Join(err, f.Close())
}
