package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// sample is what one run of a program took.
type sample struct {
	wall   float64 // milliseconds
	cpu    float64 // milliseconds, with all processes that it waited for
	memory float64 // megabytes, of the largest of them
	output string
}

// run runs a program to its end.
func run(args ...string) (sample, error) {
	cmd := exec.Command(args[0], args[1:]...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w\n%s%s", strings.Join(args, " "), err, tail(out.String()), tail(complaint.String()))
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return sample{ms(wall), ms(cpu), float64(usage.Maxrss) / 1024, out.String()}, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}

// series are the samples of all programs of a measurement, by name.
type series struct {
	order []string
	all   map[string][]sample
}

// take runs a program and keeps what it took under a name.
func (s *series) take(name string, args ...string) error {
	one, err := run(args...)
	if err != nil {
		return err
	}
	s.keep(name, one)
	return nil
}

func (s *series) keep(name string, one sample) {
	if s.all == nil {
		s.all = map[string][]sample{}
	}
	if s.all[name] == nil {
		s.order = append(s.order, name)
	}
	s.all[name] = append(s.all[name], one)
}

// again keeps, under another name, what was taken under one, to be held against
// something else.
func (s *series) again(as, name string) {
	for _, one := range s.all[name] {
		s.keep(as, one)
	}
}

// median returns the medians of all that was measured under a name: zeros if
// nothing was.
func (s *series) median(name string) sample {
	list := s.all[name]
	if len(list) == 0 {
		return sample{}
	}
	middle := func(of func(sample) float64) float64 {
		values := make([]float64, len(list))
		for i, one := range list {
			values[i] = of(one)
		}
		slices.Sort(values)
		return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	}
	return sample{
		wall:   middle(func(s sample) float64 { return s.wall }),
		cpu:    middle(func(s sample) float64 { return s.cpu }),
		memory: middle(func(s sample) float64 { return s.memory }),
	}
}

// part returns the number that a program of ours printed after a word.
func part(output, word string) float64 {
	for line := range strings.Lines(output) {
		var v float64
		if rest, ok := strings.CutPrefix(line, word+" "); ok {
			if _, err := fmt.Sscan(rest, &v); err == nil {
				return v
			}
		}
	}
	return 0
}

// openFiles runs a program and returns how many files it had open at most, as
// far as a look every millisecond shows.
func openFiles(args ...string) (int, error) {
	cmd := exec.Command(args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	most := 0
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-over:
			return most, err
		case <-tick.C:
			if entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid)); err == nil {
				most = max(most, len(entries))
			}
		}
	}
}
